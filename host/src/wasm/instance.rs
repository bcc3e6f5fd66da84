//! One live guest in its store.

use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use wasmtime::Store;
use wasmtime::UpdateDeadline;
use wasmtime::component::TypedFunc;

use crate::model::record_batch::Invoked;
use crate::model::record_batch::RecordBatch;
use crate::model::state::FiredTimers;
use crate::pipeline::ports::InvokeFailure;
use crate::pipeline::state_ports::StateSlot;
use crate::wasm::columns::batch_out::BatchOut;
use crate::wasm::columns::lower::Lowered;
use crate::wasm::columns::wire::FailureIn;
use crate::wasm::compiled::Program;
use crate::wasm::cut::cut;
use crate::wasm::deadline::Deadline;
use crate::wasm::deadline::Verdict;
use crate::wasm::fired::FiredOut;
use crate::wasm::fired::times_le;
use crate::wasm::guest_log::GuestLog;
use crate::wasm::limiter::Limiter;
use crate::wasm::state::GuestContext;
use crate::wasm::state::GuestState;
use crate::wasm::state::Invocation;
use crate::wasm::trap;
use crate::wasm::trap::MESSAGE_BYTES_MAX;

/// Wall time for making an instance and its `open`, in milliseconds: languages with a runtime of
/// their own set themselves up here.
pub const OPEN_MS_MAX: u64 = 10_000;

/// Handles of resources that an instance may hold. The contract has no resources.
const HANDLES_MAX: usize = 64;

