//! `cargo xtask bench`: one line a figure, `figure <name> <value> <unit>`. What else there is to say
//! goes to standard error.

use std::io::Write as _;
use std::time::Duration;

use clap::Parser;
use wasmill_benches::bench;
use wasmill_benches::bench::Extent;
use wasmill_benches::bench::Wanted;
use wasmill_benches::machine;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Measures, and prints one line a figure. Writes nothing but temporary files.
#[derive(Debug, Parser)]
struct Arguments {
    /// Only these figures, such as `boundary_ns_per_record`.
    figures: Vec<String>,
    /// Input records of the work on Kafka.
    #[arg(long, default_value_t = 5_000_000)]
    records: u64,
    /// How often each loop does the work on Kafka; the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Input records of the work with state on Kafka.
    #[arg(long, default_value_t = 2_000_000)]
    state_records: u64,
    /// Keys of the state that is larger than memory.
    #[arg(long, default_value_t = 10_000_000)]
    state_keys: u32,
    /// How long records are sent to measure their latency.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    latency_s: u64,
    /// How long an idle pipeline is watched.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    idle_s: u64,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let extent = Extent {
        records: arguments.records,
        rounds: arguments.rounds.max(1),
        state_records: arguments.state_records,
        state_keys: arguments.state_keys,
        latency: Duration::from_secs(arguments.latency_s.max(1)),
        idle: Duration::from_secs(arguments.idle_s.max(1)),
    };
    let mut out = std::io::stdout();
    writeln!(out, "{}", machine::describe())?;
    bench::run(&extent, &Wanted(&arguments.figures), |figure| {
        let _ = writeln!(out, "{figure}");
        let _ = out.flush();
    })
}
