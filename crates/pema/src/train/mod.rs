//! From a memory and a head to an adapter. The body of the model is not needed.
//!
//! Read in this order: [`Trainer::step`] draws a batch and calls [`network::Network::step`], where
//! each line is one formula of the method and one kernel on the device.

mod closed_form;
mod config;
mod held_out;
mod network;
mod parameter;
mod report;
mod start;
mod state;
mod trainer;

pub use config::{Decay, Recipe, Stage1, TrainConfig};
pub(crate) use held_out::mixture_nll;
pub use held_out::{HeldOutScore, choose_lambda};
pub use network::{Gradients, Losses, Network, Objective, Parameters, Rate};
pub use report::{StepReport, Summary};
pub use state::TrainState;
pub use trainer::Trainer;
