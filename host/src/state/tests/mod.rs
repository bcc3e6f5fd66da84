//! What the state of a task promises, through its ports.

mod checkpoints;
mod golden;
mod model;
mod task;
