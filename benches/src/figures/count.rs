//! The `count` work on Kafka: the host's sidecar against a hand-written loop and Kafka Streams.

use crate::bench::Extent;
use crate::bench::Wanted;
use crate::figure::Figure;
use crate::figure::median;
use crate::kafka_work::KafkaWork;
use crate::native_verifier::Task;
use crate::servers::Servers;
use crate::streams;

/// What [`run`] gives.
pub const FIGURES: &[&str] = &["state_ratio_native", "state_ratio_streams", "state_records_per_cpu_s"];

/// Fills a topic once, then lets the host and the others do the work in turns, and checks every byte
/// that comes out. Kafka Streams, which takes longest, does it once.
///
/// # Errors
/// When something does not start, or an output is wrong.
pub fn run(servers: &Servers, extent: &Extent, wanted: &Wanted<'_>) -> anyhow::Result<Vec<Figure>> {
    let mut work = KafkaWork::new(servers, Task::Count, extent.state_records)?;
    let (mut rates, mut warm_rates, mut ratios, mut schema) = (vec![], vec![], vec![], 0);
    for round in 1..=extent.rounds {
        let host = work.host()?;
        rates.push(host.records_per_cpu_s);
        warm_rates.push(host.warm_records_per_cpu_s);
        schema = host.output_schema;
        let mut line = format!(
            "round {round}: counted records per CPU second: wasmill {:.0}, warm {:.0}",
            host.records_per_cpu_s, host.warm_records_per_cpu_s
        );
        if wanted.has("state_ratio_native") {
            let native = work.native("count", schema)?;
            ratios.push(host.records_per_cpu_s / native);
            line += &format!(", native {native:.0}");
        }
        eprintln!("{line}");
    }
    let mut figures = vec![Figure::new("state_records_per_cpu_s", median(rates), "records/s")];
    if wanted.has("state_ratio_native") {
        figures.push(Figure::new("state_ratio_native", median(ratios), "ratio"));
    }
    if wanted.has("state_ratio_streams") {
        let streams = streams::count(servers, &mut work, schema)?;
        eprintln!("counted records per CPU second: Kafka Streams, warm {streams:.0}");
        figures.push(Figure::new("state_ratio_streams", median(warm_rates) / streams, "ratio"));
    }
    work.end()?;
    Ok(figures)
}
