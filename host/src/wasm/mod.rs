//! Guest execution: what an upload must be, and how its code runs within limits.
//!
//! ```text
//! bytes --loader: upload checks, compile, describe--> CompiledComponent
//! CompiledComponent --guest: one instance at a time--> Guest (the pipeline's port)
//! RecordBatch --columns::lower--> instance --imports: emit, reject--> Invoked
//! FiredTimers --fired--> instance, likewise
//! StateSlot --lent for the call--> imports: state, timers --> back in its slot
//! ```
//!
//! Any error of a call drops the instance with its store: nothing is read from the memory of a
//! guest that trapped.

pub mod columns;
pub mod compile;
pub mod compiled;
pub mod digest;
pub mod engine;
mod gate;
pub mod guest;
pub mod guest_log;
pub mod imports;
pub mod instance;
pub mod loader;
pub mod output_shape;
pub mod upload;

mod binaries;
mod cpu_time;
mod cut;
mod deadline;
mod fired;
mod limiter;
mod row_indexes;
mod state;
mod ticker;
mod trap;
