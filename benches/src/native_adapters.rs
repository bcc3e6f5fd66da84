//! The work as a loop over the host's own source and sink, without guest or columns: what the
//! adapters cost against the bare client.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use wasmill::kafka::overrides::Overrides;
use wasmill::kafka::security::Security;
use wasmill::kafka::settings::ClientSettings;
use wasmill::model::pipeline_spec::BatchLimits;
use wasmill::model::pipeline_spec::Delivery;
use wasmill::model::pipeline_spec::PartitionBy;
use wasmill::model::position::Offset;
use wasmill::model::position::TopicPartition;
use wasmill::model::record_batch::RawRecords as _;
use wasmill::pipeline::ports::OutputRecord;
use wasmill::pipeline::ports::SendFailure;
use wasmill::pipeline::ports::Sink as _;
use wasmill::pipeline::ports::Source as _;
use wasmill::pipeline::ports::SourceEvent;
use wasmill::pipeline::ports::TopicIndex;
use wasmill::sink::kafka_sink::KafkaSink;
use wasmill::sink::sink_settings::SinkSettings;
use wasmill::source::flow_control::FlowControl;
use wasmill::source::kafka_source::KafkaSource;
use wasmill::source::source_settings::CoPartitioned;
use wasmill::source::source_settings::SourceSettings;

use crate::native_workload::BATCH_MAX;
use crate::native_workload::COMMIT_INTERVAL;
use crate::native_workload::Payment;
use crate::native_workload::Report;
use crate::native_workload::Settings;
use crate::native_workload::THRESHOLD;
use crate::native_workload::cpu_seconds;

/// Joins and then waits for records that do not come: the share of one core that an idle source
/// takes, in percent, over `seconds`.
///
/// # Errors
/// When the broker is away or the topic missing.
pub fn idle_percent(settings: &Settings, seconds: u64) -> anyhow::Result<f64> {
    let mut source = source(settings)?;
    let mut measured = None;
    loop {
        match source.poll(Duration::from_millis(500))? {
            SourceEvent::Assigned(partitions) => {
                let mut positions = Vec::new();
                for partition in partitions {
                    let end = source.bounds(&partition)?.end;
                    positions.push((partition, end));
                }
                source.start(&positions)?;
                measured = Some((Instant::now() + Duration::from_secs(2), 0.0));
            }
            SourceEvent::Idle => {}
            event => anyhow::bail!("the topic is not idle: {event:?}"),
        }
        // Two seconds for the client to settle down.
        if let Some((begin, cpu)) = &mut measured
            && Instant::now() >= *begin
        {
            if *cpu == 0.0 {
                (*begin, *cpu) = (Instant::now(), cpu_seconds());
            }
            if begin.elapsed() >= Duration::from_secs(seconds) {
                return Ok((cpu_seconds() - *cpu) / begin.elapsed().as_secs_f64() * 100.0);
            }
        }
    }
}

fn client(settings: &Settings) -> anyhow::Result<ClientSettings> {
    ClientSettings::new(&settings.brokers, Security::default(), "adapters")
        .map_err(|refusal| anyhow::anyhow!("{refusal}"))
}

fn source(settings: &Settings) -> anyhow::Result<KafkaSource> {
    let mut source = KafkaSource::new(SourceSettings {
        client: client(settings)?,
        group: settings.group.clone(),
        member: format!("{}.0", settings.group),
        topics: vec![Arc::from(settings.input.as_str())],
        batch: BatchLimits { rows_max: BATCH_MAX as u32, ..BatchLimits::default() },
        flow: FlowControl::default(),
        overrides: Overrides::default(),
        assignment: CoPartitioned::default(),
    })?;
    source.join()?;
    Ok(source)
}

/// Reads the whole input topic once. Timestamps are kept, which the bare loop cannot do.
///
/// # Errors
/// When the broker is away, a topic missing, or a value malformed.
pub fn run(settings: &Settings, output_schema: u32) -> anyhow::Result<Report> {
    let (cpu, begin) = (cpu_seconds(), Instant::now());
    let mut source = source(settings)?;
    let mut sink = KafkaSink::new(SinkSettings {
        client: client(settings)?,
        delivery: Delivery::ExactlyOnce,
        member: format!("{}.0", settings.group),
        topics: vec![(Arc::from(settings.output.as_str()), PartitionBy::Key)],
        overrides: Overrides::default(),
        topic_bytes_max: None,
    })?;
    sink.begin()?;
    let mut positions: Vec<(TopicPartition, Offset)> = Vec::new();
    let mut ends: Vec<Offset> = Vec::new();
    let mut report = Report { records: 0, outputs: 0, cpu_seconds: 0.0, wall_seconds: 0.0, commits: 0 };
    let mut value = Vec::new();
    let mut committed = Instant::now();
    loop {
        match source.poll(Duration::from_millis(5))? {
            SourceEvent::Records(records) => {
                for index in 0..records.len() {
                    let payload = records.value(index).unwrap_or_default();
                    let payment =
                        Payment::decode(payload).ok_or_else(|| anyhow::anyhow!("a malformed value"))?;
                    if payment.amount > THRESHOLD {
                        value.clear();
                        payment.encode(output_schema, &mut value);
                        let key = records.key(index);
                        anyhow::ensure!(!records.has_headers(index), "a record with headers");
                        let record = OutputRecord {
                            topic: TopicIndex(0),
                            partition: sink.route(TopicIndex(0), key, records.topic_partition().partition)?,
                            key,
                            value: Some(&value),
                            timestamp: records.timestamp(index),
                            headers: &[],
                            token: index as u64,
                        };
                        while let Err(failure) = sink.send(&record) {
                            anyhow::ensure!(matches!(failure, SendFailure::Full), "{failure}");
                            std::thread::sleep(Duration::from_millis(1));
                        }
                        report.outputs += 1;
                    }
                }
                report.records += records.len() as u64;
                let next = records.next_offset();
                let position = positions.iter_mut().find(|(one, _)| one == records.topic_partition());
                if let (Some((_, offset)), Some(next)) = (position, next) {
                    *offset = next;
                }
            }
            SourceEvent::Assigned(partitions) => {
                let mut added = Vec::new();
                for partition in partitions {
                    let bounds = source.bounds(&partition)?;
                    ends.push(bounds.end);
                    added.push((partition, bounds.start));
                }
                source.start(&added)?;
                positions.extend(added);
            }
            SourceEvent::Idle => {}
            event => anyhow::bail!("the group changed: {event:?}"),
        }
        let done = !positions.is_empty() && positions.iter().zip(&ends).all(|((_, next), end)| next >= end);
        if !positions.is_empty() && (done || committed.elapsed() >= COMMIT_INTERVAL) {
            let group = source.group().ok_or_else(|| anyhow::anyhow!("no member"))?;
            sink.commit(&positions, &group)?;
            report.commits += 1;
            if done {
                break;
            }
            sink.begin()?;
            committed = Instant::now();
        }
    }
    drop((source, sink));
    report.cpu_seconds = cpu_seconds() - cpu;
    report.wall_seconds = begin.elapsed().as_secs_f64();
    Ok(report)
}
