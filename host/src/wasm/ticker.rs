//! The clock behind deadlines: advances the engine's epoch every few milliseconds while a guest runs.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::thread::JoinHandle;
use std::time::Duration;

use wasmtime::Engine;
use wasmtime::EngineWeak;

/// Length of a tick, by which a deadline may be late. Waking a thread takes 15 µs: at a tick a
/// millisecond that would be more than a hundredth of what a busy worker costs.
pub(in crate::wasm) const TICK: Duration = Duration::from_millis(5);

/// Ticks without any invocation after which the thread goes to sleep. A worker that calls in a
/// loop is between two calls for less than that, and so never pays for waking it.
const IDLE_TICKS: u32 = 4;

/// Owns the ticking thread, which holds the engine weakly and sleeps while nothing runs.
#[derive(Debug)]
pub(in crate::wasm) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    in_flight: AtomicUsize,
    asleep: AtomicBool,
    stop: AtomicBool,
}

/// Keeps the ticker awake while it lives.
#[derive(Debug)]
pub(in crate::wasm) struct InFlight<'a>(&'a Shared);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, SeqCst);
    }
}

impl Ticker {
    pub(in crate::wasm) fn start(engine: &Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let weak = engine.weak();
        let thread =
            std::thread::Builder::new().name("wasm-ticker".to_owned()).stack_size(256 << 10).spawn({
                let shared = Arc::clone(&shared);
                move || tick(&shared, &weak)
            })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Makes sure that the epoch advances until the answer is dropped.
    #[inline]
    pub(in crate::wasm) fn run(&self) -> InFlight<'_> {
        self.shared.in_flight.fetch_add(1, SeqCst);
        // The order of the two accesses, against the thread's, makes a lost wake-up impossible:
        // either this sees `asleep`, or the thread sees the invocation.
        if self.shared.asleep.load(SeqCst) {
            self.wake();
        }
        InFlight(&self.shared)
    }

    #[cold]
    fn wake(&self) {
        self.shared.asleep.store(false, SeqCst);
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }

    #[cfg(test)]
    fn is_asleep(&self) -> bool {
        self.shared.asleep.load(SeqCst)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, SeqCst);
        self.wake();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing left to clean up.
            let _ = thread.join();
        }
    }
}

fn tick(shared: &Shared, engine: &EngineWeak) {
    let mut idle = 0;
    while !shared.stop.load(SeqCst) {
        if shared.in_flight.load(SeqCst) > 0 {
            idle = 0;
            // Each tick takes the engine anew, so that an engine nobody holds can go.
            match engine.upgrade() {
                Some(engine) => engine.increment_epoch(),
                None => return,
            }
        } else {
            idle += 1;
        }
        if idle < IDLE_TICKS {
            std::thread::sleep(TICK);
            continue;
        }
        idle = 0;
        shared.asleep.store(true, SeqCst);
        while shared.asleep.load(SeqCst) && shared.in_flight.load(SeqCst) == 0 && !shared.stop.load(SeqCst) {
            std::thread::park();
        }
        shared.asleep.store(false, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
        let start = Instant::now();
        while !done() {
            assert!(start.elapsed() < Duration::from_secs(10), "{what}");
            std::thread::sleep(TICK);
        }
    }

    #[test]
    fn the_ticker_sleeps_while_nothing_runs_and_wakes_for_an_invocation() {
        let engine = Engine::default();
        let ticker = Ticker::start(&engine).expect("a thread");
        wait_for("falls asleep", || ticker.is_asleep());
        let running = ticker.run();
        wait_for("wakes", || !ticker.is_asleep());
        std::thread::sleep(TICK * (IDLE_TICKS + 20));
        assert!(!ticker.is_asleep(), "stays awake while an invocation runs");
        drop(running);
        wait_for("falls asleep again", || ticker.is_asleep());
    }

    #[test]
    fn the_ticker_does_not_keep_the_engine() {
        let engine = Engine::default();
        let weak = engine.weak();
        let ticker = Ticker::start(&engine).expect("a thread");
        let _running = ticker.run();
        drop(engine);
        wait_for("the engine goes", || weak.upgrade().is_none());
    }
}