type ProcessFunc = TypedFunc<(BatchOut<'static>,), (Result<(), FailureIn>,)>;
type OnTimersFunc = TypedFunc<(FiredOut<'static>,), (Result<(), FailureIn>,)>;

/// An instance that `open` has accepted. Dropped after any error of a call.
pub(in crate::wasm) struct Instance {
    program: Program,
    store: Store<GuestState>,
    process: ProcessFunc,
    /// Only of a transform with timers.
    on_timers: Option<OnTimersFunc>,
    limit_ms: u64,
    /// Used again call after call; empty between two.
    lowered: Lowered,
}

impl Instance {
    /// Makes an instance and opens it.
    pub(in crate::wasm) fn open(
        program: &Program,
        context: &Arc<GuestContext>,
        log: GuestLog,
    ) -> Result<Self, InvokeFailure> {
        let mut store = new_store(program, context, log);
        let open = |store: &mut Store<GuestState>| {
            let _running = begin(program, store, OPEN_MS_MAX, Invocation::default());
            let instance = program.pre.instantiate(&mut *store)?;
            let process = instance.get_typed_func(&mut *store, program.process)?;
            let on_timers = program.on_timers.map(|export| instance.get_typed_func(&mut *store, export));
            let on_timers = on_timers.transpose()?;
            let open = instance
                .get_typed_func::<(&[(String, String)],), (Result<(), String>,)>(&mut *store, program.open)?;
            let config = Arc::clone(&store.data().context);
            let (answer,) = open.call(&mut *store, (&config.config,))?;
            Ok((process, on_timers, answer))
        };
        let opened: wasmtime::Result<(ProcessFunc, Option<OnTimersFunc>, Result<(), String>)> =
            open(&mut store);
        match opened {
            Ok((process, on_timers, Ok(()))) => Ok(Self {
                program: program.clone(),
                process,
                on_timers,
                limit_ms: context.limits.invocation_ms_max,
                store,
                lowered: Lowered::default(),
            }),
            Ok((_, _, Err(message))) => {
                Err(InvokeFailure::Fatal(format!("`open` failed: {}", cut(&message, MESSAGE_BYTES_MAX))))
            }
            Err(error) => Err(match trap::failure(&error, store.data(), OPEN_MS_MAX) {
                retry @ InvokeFailure::Retry(_) => retry,
                InvokeFailure::Trap { message, backtrace } if backtrace.is_empty() => {
                    InvokeFailure::Fatal(format!("no instance can be made: {message}"))
                }
                InvokeFailure::Trap { message, backtrace } => InvokeFailure::Fatal(format!(
                    "no instance can be made: {message}, in {}",
                    backtrace.trim_end().replace('\n', ", ")
                )),
                other => InvokeFailure::Fatal(format!("no instance can be made: {other}")),
            }),
        }
    }

    /// One call of `process`. `state` is lent to the guest meanwhile.
    pub(in crate::wasm) fn process(
        &mut self,
        batch: &RecordBatch,
        state: &mut StateSlot,
    ) -> Result<Invoked, InvokeFailure> {
        let mut lowered = std::mem::take(&mut self.lowered);
        let process = self.process;
        let outcome = match lowered.fill(&batch.rows) {
            Ok(()) => self.invoke(batch.rows.count, batch.event_watermark, state, |store| {
                call(store, process, batch, &lowered)
            }),
            Err(error) => Err(InvokeFailure::Fatal(error.to_string())),
        };
        lowered.clear();
        self.lowered = lowered;
        outcome
    }

    /// One call of `on-timers`. `state` is lent to the guest meanwhile.
    pub(in crate::wasm) fn fire(
        &mut self,
        fired: &FiredTimers,
        state: &mut StateSlot,
    ) -> Result<Invoked, InvokeFailure> {
        let Some(on_timers) = self.on_timers else {
            return Err(InvokeFailure::Fatal(
                "a timer is due, but the transform exports no `timer-handler`".to_owned(),
            ));
        };
        let times = times_le(fired);
        self.invoke(fired.len(), fired.event_watermark, state, |store| {
            // The function's type names one lifetime; a shorter one is what a call has.
            let on_timers: TypedFunc<(FiredOut<'_>,), (Result<(), FailureIn>,)> = on_timers;
            let (answer,) = on_timers.call(store, (FiredOut::new(fired, &times),))?;
            Ok(answer)
        })
    }

    /// A call over so many rows or timers, with everything around it.
    fn invoke(
        &mut self,
        rows: usize,
        event_watermark: Option<i64>,
        slot: &mut StateSlot,
        call: impl FnOnce(&mut Store<GuestState>) -> wasmtime::Result<Result<(), FailureIn>>,
    ) -> Result<Invoked, InvokeFailure> {
        let limits = self.store.data().context.limits;
        let invocation = Invocation::new(rows, event_watermark, unix_ms(), &limits);
        self.store.data_mut().task_state = slot.take();
        let answer = {
            let _running = begin(&self.program, &mut self.store, self.limit_ms, invocation);
            call(&mut self.store)
        };
        let state = self.store.data_mut();
        *slot = state.task_state.take();
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return Err(trap::failure(&error, state, self.limit_ms)),
        };
        if state.invocation.output_refused() {
            return Err(InvokeFailure::Output { limit_bytes: limits.output_bytes_per_batch_max });
        }
        if let Some(limit_bytes) = state.invocation.state_limit() {
            return Err(InvokeFailure::StateLimit { limit_bytes });
        }
        match answer {
            Ok(()) if state.invocation.mixes_rejections_with_unknown_sources() => {
                Err(InvokeFailure::Contract(
                    "rows were rejected, and rows were emitted without `sources`; expected `sources` with every emission of a batch that rejects"
                        .to_owned(),
                ))
            }
            Ok(()) => Ok(std::mem::take(&mut state.invocation.invoked)),
            Err(FailureIn::Retry(message)) => {
                Err(InvokeFailure::Retry(cut(&message, MESSAGE_BYTES_MAX).to_owned()))
            }
            Err(FailureIn::Fatal(message)) => {
                Err(InvokeFailure::Fatal(cut(&message, MESSAGE_BYTES_MAX).to_owned()))
            }
        }
    }

    /// Linear memory and tables, in bytes.
    pub(in crate::wasm) fn memory_bytes(&self) -> usize {
        self.store.data().limiter.used_bytes()
    }

    /// Takes the log's counters along, for the next instance.
    pub(in crate::wasm) fn into_log(self) -> GuestLog {
        self.store.into_data().log
    }
}

/// A store with every limit set.
pub(in crate::wasm) fn new_store(
    program: &Program,
    context: &Arc<GuestContext>,
    log: GuestLog,
) -> Store<GuestState> {
    let memory = context.limits.memory_bytes_max.min(program.engine.settings().memory_bytes_max);
    let mut store = Store::new(
        program.engine.wasmtime(),
        GuestState {
            limiter: Limiter::new(memory),
            deadline: Deadline::new(),
            invocation: Invocation::default(),
            context: Arc::clone(context),
            log,
            task_state: None,
            dynamic_shapes: Vec::new(),
        },
    );
    store.limiter(|state| &mut state.limiter);
    // Lists are read in place and counted against the output limit before they are copied, so that
    // this only bounds texts: none can be larger than the memory it stands in.
    store.set_hostcall_fuel(usize::try_from(memory).unwrap_or(usize::MAX).saturating_mul(2));
    store.set_max_component_handles(HANDLES_MAX);
    store.epoch_deadline_callback(|mut store| {
        Ok(match store.data_mut().deadline.tick() {
            Verdict::Stop => UpdateDeadline::Interrupt,
            Verdict::GoOn { ticks } => UpdateDeadline::Continue(ticks),
        })
    });
    store
}

/// Begins an invocation: its deadline runs while the answer lives.
#[inline]
pub(in crate::wasm) fn begin<'a>(
    program: &'a Program,
    store: &mut Store<GuestState>,
    limit_ms: u64,
    invocation: Invocation,
) -> impl Drop + use<'a> {
    let state = store.data_mut();
    state.invocation = invocation;
    state.limiter.start();
    state.deadline.start(Duration::from_millis(limit_ms));
    // The first tick already asks: it notes the thread's CPU time.
    store.set_epoch_deadline(1);
    program.engine.ticker().run()
}

fn call(
    store: &mut Store<GuestState>,
    process: ProcessFunc,
    batch: &RecordBatch,
    lowered: &Lowered,
) -> wasmtime::Result<Result<(), FailureIn>> {
    // The function's type names one lifetime; a shorter one is what a call has.
    let process: TypedFunc<(BatchOut<'_>,), (Result<(), FailureIn>,)> = process;
    let (answer,) = process.call(store, (BatchOut { batch, lowered },))?;
    Ok(answer)
}

fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
