//! Registering and cancelling timers.

use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;

use crate::binaries::Binaries;
use crate::error::Error;
use crate::error::Result;
use crate::state::declaration::Keep;
use crate::state::index;
use crate::state::index::Index;
use crate::state::limits::TIMER_TAG_BYTES_MAX;
use crate::state::link;
use crate::state::scope::NO_ROW;
use crate::state::scope::Scope;
use crate::timers::timer::TimeDomain;
use crate::timers::timer::Timer;

/// Timers by event time: the default.
#[derive(Debug, Clone, Copy)]
pub enum EventTime {}

/// Timers by processing time.
#[derive(Debug, Clone, Copy)]
pub enum ProcessingTime {}

/// Timers by both.
#[derive(Debug, Clone, Copy)]
pub enum AnyTime {}

/// What timers go by: [`EventTime`], [`ProcessingTime`] or [`AnyTime`].
pub trait TimerDomain {
    /// What the manifest lists.
    const DOMAINS: &'static [TimeDomain];
}

impl TimerDomain for EventTime {
    const DOMAINS: &'static [TimeDomain] = &[TimeDomain::Event];
}

impl TimerDomain for ProcessingTime {
    const DOMAINS: &'static [TimeDomain] = &[TimeDomain::Processing];
}

impl TimerDomain for AnyTime {
    const DOMAINS: &'static [TimeDomain] = &[TimeDomain::Event, TimeDomain::Processing];
}

/// Timers that may go by event time.
#[diagnostic::on_unimplemented(
    message = "these timers do not go by event time",
    note = "declare the field as `Timers`, or `Timers<AnyTime>` for both"
)]
pub trait GoesByEvent: TimerDomain {}
impl GoesByEvent for EventTime {}
impl GoesByEvent for AnyTime {}

/// Timers that may go by processing time.
#[diagnostic::on_unimplemented(
    message = "these timers do not go by processing time",
    note = "declare the field as `Timers<ProcessingTime>`, or `Timers<AnyTime>` for both"
)]
pub trait GoesByProcessing: TimerDomain {}
impl GoesByProcessing for ProcessingTime {}
impl GoesByProcessing for AnyTime {}

/// Timers of the key of the record at hand. A transform has at most one such field, and implements
/// [`OnTimer`](crate::OnTimer).
///
/// A timer has a time and a tag; key and tag are its identity, so that to register it again moves it.
/// What a rejected record registered or cancelled is undone.
///
/// `Timers` go by event time: they fire when the event watermark reaches their time, before the record
/// that follows, wherever batches end. `Timers<ProcessingTime>` go by the clock of the host, which no
/// replay repeats, and `Timers<AnyTime>` by either.
///
/// ```
/// use wasmill_sdk::prelude::*;
///
/// #[derive(Record)]
/// struct Heartbeat { at: i64 }
///
/// /// Says when a device has been silent for a minute.
/// #[transform]
/// #[input(heartbeats, key = String, event_time = "at")]
/// struct Silence {
///     timers: Timers,
///     silent: Output<i64>,
/// }
///
/// impl Process<Heartbeat> for Silence {
///     fn process(&mut self, heartbeat: Heartbeat, _: &mut Context<'_>) -> Result<()> {
///         self.timers.register_event(heartbeat.at + 60_000, "silent")
///     }
/// }
///
/// impl OnTimer for Silence {
///     fn on_timer(&mut self, timer: Timer<'_>, _: &mut Context<'_>) -> Result<()> {
///         self.silent.emit(timer.time())
///     }
/// }
///
/// let mut harness = TestHarness::new::<Silence>();
/// harness.send_all([0, 30_000].map(|at| TestRecord::new(Heartbeat { at }).key("d-1")));
/// harness.advance_event_time(90_000);
/// assert_eq!(harness.values::<i64>("silent"), [90_000]);
/// assert_eq!(harness.outputs::<i64>("silent")[0].key::<&str>(), Some("d-1"));
/// ```
///
/// Timers by event time need an input that has it, or nothing would make them due. This does not
/// compile:
///
/// ```compile_fail
/// # use wasmill_sdk::prelude::*;
/// #[transform]
/// #[input(beats, key = String)]
/// struct Never {
///     timers: Timers,
/// }
/// # impl Process<i64> for Never {
/// #     fn process(&mut self, at: i64, _: &mut Context<'_>) -> Result<()> {
/// #         self.timers.register_event(at, "tick")
/// #     }
/// # }
/// # impl OnTimer for Never {
/// #     fn on_timer(&mut self, _: Timer<'_>, _: &mut Context<'_>) -> Result<()> { Ok(()) }
/// # }
/// ```
///
/// With `event_time = timestamp` it does:
///
/// ```
/// # use wasmill_sdk::prelude::*;
/// #[transform]
/// #[input(beats, key = String, event_time = timestamp)]
/// struct Sometimes {
///     timers: Timers,
/// }
/// # impl Process<i64> for Sometimes {
/// #     fn process(&mut self, at: i64, _: &mut Context<'_>) -> Result<()> {
/// #         self.timers.register_event(at, "tick")
/// #     }
/// # }
/// # impl OnTimer for Sometimes {
/// #     fn on_timer(&mut self, _: Timer<'_>, _: &mut Context<'_>) -> Result<()> { Ok(()) }
/// # }
/// ```
pub struct Timers<D: TimerDomain = EventTime> {
    scope: Rc<Scope>,
    /// Timers of the partition, not of a key.
    partition: bool,
    changes: Vec<Change>,
    tags: Vec<u8>,
    undo: Undo,
    domain: PhantomData<fn() -> D>,
}

