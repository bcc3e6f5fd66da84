//! CPU time of the calling thread, which tells a busy guest from a busy machine.

use std::time::Duration;

use nix::time::ClockId;

/// CPU time that this thread has used so far; none where the system does not tell.
pub(in crate::wasm) fn thread_cpu_time() -> Option<Duration> {
    ClockId::CLOCK_THREAD_CPUTIME_ID.now().ok().map(Duration::from)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn work_counts_and_sleep_does_not() {
        let start = thread_cpu_time().expect("a clock");
        std::thread::sleep(Duration::from_millis(50));
        let slept = thread_cpu_time().expect("a clock") - start;
        assert!(slept < Duration::from_millis(40), "{slept:?}");
        let begin = Instant::now();
        while thread_cpu_time().expect("a clock") - start < Duration::from_millis(60) {
            assert!(begin.elapsed() < Duration::from_secs(30), "work counts");
        }
    }
}
