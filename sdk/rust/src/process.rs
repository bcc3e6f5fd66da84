//! The work of a transform, and how a batch is driven through it.

use crate::avro_type::Read;
use crate::batch::Batch;
use crate::columns::Columns;
use crate::columns::Pass;
use crate::columns::Validity;
use crate::context::Context;
use crate::error::Error;
use crate::error::Outcome;
use crate::error::Result;
use crate::host::Host;
use crate::manifest::InputPort;
use crate::manifest::Part;
use crate::transform::Transform;
use crate::wire;

/// The work of a transform on what one of its inputs carries: a record type, or
/// [`Batch<T>`] for all columns of a batch at once.
///
/// Implement it once for each input type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not process `{T}`",
    note = "write `impl Process<{T}> for {Self}`"
)]
pub trait Process<T>: Transform {
    /// Takes one record, or one batch.
    ///
    /// # Errors
    /// A returned error that rejects makes the record a dead letter; the rest of the batch goes on.
    /// [`Error::retry`] and [`Error::fatal`] fail the invocation. A rejecting error of a whole batch
    /// is fatal: use [`Context::reject_rows`] there.
    fn process(&mut self, input: T, ctx: &mut Context<'_>) -> Result<()>;

    /// Takes a record whose value is null. By default it is forwarded to every output that has the
    /// key schema of the input; if there is none, it is dropped and counted in the log.
    ///
    /// # Errors
    /// As [`process`](Self::process).
    fn tombstone(&mut self, ctx: &mut Context<'_>) -> Result<()> {
        self.forward_tombstone(ctx)
    }
}

/// What an input can carry: a record type or a [`Batch`].
pub trait Input<'a>: Sized {
    /// What the port declares as its value.
    fn part() -> Part;

    /// Passes every record of a batch to the transform.
    ///
    /// # Errors
    /// When the invocation fails as a whole.
    fn drive<S: Process<Self>>(
        transform: &mut S,
        batch: &'a mut wire::Batch,
        port: &'static InputPort,
        host: &'a mut dyn Host,
    ) -> Result<()>;
}

impl<'a, T: Read<'a>> Input<'a> for T {
    fn part() -> Part {
        Part::of::<T>()
    }

    fn drive<S: Process<Self>>(
        transform: &mut S,
        batch: &'a mut wire::Batch,
        port: &'static InputPort,
        host: &'a mut dyn Host,
    ) -> Result<()> {
        let batch: &'a wire::Batch = batch;
        let count = batch.rows.count;
        let columns = Columns::new(&batch.rows.columns, Pass::All);
        let root =
            batch.rows.value.ok_or_else(|| Error::fatal("the host left out the declared value column"))?;
        let tombstones =
            if T::KIND.has_validity() { columns.validity(root, count as usize)? } else { Validity::none() };
        let reader = T::reader(columns, root, count as usize)?;
        let mut ctx = Context::of_rows(batch, port, host);
        for row in 0..count {
            transform.at(row);
            ctx.at(row);
            let done = if tombstones.is_null(row as usize) {
                transform.tombstone(&mut ctx)
            } else {
                transform.process(T::read(&reader, row as usize)?, &mut ctx)
            };
            if let Err(error) = done {
                if error.outcome() != Outcome::Reject {
                    return Err(error);
                }
                ctx.reject(error.into_reason());
            }
        }
        ctx.finish()
    }
}

impl<'a, T: crate::AvroType> Input<'a> for Batch<T> {
    fn part() -> Part {
        Part::of::<T>()
    }

    fn drive<S: Process<Self>>(
        transform: &mut S,
        batch: &'a mut wire::Batch,
        port: &'static InputPort,
        host: &'a mut dyn Host,
    ) -> Result<()> {
        let mut ctx = Context::of_batch(batch, port, host);
        transform.process(Batch::take(batch), &mut ctx)?;
        ctx.finish()
    }
}

/// Passes a batch to the transform and its output to the host. `T` is inferred where a transform
/// processes only one type.
#[doc(hidden)]
pub fn run<'a, S: Process<T>, T: Input<'a>>(
    transform: &mut S,
    batch: &'a mut wire::Batch,
    port: &'static InputPort,
    host: &'a mut dyn Host,
) -> Result<()> {
    T::drive(transform, batch, port, host)
}

/// What an input declares as its value. `T` is inferred where a transform processes only one type.
#[doc(hidden)]
#[must_use]
pub fn input_part<'a, S: Process<T>, T: Input<'a>>() -> Part {
    T::part()
}

/// The error for a batch of a port that the manifest does not declare.
#[doc(hidden)]
#[cold]
#[must_use]
pub fn unknown_input(port: u32) -> Error {
    Error::fatal(format!("the host sent a batch for input port {port}, which the manifest does not declare"))
}