/// A timer registered, or cancelled.
#[derive(Debug, Clone, Copy)]
struct Change {
    domain: TimeDomain,
    /// What made the change.
    row: u32,
    /// The slot of its key.
    slot: u32,
    tag_start: usize,
    tag_len: usize,
    /// None: cancelled.
    time: Option<i64>,
}

/// How much there was before the row's first change.
#[derive(Debug, Clone, Copy)]
struct Undo {
    row: u32,
    changes: usize,
    tags: usize,
}

/// Messages name the state that needs the key by this.
const NAME: &str = "timers";

impl<D: TimerDomain> Timers<D> {
    #[doc(hidden)]
    pub const DOMAINS: &'static [TimeDomain] = D::DOMAINS;
    #[doc(hidden)]
    pub const BY_EVENT: bool = matches!(D::DOMAINS, [TimeDomain::Event, ..]);

    #[doc(hidden)]
    #[must_use]
    pub fn new(partition: bool, scope: &Rc<Scope>) -> Self {
        Self {
            scope: Rc::clone(scope),
            partition,
            changes: Vec::new(),
            tags: Vec::new(),
            undo: Undo { row: NO_ROW, changes: 0, tags: 0 },
            domain: PhantomData,
        }
    }

    #[doc(hidden)]
    #[inline(always)]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    fn change(&mut self, domain: TimeDomain, tag: &str, time: Option<i64>) -> Result<()> {
        if tag.len() > TIMER_TAG_BYTES_MAX {
            return Err(too_long(tag.len()));
        }
        let slot = self.slot()?;
        let row = self.scope.row();
        if self.undo.row != row {
            self.undo = Undo { row, changes: self.changes.len(), tags: self.tags.len() };
        }
        let tag_start = self.tags.len();
        self.tags.extend_from_slice(tag.as_bytes());
        self.changes.push(Change { domain, row, slot, tag_start, tag_len: tag.len(), time });
        Ok(())
    }

    /// The slot of the key at hand.
    fn slot(&self) -> Result<u32> {
        if self.partition { Ok(0) } else { self.scope.slot(NAME) }
    }

    fn tag(&self, change: &Change) -> &[u8] {
        self.tags.get(change.tag_start..change.tag_start + change.tag_len).unwrap_or_default()
    }

    /// Whether the host has to know of a registration although a later row has moved or cancelled it:
    /// the timer was due at once, so that it was to fire before that row. The host finds out by it
    /// that these rows belong into invocations of their own.
    fn is_to_be_seen(&self, change: &Change, later: &Change) -> bool {
        change.domain == TimeDomain::Event
            && change.row != later.row
            && change.time.is_some()
            && change.time <= self.scope.watermark()
    }

    /// Sends the changes of a domain: of those of one timer, only the last.
    fn send(&self, domain: TimeDomain) -> Result<()> {
        let mut last: Vec<&Change> = Vec::new();
        let mut replaced: Vec<&Change> = Vec::new();
        let mut places = Index::default();
        places.begin(self.changes.len());
        for change in self.changes.iter().filter(|change| change.domain == domain) {
            let tag = self.tag(change);
            let hash = index::hash_from(u64::from(change.slot), tag);
            let same = |number| {
                last.get(number as usize)
                    .is_some_and(|other| other.slot == change.slot && self.tag(other) == tag)
            };
            match places.find(hash, same) {
                Ok(number) => {
                    if let Some(earlier) = last.get_mut(number as usize) {
                        if self.is_to_be_seen(earlier, change) {
                            replaced.push(earlier);
                        }
                        *earlier = change;
                    }
                }
                Err(vacant) => {
                    places.insert(vacant, last.len() as u32);
                    last.push(change);
                }
            }
        }
        let (mut registered, mut cancelled) = (Call::default(), Call::default());
        let scoped = self.scope.keys();
        for change in replaced.into_iter().chain(last) {
            let key = if self.partition { &[] } else { scoped.key(change.slot) };
            let call = if change.time.is_some() { &mut registered } else { &mut cancelled };
            call.keys.push(Some(key));
            call.tags.push(Some(self.tag(change)));
            call.times.extend(change.time.map(i64::to_le_bytes));
        }
        if !registered.keys.is_empty() {
            link::register(domain, &registered.keys, &registered.tags, &registered.times)?;
        }
        if !cancelled.keys.is_empty() {
            link::cancel(domain, &cancelled.keys, &cancelled.tags)?;
        }
        Ok(())
    }
}

