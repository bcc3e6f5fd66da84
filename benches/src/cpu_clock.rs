//! CPU time: what the code needs, whatever else the machine does.

use std::time::Duration;

use anyhow::Context as _;

use crate::figure::median;

/// CPU time of this thread so far.
#[must_use]
#[expect(unsafe_code, reason = "the standard library has no such clock")]
pub fn thread_cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call fills the struct, which outlives it.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec.cast_unsigned(), time.tv_nsec as u32)
}

/// Median over `rounds` of the CPU time of one unit of work, in nanoseconds. `round` says how many
/// units it has done.
pub fn median_ns(rounds: usize, mut round: impl FnMut() -> anyhow::Result<usize>) -> anyhow::Result<f64> {
    round()?;
    let mut samples = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let begin = thread_cpu();
        let units = round()?;
        let spent = thread_cpu().saturating_sub(begin);
        samples.push(spent.as_nanos() as f64 / units as f64);
    }
    Ok(median(samples))
}

/// CPU time of a process so far, all its threads, user and system, in seconds. Steps of 10 ms.
///
/// # Errors
/// When there is no such process.
#[expect(unsafe_code, reason = "the standard library does not tell the length of a tick")]
pub fn process_cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let path = format!("/proc/{pid}/stat");
    let stat = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    // The name, in brackets, may hold anything; the fields after it are numbers.
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    let field = |index: usize| fields.split_whitespace().nth(index).and_then(|text| text.parse::<f64>().ok());
    let (user, system) =
        field(11).zip(field(12)).with_context(|| format!("{path} has another form: {stat}"))?;
    // SAFETY: sysconf has no preconditions.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    Ok((user + system) / ticks as f64)
}

/// The most memory that a process has had resident, in MiB.
///
/// # Errors
/// When there is no such process.
pub fn resident_peak_mib(pid: u32) -> anyhow::Result<f64> {
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|kib| kib.parse::<f64>().ok());
    Ok(kib.with_context(|| format!("{path} has no VmHWM"))? / 1024.0)
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;

    #[test]
    fn work_costs_and_sleep_does_not() {
        let begin = thread_cpu();
        std::thread::sleep(Duration::from_millis(50));
        let slept = thread_cpu() - begin;
        assert!(slept < Duration::from_millis(25), "{slept:?}");
        let mut sum = 0_u64;
        while thread_cpu() - begin < Duration::from_millis(30) {
            sum = (0..1000).fold(sum, |sum, number| black_box(sum ^ number));
        }
        assert!(process_cpu_seconds(std::process::id()).expect("this process") >= 0.02);
        assert!(resident_peak_mib(std::process::id()).expect("this process") > 1.0);
    }
}
