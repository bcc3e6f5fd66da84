//! Runs one loop of the comparison in a process of its own, so that its CPU time is its own.

use clap::Parser;
use clap::Subcommand;
use wasmill::kafka::allocator::keep_memory;
use wasmill_benches::native_adapters;
use wasmill_benches::native_count::Count;
use wasmill_benches::native_generator;
use wasmill_benches::native_raw;
use wasmill_benches::native_raw::Filter;
use wasmill_benches::native_raw::Route;
use wasmill_benches::native_safe;
use wasmill_benches::native_verifier;
use wasmill_benches::native_verifier::Task;
use wasmill_benches::native_workload::Payments;
use wasmill_benches::native_workload::Settings;

/// The `stateless` and the `count` work by hand, and their input and check.
#[derive(Debug, Parser)]
struct Arguments {
    /// Brokers, as host:port.
    #[arg(long)]
    brokers: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Fill a topic that exists.
    Generate {
        #[arg(long)]
        topic: String,
        #[arg(long, default_value_t = 5_000_000)]
        records: u64,
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Id of the value's schema.
        #[arg(long, default_value_t = 1)]
        schema: u32,
    },
    /// Batch consume, one raw batch produce a partition, raw commit.
    Raw(Loop),
    /// The same with one `rd_kafka_produceva` a record, which keeps timestamps.
    RawSingle(Loop),
    /// The safe calls of the rdkafka crate.
    Safe(Loop),
    /// The `count` work: totals in RocksDB, written at every commit.
    Count {
        #[command(flatten)]
        of: Loop,
        /// Topic of the changed totals.
        #[arg(long)]
        changelog: String,
    },
    /// The host's source and sink.
    Adapters(Loop),
    /// The CPU time of an idle source.
    Idle {
        #[command(flatten)]
        of: Loop,
        #[arg(long, default_value_t = 20)]
        seconds: u64,
    },
    /// Compare an output topic with what it must hold, byte by byte.
    Verify {
        #[arg(long)]
        topic: String,
        #[arg(long, default_value_t = 5_000_000)]
        records: u64,
        #[arg(long, default_value_t = 1)]
        seed: u64,
        #[arg(long, default_value_t = 2)]
        output_schema: u32,
        /// Of the `count` work.
        #[arg(long)]
        count: bool,
    },
}

#[derive(Debug, clap::Args)]
struct Loop {
    #[arg(long)]
    input: String,
    #[arg(long)]
    output: String,
    /// Consumer group; a new one for every run.
    #[arg(long)]
    group: String,
    #[arg(long, default_value_t = 2)]
    output_schema: u32,
}

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> anyhow::Result<()> {
    let Arguments { brokers, command } = Arguments::parse();
    // As the host does.
    keep_memory();
    let settings = |of: &Loop| Settings {
        brokers: brokers.clone(),
        input: of.input.clone(),
        output: of.output.clone(),
        group: of.group.clone(),
        changelog: None,
    };
    let report = match command {
        Command::Generate { topic, records, seed, schema } => {
            return native_generator::generate(&brokers, &topic, records, Payments::new(seed, schema));
        }
        Command::Verify { topic, records, seed, output_schema, count } => {
            let task = if count { Task::Count } else { Task::Filter };
            let found = native_verifier::found(&brokers, &topic)?;
            let expected = native_verifier::expected(task, records, seed, output_schema, found.len());
            anyhow::ensure!(found == expected, "found {found:?}, expected {expected:?}");
            println!("verified {} records", found.iter().map(|sum| sum.records).sum::<u64>());
            return Ok(());
        }
        Command::Idle { of, seconds } => {
            println!("{:.2} % of one core", native_adapters::idle_percent(&settings(&of), seconds)?);
            return Ok(());
        }
        Command::Raw(of) => {
            native_raw::run(&settings(&of), Route::Batch, &mut Filter::new(of.output_schema))?
        }
        Command::RawSingle(of) => {
            native_raw::run(&settings(&of), Route::Single, &mut Filter::new(of.output_schema))?
        }
        Command::Safe(of) => native_safe::run(&settings(&of), of.output_schema)?,
        Command::Count { of, changelog } => {
            let folder = tempfile::tempdir()?;
            let mut count = Count::open(folder.path(), of.output_schema)?;
            let settings = Settings { changelog: Some(changelog), ..settings(&of) };
            native_raw::run(&settings, Route::Batch, &mut count)?
        }
        Command::Adapters(of) => native_adapters::run(&settings(&of), of.output_schema)?,
    };
    println!("{}", report.to_json());
    Ok(())
}
