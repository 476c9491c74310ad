//! x

pub mod dataset;
pub mod error;
pub mod metrics;
pub mod sampling;
pub mod schedule;
pub mod template;
