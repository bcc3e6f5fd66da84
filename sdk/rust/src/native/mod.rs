//! Transforms outside Wasm: the test kit, and batches as the host sends them.

mod logs;
mod runner;
mod test_harness;
mod test_output;
mod test_record;

pub use crate::native::logs::LogLine;
pub use crate::native::runner::Emission;
pub use crate::native::runner::Processed;
pub use crate::native::runner::Rejection;
pub use crate::native::runner::Runner;
pub use crate::native::test_harness::Rejected;
pub use crate::native::test_harness::TestHarness;
pub use crate::native::test_output::TestOutput;
pub use crate::native::test_record::IntoTestRecord;
pub use crate::native::test_record::TestRecord;
