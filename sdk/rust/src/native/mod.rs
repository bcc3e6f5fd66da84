//! Transforms outside Wasm: the test kit, and batches as the host sends them.

mod any_batches;
mod cell;
mod event_clock;
pub(crate) mod host_link;
mod logs;
mod runner;
mod state_model;
mod test_harness;
mod test_output;
mod test_record;
mod test_state;
mod test_time;

pub use crate::native::any_batches::BatchSize;
pub use crate::native::any_batches::same_in_any_batches;
pub use crate::native::logs::LogLine;
pub use crate::native::runner::Emission;
pub use crate::native::runner::Processed;
pub use crate::native::runner::Rejection;
pub use crate::native::runner::Runner;
pub use crate::native::test_harness::Rejected;
pub use crate::native::test_harness::RejectedTimer;
pub use crate::native::test_harness::TestHarness;
pub use crate::native::test_output::TestOutput;
pub use crate::native::test_record::IntoTestRecord;
pub use crate::native::test_record::TestRecord;
pub use crate::native::test_state::PendingTimer;
