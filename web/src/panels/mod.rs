//! The six steps, and what they share.

mod data;
mod device;
mod facts;
mod kept;
mod model;
mod open;
mod panel;
mod paste;
mod prompt;
mod report;
mod tokens;
mod train;
mod why;
mod write;

pub(crate) use data::DataPanel;
pub(crate) use device::DevicePanel;
pub(crate) use model::ModelPanel;
pub(crate) use report::ReportPanel;
pub(crate) use train::TrainPanel;
pub(crate) use write::WritePanel;
