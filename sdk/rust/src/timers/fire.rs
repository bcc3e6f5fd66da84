//! Passing timers that are due to the transform.

use crate::body::Stored;
use crate::context::Context;
use crate::error::Error;
use crate::error::Outcome;
use crate::error::Result;
use crate::host::Host;
use crate::manifest::InputPort;
use crate::state::key_bytes;
use crate::state::scope::Scope;
use crate::timers::timer::Fired;
use crate::timers::timer::Timer;
use crate::transform;
use crate::transform::Transform;
use crate::wire::Batch;
use crate::wire::Failure;
use crate::wire::Rows;

/// What a transform with [`Timers`](crate::Timers) does when one is due.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has timers, but does not say what to do when one is due",
    note = "write `impl OnTimer for {Self}`"
)]
pub trait OnTimer: Transform {
    /// Takes one timer. It is no longer registered.
    ///
    /// State is that of the timer's key, which [`Context::key`] gives. An emitted record has the
    /// timer's key and time, unless it sets its own.
    ///
    /// # Errors
    /// A returned error that rejects sets the timer aside: what it emitted and wrote is undone, and it
    /// becomes a dead letter. [`Error::retry`] and [`Error::fatal`] fail the invocation.
    fn on_timer(&mut self, timer: Timer<'_>, ctx: &mut Context<'_>) -> Result<()>;
}

/// How the keys of timers become those of rows.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct TimerKeys {
    /// What stands for the input port: its key is what the timers' keys are.
    pub port: &'static InputPort,
    /// Makes the key column.
    pub column: fn(crate::Binaries, &mut Vec<crate::wire::Column>) -> Result<u32>,
}

impl TimerKeys {
    /// The keys of a type.
    #[must_use]
    pub const fn of<K: Stored>(port: &'static InputPort) -> Self {
        Self { port, column: key_bytes::column::<K> }
    }
}

/// One invocation, in which every timer is passed to the transform. Without `keys` the timers belong to the partition.
#[doc(hidden)]
pub fn fire<S: OnTimer>(
    transform: &mut S,
    scope: impl Fn(&S) -> &Scope,
    fired: Fired,
    keys: Option<TimerKeys>,
    host: &mut dyn Host,
) -> Result<(), Failure> {
    let count = fired.keys.count;
    transform::invoke(transform, count, host, |transform, host| pass(transform, scope, fired, keys, host))
}

fn pass<S: OnTimer>(
    transform: &mut S,
    scope: impl Fn(&S) -> &Scope,
    fired: Fired,
    keys: Option<TimerKeys>,
    host: &mut dyn Host,
) -> Result<()> {
    let Fired { partition, watermark, domain, keys: key_bytes, tags, times } = fired;
    let times = times.as_chunks::<8>().0;
    let count = times.len();
    if key_bytes.len() != count || tags.len() != count {
        return Err(Error::fatal("the host gave timers of which each part is of another length"));
    }
    let mut rows = Rows { count: count as u32, ..Rows::default() };
    scope(transform).at_watermark(watermark);
    let port = match &keys {
        Some(keys) => {
            scope(transform).fill(count, |scoped| {
                key_bytes.iter().for_each(|key| scoped.push(key.unwrap_or_default()));
                Ok(())
            })?;
            rows.key = Some((keys.column)(key_bytes, &mut rows.columns)?);
            keys.port
        }
        None => {
            scope(transform).timers_without_keys();
            &PARTITION_TIMERS
        }
    };
    // Only timers of one key can get at each other.
    let distinct = scope(transform).keys().len();
    let related = distinct < count && count > 1;
    let batch = Batch { port: u32::MAX, partition, watermark, schema: None, rows };
    let mut ctx = Context::of_rows(&batch, port, host);
    for (row, time) in (0_u32..).zip(times) {
        transform.at(row);
        ctx.at(row);
        let tag = std::str::from_utf8(tags.get(row as usize).unwrap_or_default());
        let tag = tag.map_err(|_| Error::fatal("the tag of a timer is no text"))?;
        let timer = Timer { time: i64::from_le_bytes(*time), tag, domain };
        if related && is_replaced(transform, timer)? {
            continue;
        }
        if let Err(error) = transform.on_timer(timer, &mut ctx) {
            if error.outcome() != Outcome::Reject {
                return Err(error);
            }
            ctx.reject(error.into_reason());
        }
        if ctx.take_rejected() {
            transform.undo()?;
        }
    }
    ctx.finish()
}

/// Whether a timer before this one has moved or cancelled it: then it does not fire, as it would not have
/// if the two were not due at once.
fn is_replaced<S: OnTimer>(transform: &mut S, timer: Timer<'_>) -> Result<bool> {
    let mut replaced = false;
    transform.states(&mut |state| {
        replaced |= state.has_changed(timer)?;
        Ok(())
    })?;
    Ok(replaced)
}

/// What stands for the input port of timers of the partition.
static PARTITION_TIMERS: InputPort = InputPort::timers(None);
