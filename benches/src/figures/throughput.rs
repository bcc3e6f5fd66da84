//! The `stateless` work on Kafka: the host's sidecar against hand-written loops.

use crate::bench::Extent;
use crate::bench::Wanted;
use crate::figure::Figure;
use crate::figure::median;
use crate::kafka_work::KafkaWork;
use crate::native_verifier::Task;
use crate::servers::Servers;

/// What [`run`] gives.
pub const FIGURES: &[&str] =
    &["kafka_ratio_native_eos", "native_raw_over_safe", "kafka_records_per_cpu_s", "rss_mib_under_load"];

/// Fills a topic once, then lets the host and the loops do the work in turns, and checks every byte
/// that comes out.
///
/// # Errors
/// When something does not start, or an output is wrong.
pub fn run(servers: &Servers, extent: &Extent, wanted: &Wanted<'_>) -> anyhow::Result<Vec<Figure>> {
    let needs_raw = wanted.has("kafka_ratio_native_eos") || wanted.has("native_raw_over_safe");
    let needs_safe = wanted.has("native_raw_over_safe");
    let mut work = KafkaWork::new(servers, Task::Filter, extent.records)?;
    let (mut rates, mut resident, mut ratios, mut raw_over_safe) = (vec![], vec![], vec![], vec![]);
    for round in 1..=extent.rounds {
        let host = work.host()?;
        rates.push(host.records_per_cpu_s);
        resident.push(host.resident_mib);
        let mut line =
            format!("round {round}: records per CPU second: wasmill {:.0}", host.records_per_cpu_s);
        if needs_raw {
            let raw = work.native("raw", host.output_schema)?;
            ratios.push(host.records_per_cpu_s / raw);
            line += &format!(", native raw {raw:.0}");
            if needs_safe {
                let safe = work.native("safe", host.output_schema)?;
                raw_over_safe.push(raw / safe);
                line += &format!(", native safe {safe:.0}");
            }
        }
        eprintln!("{line}");
    }
    work.end()?;
    let mut figures = vec![
        Figure::new("kafka_records_per_cpu_s", median(rates), "records/s"),
        Figure::new("rss_mib_under_load", resident.into_iter().fold(0.0, f64::max), "MiB"),
    ];
    if needs_raw {
        figures.push(Figure::new("kafka_ratio_native_eos", median(ratios), "ratio"));
    }
    if needs_safe {
        figures.push(Figure::new("native_raw_over_safe", median(raw_over_safe), "ratio"));
    }
    Ok(figures)
}
