//! A pipeline spec back as a document, with every default of a value written out.

use serde_json::Value as Json;
use serde_json::json;

use crate::config::bindings;
use crate::config::pipeline_file::PIPELINE_FILE_VERSION;
use crate::config::policies;
use crate::config::units::format_bytes;
use crate::model::pipeline_spec::EventTimeOverride;
use crate::model::pipeline_spec::OnBadRecord;
use crate::model::pipeline_spec::OnLate;
use crate::model::pipeline_spec::PartBinding;
use crate::model::pipeline_spec::PipelineSpec;
use crate::model::pipeline_spec::Start;
use crate::model::pipeline_spec::TransformRef;

/// The spec as a pipeline file in JSON. Reading it gives the same spec. Secrets stay references.
#[must_use]
pub fn to_document(spec: &PipelineSpec) -> Json {
    let inputs = spec.inputs.iter().map(|(port, input)| {
        let mut document = json!({
            "topic": &*input.topic,
            "key": part(&input.key),
            "value": part(&input.value),
            "as": word(&bindings::READ_AS, &input.read_as),
        });
        if let Some(keys) = document.as_object_mut()
            && input.event_time != EventTimeOverride::default()
        {
            keys.insert("event_time".to_owned(), event_time(&input.event_time));
        }
        (port.clone(), document)
    });
    let outputs = spec.outputs.iter().map(|(port, output)| {
        let document = json!({
            "topic": &*output.topic,
            "key": part(&output.key),
            "value": part(&output.value),
            "partition_by": word(&bindings::PARTITION_BY, &output.partition_by),
        });
        (port.clone(), document)
    });
    let texts = spec.config.iter().map(|(key, text)| (key.clone(), json!(text)));
    let secrets = spec.secrets.iter().map(|(key, name)| (key.clone(), json!({ "secret": name })));
    json!({
        "version": PIPELINE_FILE_VERSION,
        "name": spec.name.as_str(),
        "transform": transform(&spec.transform),
        "inputs": inputs.collect::<serde_json::Map<_, _>>(),
        "outputs": outputs.collect::<serde_json::Map<_, _>>(),
        "delivery": word(&policies::DELIVERY, &spec.delivery),
        "accept_duplicate_updates": spec.accept_duplicate_updates,
        "start": start(&spec.start),
        "commit": {
            "interval_ms": millis(spec.commit.interval),
            "records_max": spec.commit.records_max,
            "bytes_max": format_bytes(spec.commit.bytes_max),
        },
        "checkpoint": { "interval_ms": millis(spec.checkpoint.interval) },
        "batch": { "rows_max": spec.batch.rows_max, "bytes_max": format_bytes(spec.batch.bytes_max) },
        "on_bad_record": on_bad_record(&spec.on_bad_record),
        "retry": {
            "attempts_max": spec.retry.attempts_max,
            "backoff_initial_ms": millis(spec.retry.backoff_initial),
            "backoff_max_ms": millis(spec.retry.backoff_max),
        },
        "schemas": {
            "register": word(&policies::REGISTER, &spec.schemas.register),
            "subject_strategy": word(&policies::SUBJECT_STRATEGY, &spec.schemas.subject_strategy),
        },
        "limits": {
            "memory_bytes_max": format_bytes(spec.limits.memory_bytes_max),
            "invocation_ms_max": spec.limits.invocation_ms_max,
            "output_bytes_per_batch_max": format_bytes(spec.limits.output_bytes_per_batch_max),
            "state_bytes_per_batch_max": format_bytes(spec.limits.state_bytes_per_batch_max),
            "log_lines_per_second_max": spec.limits.log_lines_per_second_max,
        },
        "workers": spec.workers,
        "config": texts.chain(secrets).collect::<serde_json::Map<_, _>>(),
        "kafka": spec.kafka.iter().map(|(key, value)| (key.clone(), json!(value))).collect::<serde_json::Map<_, _>>(),
    })
}

/// Only what is set: the rest is the transform's to say.
fn event_time(set: &EventTimeOverride) -> Json {
    let mut document = serde_json::Map::new();
    let times = [
        ("out_of_orderness_ms", set.out_of_orderness_ms),
        ("idle_ms", set.idle_ms),
        ("granularity_ms", set.granularity_ms),
    ];
    for (key, value) in times {
        document.extend(value.map(|value| (key.to_owned(), json!(value))));
    }
    let late = set.late.as_ref().map(|late| match late {
        OnLate::Process => json!("process"),
        OnLate::Drop => json!("drop"),
        OnLate::Topic(topic) => json!({ "topic": &**topic }),
    });
    document.extend(late.map(|late| ("late".to_owned(), late)));
    Json::Object(document)
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The word of a pipeline file for a value. Every value has one.
fn word<T: PartialEq>(words: &[(&'static str, T)], value: &T) -> &'static str {
    words.iter().find(|(_, known)| known == value).map_or("", |(word, _)| word)
}

fn part(part: &PartBinding) -> Json {
    let format = word(&bindings::FORMATS, &part.format);
    match &part.subject {
        Some(subject) => json!({ "format": format, "subject": subject }),
        None => json!(format),
    }
}

fn transform(transform: &TransformRef) -> Json {
    match transform {
        TransformRef::Named { name, version: Some(version) } => {
            json!({ "name": name.as_str(), "version": version.0 })
        }
        TransformRef::Named { name, version: None } => json!({ "name": name.as_str() }),
        TransformRef::File(path) => json!({ "file": path.to_string_lossy() }),
        TransformRef::Digest(digest) => json!({ "digest": digest }),
    }
}

fn start(start: &Start) -> Json {
    match start {
        Start::Earliest => json!("earliest"),
        Start::Latest => json!("latest"),
        Start::Timestamp(timestamp) => json!({ "timestamp": timestamp }),
        Start::Offsets(topics) => {
            let topics = topics.iter().map(|(topic, partitions)| {
                let partitions =
                    partitions.iter().map(|(partition, offset)| (partition.to_string(), json!(offset)));
                (topic.clone(), Json::Object(partitions.collect()))
            });
            json!({ "offsets": topics.collect::<serde_json::Map<_, _>>() })
        }
    }
}

fn on_bad_record(policy: &OnBadRecord) -> Json {
    match policy {
        OnBadRecord::DeadLetter { topic: Some(topic) } => {
            json!({ "action": "dead-letter", "topic": &**topic })
        }
        OnBadRecord::DeadLetter { topic: None } => json!({ "action": "dead-letter" }),
        OnBadRecord::Stop => json!({ "action": "stop" }),
        OnBadRecord::Drop => json!({ "action": "drop" }),
    }
}
