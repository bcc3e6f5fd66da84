//! What `#[transform]` makes of a struct.

use crate::config::Config;
use crate::context::Context;
use crate::error::Result;
use crate::host::Host;
use crate::manifest::Declaration;
use crate::output::Port;
use crate::state::declaration::Keep;
use crate::timers::Fired;
use crate::wire::Batch;
use crate::wire::Failure;

/// A transform: implemented by `#[transform]`, never by hand.
#[diagnostic::on_unimplemented(message = "`{Self}` is no transform", note = "put #[transform] on the struct")]
pub trait Transform: Sized + 'static {
    /// What the transform declares.
    #[doc(hidden)]
    fn declaration() -> Declaration;

    /// The manifest as JSON.
    #[must_use]
    fn manifest() -> String {
        Self::declaration().to_json()
    }

    /// Makes an instance.
    ///
    /// # Errors
    /// When a configuration value is missing or cannot be parsed.
    fn open(config: &Config) -> Result<Self>;

    /// Runs a batch through the input that it names.
    #[doc(hidden)]
    fn dispatch(&mut self, batch: &mut Batch, host: &mut dyn Host) -> Result<()>;

    /// Tells the outputs which row is at hand.
    #[doc(hidden)]
    fn at(&mut self, row: u32);

    /// Whether it has state or timers.
    #[doc(hidden)]
    const STATEFUL: bool = false;

    /// Visits all state and timers.
    #[doc(hidden)]
    fn states(&mut self, visit: &mut dyn FnMut(&mut dyn Keep) -> Result<()>) -> Result<()> {
        let _ = visit;
        Ok(())
    }

    /// Undoes what the row at hand wrote to state and timers.
    #[doc(hidden)]
    fn undo(&mut self) -> Result<()> {
        self.states(&mut |state| {
            state.undo();
            Ok(())
        })
    }

    /// The transform as one with timers, if it has any.
    #[doc(hidden)]
    fn timed(&mut self) -> Option<&mut dyn Timed> {
        None
    }

    /// Visits every output.
    #[doc(hidden)]
    fn outputs(&mut self, visit: &mut dyn FnMut(&mut dyn Port) -> Result<()>) -> Result<()>;

    /// Forwards a tombstone to every output that has the key schema of the input; counts it as
    /// dropped if there is none.
    ///
    /// # Errors
    /// When an output cannot take it.
    fn forward_tombstone(&mut self, ctx: &mut Context<'_>) -> Result<()> {
        let key = ctx.input().key;
        let mut forwarded = false;
        self.outputs(&mut |output| {
            forwarded |= output.forward_tombstone(key.as_ref())?;
            Ok(())
        })?;
        if !forwarded {
            ctx.drop_tombstone();
        }
        Ok(())
    }
}

/// An instance of any transform.
pub(crate) trait Instance {
    /// One invocation.
    fn process(&mut self, batch: Batch, host: &mut dyn Host) -> Result<(), Failure>;

    /// The instance as one with timers, if it has any: a transform without them carries no code for
    /// them.
    fn timed(&mut self) -> Option<&mut dyn Timed>;
}

/// An instance of a transform with timers.
pub trait Timed {
    /// One invocation with timers that are due.
    ///
    /// # Errors
    /// When the invocation fails as a whole.
    fn fire(&mut self, fired: Fired, host: &mut dyn Host) -> Result<(), Failure>;
}

impl<T: Transform> Instance for T {
    fn process(&mut self, mut batch: Batch, host: &mut dyn Host) -> Result<(), Failure> {
        invoke(self, batch.rows.count, host, |transform, host| transform.dispatch(&mut batch, host))
    }

    fn timed(&mut self) -> Option<&mut dyn Timed> {
        T::timed(self)
    }
}

/// What every invocation does before and after its work.
#[inline(always)]
pub(crate) fn invoke<T: Transform>(
    transform: &mut T,
    rows: u32,
    host: &mut dyn Host,
    work: impl FnOnce(&mut T, &mut dyn Host) -> Result<()>,
) -> Result<(), Failure> {
    let run = || {
        // What an earlier, failed invocation left behind goes first.
        transform.outputs(&mut |output| {
            output.begin(rows);
            Ok(())
        })?;
        if T::STATEFUL {
            transform.states(&mut |state| {
                state.begin();
                Ok(())
            })?;
        }
        work(transform, host)?;
        if T::STATEFUL {
            transform.states(&mut |state| state.finish())?;
        }
        transform.outputs(&mut |output| output.finish(host))
    };
    run().map_err(crate::Error::into_failure)
}
