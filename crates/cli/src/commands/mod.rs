//! One file per command.

pub mod bench;
pub mod contexts;
pub mod demo;
pub mod doctor;
pub mod eval;
pub mod generate;
pub mod lab;
pub mod memory;
pub mod model;
pub mod train;
pub mod tune;
