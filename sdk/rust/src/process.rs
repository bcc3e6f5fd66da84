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

/// What a transform asks of its state for a record before the first record of the batch is processed, so
/// that the host is asked once for the whole batch. An input with the option `prefetch` calls it:
/// `#[input(clicks, key = String, prefetch)]`.
///
/// Only entries of a [`Map`](crate::Map), [`Set`](crate::Set) or [`Deduplicate`](crate::Deduplicate)
/// need it: state of one value a key is fetched at once in any case.
///
/// ```
/// # use wasmill_sdk::prelude::*;
/// # #[transform]
/// # #[input(clicks, key = String, prefetch)]
/// # struct Once { seen: Deduplicate<i64>, clicks: Output<i64> }
/// # impl Process<i64> for Once {
/// #     fn process(&mut self, click: i64, _: &mut Context<'_>) -> Result<()> {
/// #         if self.seen.is_first(&click)? { self.clicks.emit(click) } else { Ok(()) }
/// #     }
/// # }
/// impl Prefetch<i64> for Once {
///     fn prefetch(&mut self, click: &i64) -> Result<()> {
///         self.seen.prefetch(click)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say what to prefetch for `{T}`",
    note = "write `impl Prefetch<{T}> for {Self}`, or leave `prefetch` out of the #[input(..)]"
)]
pub trait Prefetch<T>: Process<T> {
    /// Asks for what `input` needs. It is called for every record that is no tombstone, with the
    /// record's key at hand.
    ///
    /// # Errors
    /// One that rejects is passed over: the record meets it again when it is processed.
    fn prefetch(&mut self, input: &T) -> Result<()>;
}

/// What happens for each record before the first is processed.
#[doc(hidden)]
pub trait Before<S, T> {
    /// Whether anything does.
    const ON: bool;

    /// Takes one record.
    fn prefetch(transform: &mut S, input: &T) -> Result<()>;
}

/// Nothing happens before.
enum Unprepared {}

impl<S, T> Before<S, T> for Unprepared {
    const ON: bool = false;

    fn prefetch(_: &mut S, _: &T) -> Result<()> {
        Ok(())
    }
}

/// [`Prefetch`] is called before.
enum Prefetched {}

impl<S: Prefetch<T>, T> Before<S, T> for Prefetched {
    const ON: bool = true;

    fn prefetch(transform: &mut S, input: &T) -> Result<()> {
        transform.prefetch(input)
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
    fn drive<S: Process<Self>, P: Before<S, Self>>(
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

    fn drive<S: Process<Self>, P: Before<S, Self>>(
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
        if P::ON {
            for row in (0..count).filter(|row| !tombstones.is_null(*row as usize)) {
                transform.at(row);
                let asked = P::prefetch(transform, &T::read(&reader, row as usize)?);
                asked.or_else(pass_rejection)?;
            }
        }
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
            if S::STATEFUL && ctx.take_rejected() {
                transform.undo()?;
            }
        }
        if S::STATEFUL && ctx.has_rejected_others() {
            return Err(rejected_others());
        }
        ctx.finish()
    }
}

/// A rejection while prefetching: the record meets it again.
#[cold]
fn pass_rejection(error: Error) -> Result<()> {
    if error.outcome() == Outcome::Reject { Ok(()) } else { Err(error) }
}

#[cold]
fn rejected_others() -> Error {
    Error::fatal(
        "a record set another record aside, whose state cannot be undone any more: reject the record at hand, or process whole batches",
    )
}

impl<'a, T: crate::AvroType> Input<'a> for Batch<T> {
    fn part() -> Part {
        Part::of::<T>()
    }

    fn drive<S: Process<Self>, P: Before<S, Self>>(
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
    T::drive::<S, Unprepared>(transform, batch, port, host)
}

/// As [`run`], with [`Prefetch`].
#[doc(hidden)]
pub fn run_prefetching<'a, S: Prefetch<T>, T: Input<'a>>(
    transform: &mut S,
    batch: &'a mut wire::Batch,
    port: &'static InputPort,
    host: &'a mut dyn Host,
) -> Result<()> {
    T::drive::<S, Prefetched>(transform, batch, port, host)
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
