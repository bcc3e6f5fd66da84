//! The guest `state-probe` on a real broker, beside a plain model of what it must come to.
//!
//! Every record says what to do to state and timers, and is answered with what was seen. So equal outputs,
//! partition by partition and record by record, mean equal state at every record; what the changelogs
//! hold in the end is compared besides.

mod answer;
mod changelogs;
mod command;
mod commands;
mod model;
mod pipeline;

pub use answer::Answer;
pub use command::Command;
pub use command::Operation;
pub use commands::Commands;
pub use model::Model;
pub use pipeline::Probe;
