//! The benches, and the figures that each of them prints.

use std::time::Duration;

use crate::figure::Figure;
use crate::figures::boundary;
use crate::figures::checkpoint;
use crate::figures::codec;
use crate::figures::count;
use crate::figures::idle;
use crate::figures::inprocess;
use crate::figures::large_state;
use crate::figures::latency;
use crate::figures::state_update;
use crate::figures::throughput;
use crate::figures::timers;
use crate::figures::upload;
use crate::servers::Servers;

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// Input records of the work on Kafka.
    pub records: u64,
    /// How often each loop does that work.
    pub rounds: usize,
    /// Input records of the work with state on Kafka.
    pub state_records: u64,
    /// Keys of the state that is larger than memory.
    pub state_keys: u32,
    /// How long records are sent to measure their latency.
    pub latency: Duration,
    /// How long an idle pipeline is watched.
    pub idle: Duration,
}

/// What is measured in one go.
pub struct Bench {
    /// The figures it prints.
    pub figures: &'static [&'static str],
    run: fn(&Extent, &Wanted<'_>) -> anyhow::Result<Vec<Figure>>,
}

/// The figures that were asked for; all of them, if none was named.
#[derive(Debug)]
pub struct Wanted<'a>(pub &'a [String]);

impl Wanted<'_> {
    /// Whether this figure was asked for.
    #[must_use]
    pub fn has(&self, figure: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|name| name == figure)
    }
}

/// All benches, the quick ones first.
pub const BENCHES: &[Bench] = &[
    Bench {
        figures: &["boundary_ns_per_record"],
        run: |_, _| {
            let value = boundary::call_ns("identity", 1000)? / 1000.0;
            Ok(vec![Figure::new("boundary_ns_per_record", value, "ns")])
        },
    },
    Bench {
        figures: &["sdk_ns_per_record"],
        run: |_, _| {
            let value = boundary::call_ns("identity-rows", 1000)? / 1000.0;
            Ok(vec![Figure::new("sdk_ns_per_record", value, "ns")])
        },
    },
    Bench {
        figures: &["boundary_us_per_call"],
        run: |_, _| {
            let value = boundary::call_ns("identity", 1)? / 1000.0;
            Ok(vec![Figure::new("boundary_us_per_call", value, "us")])
        },
    },
    Bench {
        figures: &["inprocess_ratio_native"],
        run: |_, _| {
            let inprocess::Comparison { wasm_ns, native_ns, ratio } = inprocess::compare()?;
            eprintln!("in process: {wasm_ns:.1} ns a record in Wasm, {native_ns:.1} ns natively");
            Ok(vec![Figure::new("inprocess_ratio_native", ratio, "ratio")])
        },
    },
    Bench {
        figures: &["decode_avro_ns_per_record", "encode_avro_ns_per_record"],
        run: |_, _| {
            let (decode, encode) = codec::decode_and_encode_ns()?;
            Ok(vec![
                Figure::new("decode_avro_ns_per_record", decode, "ns"),
                Figure::new("encode_avro_ns_per_record", encode, "ns"),
            ])
        },
    },
    Bench {
        figures: &["state_ns_per_update"],
        run: |_, _| {
            let state_update::Comparison { stateful_ns, stateless_ns, update_ns } = state_update::compare()?;
            eprintln!("state: {stateful_ns:.1} ns a record with state, {stateless_ns:.1} ns without");
            Ok(vec![Figure::new("state_ns_per_update", update_ns, "ns")])
        },
    },
    Bench {
        figures: checkpoint::FIGURES,
        // Keys a tenth as many as of small values.
        run: |extent, _| checkpoint::run((extent.state_keys / 10).max(1)),
    },
    Bench {
        figures: throughput::FIGURES,
        run: |extent, wanted| throughput::run(&Servers::find()?, extent, wanted),
    },
    Bench { figures: count::FIGURES, run: |extent, wanted| count::run(&Servers::find()?, extent, wanted) },
    Bench {
        figures: &["timers_ns_per_record_sparse"],
        run: |_, _| {
            let value = timers::ns_per_record_sparse(&Servers::find()?)?;
            Ok(vec![Figure::new("timers_ns_per_record_sparse", value, "ns")])
        },
    },
    Bench { figures: large_state::FIGURES, run: |extent, _| large_state::run(&Servers::find()?, extent) },
    Bench {
        figures: &["latency_p99_ms_alo"],
        run: |extent, _| {
            let value = latency::p99_ms(&Servers::find()?, extent.latency)?;
            Ok(vec![Figure::new("latency_p99_ms_alo", value, "ms")])
        },
    },
    Bench {
        figures: &["upload_to_first_record_ms"],
        run: |_, _| {
            let value = upload::first_record_ms(&Servers::find()?)?;
            Ok(vec![Figure::new("upload_to_first_record_ms", value, "ms")])
        },
    },
    Bench {
        figures: &["idle_cpu_percent"],
        run: |extent, _| {
            let value = idle::cpu_percent(&Servers::find()?, extent.idle)?;
            Ok(vec![Figure::new("idle_cpu_percent", value, "%")])
        },
    },
];

/// Runs every bench with a wanted figure, and hands each wanted figure out as soon as it is known.
///
/// # Errors
/// A name that no figure has, or the first bench that fails.
pub fn run(extent: &Extent, wanted: &Wanted<'_>, mut print: impl FnMut(&Figure)) -> anyhow::Result<()> {
    let names = || BENCHES.iter().flat_map(|bench| bench.figures);
    for name in wanted.0 {
        if !names().any(|known| known == name) {
            let known: Vec<&str> = names().copied().collect();
            anyhow::bail!("there is no figure `{name}`; there are: {}", known.join(", "));
        }
    }
    for bench in BENCHES {
        if !bench.figures.iter().any(|name| wanted.has(name)) {
            continue;
        }
        for figure in (bench.run)(extent, wanted)? {
            if wanted.has(figure.name) {
                print(&figure);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_no_figure_has_is_refused_with_those_that_there_are() {
        let extent = Extent {
            records: 1,
            rounds: 1,
            state_records: 1,
            state_keys: 1,
            latency: Duration::ZERO,
            idle: Duration::ZERO,
        };
        let names = ["boundary_ns".to_owned()];
        let error = run(&extent, &Wanted(&names), |_| ()).expect_err("no such figure");
        assert!(error.to_string().contains("boundary_ns_per_record, sdk_ns_per_record"), "{error}");
    }

    #[test]
    fn every_figure_has_one_bench() {
        let mut names: Vec<&str> = BENCHES.iter().flat_map(|bench| bench.figures).copied().collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
