//! How a worker comes by its parts. `app` implements this with the real adapters.

use crate::model::ids::WorkerIndex;
use crate::pipeline::driver::DriverFailure;
use crate::pipeline::ports::Sink;
use crate::pipeline::ports::Source;
use crate::pipeline::run::Lane;
use crate::pipeline::settings::DriverSettings;

/// Everything that one worker owns.
pub struct WorkerParts<S, K> {
    pub source: S,
    pub lane: Lane<K>,
    pub settings: DriverSettings,
}

/// Makes the parts of a worker, on the worker's own thread.
pub trait WorkerFactory: Send + Sync + 'static {
    type Source: Source;
    type Sink: Sink<Group = <Self::Source as Source>::Group>;

    /// # Errors
    /// See [`DriverFailure`].
    fn build(&self, worker: WorkerIndex) -> Result<WorkerParts<Self::Source, Self::Sink>, DriverFailure>;
}
