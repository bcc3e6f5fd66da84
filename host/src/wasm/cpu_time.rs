//! CPU time of the calling thread, which tells a busy guest from a busy machine.

use std::time::Duration;

/// CPU time that this thread has used so far; none where the system does not tell.
#[expect(unsafe_code, reason = "the standard library has no clock of a thread's CPU time")]
pub(in crate::wasm) fn thread_cpu_time() -> Option<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes one timespec to the pointer, which points to one.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    if result != 0 {
        return None;
    }
    Some(Duration::new(u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?))
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