/// The timers of one call.
#[derive(Debug, Default)]
struct Call {
    keys: Binaries,
    tags: Binaries,
    times: Vec<[u8; 8]>,
}

#[cold]
#[inline(never)]
fn too_long(len: usize) -> Error {
    Error::reject(format!("the tag of a timer has {len} bytes; {TIMER_TAG_BYTES_MAX} is the most"))
}

impl<D: GoesByEvent> Timers<D> {
    /// Registers a timer for a point in event time, in milliseconds since the Unix epoch, or moves it
    /// there. One whose time has passed fires before the record that follows; since the host then takes
    /// the records one by one, let that be rare.
    ///
    /// # Errors
    /// When the key of the record is null or too long, or the tag is longer than 256 bytes. All reject
    /// the record.
    pub fn register_event(&mut self, time: i64, tag: &str) -> Result<()> {
        self.change(TimeDomain::Event, tag, Some(time))
    }

    /// Cancels a timer, if it is registered.
    ///
    /// # Errors
    /// As [`register_event`](Self::register_event).
    pub fn cancel_event(&mut self, tag: &str) -> Result<()> {
        self.change(TimeDomain::Event, tag, None)
    }
}

impl<D: GoesByProcessing> Timers<D> {
    /// Registers a timer for a point in processing time, in milliseconds since the Unix epoch, or moves
    /// it there. One whose time has passed fires as soon as it can.
    ///
    /// # Errors
    /// When the key of the record is null or too long, or the tag is longer than 256 bytes. All reject
    /// the record.
    pub fn register_processing(&mut self, time: i64, tag: &str) -> Result<()> {
        self.change(TimeDomain::Processing, tag, Some(time))
    }

    /// Cancels a timer, if it is registered.
    ///
    /// # Errors
    /// As [`register_processing`](Self::register_processing).
    pub fn cancel_processing(&mut self, tag: &str) -> Result<()> {
        self.change(TimeDomain::Processing, tag, None)
    }
}

impl<D: TimerDomain> Keep for Timers<D> {
    fn begin(&mut self) {
        self.changes.clear();
        self.tags.clear();
        self.undo = Undo { row: NO_ROW, changes: 0, tags: 0 };
    }

    fn undo(&mut self) {
        if self.undo.row == self.scope.row() {
            self.changes.truncate(self.undo.changes);
            self.tags.truncate(self.undo.tags);
        }
    }

    fn has_changed(&self, timer: Timer<'_>) -> Result<bool> {
        if self.changes.is_empty() {
            return Ok(false);
        }
        let slot = self.slot()?;
        let is_it = |change: &Change| {
            change.slot == slot && change.domain == timer.domain && self.tag(change) == timer.tag.as_bytes()
        };
        Ok(self.changes.iter().any(is_it))
    }

    fn finish(&mut self) -> Result<()> {
        if self.changes.is_empty() {
            return Ok(());
        }
        D::DOMAINS.iter().try_for_each(|domain| self.send(*domain))
    }
}

impl<D: TimerDomain> fmt::Debug for Timers<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timers").field("domains", &D::DOMAINS).finish_non_exhaustive()
    }
}
