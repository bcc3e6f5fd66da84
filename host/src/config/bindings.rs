//! The keys `transform`, `inputs`, `outputs` and `start` of a pipeline file.

use std::path::Path;
use std::sync::Arc;

use indexmap::IndexMap;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::config::event_time;
use crate::config::section::Item;
use crate::config::section::Problems;
use crate::config::suggest;
use crate::config::tree::Value;
use crate::model::pipeline_spec::Format;
use crate::model::pipeline_spec::InputBinding;
use crate::model::pipeline_spec::OutputBinding;
use crate::model::pipeline_spec::PartBinding;
use crate::model::pipeline_spec::PartitionBy;
use crate::model::pipeline_spec::ReadAs;
use crate::model::pipeline_spec::Start;
use crate::model::pipeline_spec::TransformRef;

/// The formats of this version by the words of a pipeline file.
pub(crate) const FORMATS: [(&str, Format); 10] = [
    ("avro", Format::Avro),
    ("json", Format::Json),
    ("text", Format::Text),
    ("raw", Format::Raw),
    ("boolean", Format::Boolean),
    ("int16", Format::Int16),
    ("int32", Format::Int32),
    ("int64", Format::Int64),
    ("float32", Format::Float32),
    ("float64", Format::Float64),
];

/// Formats of later versions.
const FORMATS_LATER: [&str; 2] = ["protobuf", "json-schema"];

pub(crate) const PARTITION_BY: [(&str, PartitionBy); 3] = [
    ("key", PartitionBy::Key),
    ("source-partition", PartitionBy::SourcePartition),
    ("round-robin", PartitionBy::RoundRobin),
];

pub(crate) const READ_AS: [(&str, ReadAs); 2] = [("stream", ReadAs::Stream), ("table", ReadAs::Table)];

/// `{ name, version }`, `{ file }` or `{ digest }`.
pub(crate) fn transform(
    item: &Item<'_>,
    base: Option<&Path>,
    problems: &mut Problems,
) -> Option<TransformRef> {
    let mut section = item.section(problems)?;
    let name = section.take("name");
    let version = section.take("version");
    let file = section.take("file");
    let digest = section.take("digest");
    let item = section.item();
    section.finish(problems);
    let expected = "one of `{ name: ..., version: ... }`, `{ file: ... }` and `{ digest: ... }`";
    match (name, file, digest) {
        (Some(name), None, None) => {
            let name = name.parsed(problems, "the name of an uploaded transform")?;
            let version = match version {
                Some(version) => Some(version.u32(problems, 1..=u32::MAX)?),
                None => None,
            };
            Some(TransformRef::Named { name, version: version.map(crate::model::ids::TransformVersion) })
        }
        (None, Some(file), None) if version.is_none() => {
            let file = Path::new(file.text(problems)?);
            Some(TransformRef::File(base.map_or_else(|| file.to_owned(), |base| base.join(file))))
        }
        (None, None, Some(digest)) if version.is_none() => {
            let text = digest.text(problems)?;
            let hex = text.strip_prefix("sha256:").unwrap_or_default();
            if hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
                let remedy = "Copy the digest from the list of the transform's versions.";
                let expected = "`sha256:` and 64 lower-case hexadecimal digits";
                digest.problem(problems, "invalid-value", "this is no digest", expected, remedy);
                return None;
            }
            Some(TransformRef::Digest(text.to_owned()))
        }
        (None, None, None) => {
            let remedy = "Name the transform.";
            item.problem(problems, "missing-key", "the transform is not named", expected, remedy);
            None
        }
        _ => {
            let remedy = "Keep one of them; `version` goes with `name` only.";
            item.problem(
                problems,
                "conflicting-keys",
                "the transform is named in two ways",
                expected,
                remedy,
            );
            None
        }
    }
}

/// Most inputs, and most outputs: as many as a manifest may have.
const PORTS_MAX: usize = 256;

pub(crate) fn inputs(item: &Item<'_>, problems: &mut Problems) -> IndexMap<String, InputBinding> {
    let entries = item.named(problems, PORTS_MAX).unwrap_or_default();
    if entries.is_empty() && matches!(item.node.value, Value::Map(_)) {
        let remedy = "Bind each input port of the transform to a topic.";
        item.problem(problems, "missing-key", "there is no input", "at least one input port", remedy);
    }
    let bound =
        entries.into_iter().filter_map(|(port, item)| Some((port.to_owned(), input(&item, problems)?)));
    bound.collect()
}

pub(crate) fn outputs(item: &Item<'_>, problems: &mut Problems) -> IndexMap<String, OutputBinding> {
    let entries = item.named(problems, PORTS_MAX).unwrap_or_default();
    let bound =
        entries.into_iter().filter_map(|(port, item)| Some((port.to_owned(), output(&item, problems)?)));
    bound.collect()
}

fn input(item: &Item<'_>, problems: &mut Problems) -> Option<InputBinding> {
    let mut section = item.section(problems)?;
    let topic = section.require(problems, "topic", "the name of a topic", "Add `topic: <name>`.");
    let key = section.take("key");
    let value = section.require(problems, "value", "a format", "Add for example `value: avro`.");
    let read_as = match section.take("as") {
        Some(word) => word.choice(problems, &READ_AS),
        None => Some(ReadAs::default()),
    };
    let event_time = section.take("event_time").map(|item| event_time::read(&item, problems));
    section.finish(problems);
    let topic = topic.and_then(|topic| topic_name(&topic, problems));
    let key = optional_part(key.as_ref(), problems);
    let value = value.and_then(|value| part(&value, problems));
    let event_time = event_time.unwrap_or_default();
    Some(InputBinding { topic: topic?, key: key?, value: value?, read_as: read_as?, event_time })
}

fn output(item: &Item<'_>, problems: &mut Problems) -> Option<OutputBinding> {
    let mut section = item.section(problems)?;
    let topic = section.require(problems, "topic", "the name of a topic", "Add `topic: <name>`.");
    let key = section.take("key");
    let value = section.require(problems, "value", "a format", "Add for example `value: avro`.");
    let partition_by = section.take("partition_by");
    section.finish(problems);
    let topic = topic.and_then(|topic| topic_name(&topic, problems));
    let key = optional_part(key.as_ref(), problems);
    let value = value.and_then(|value| part(&value, problems));
    let partition_by = match partition_by {
        Some(word) => word.choice(problems, &PARTITION_BY),
        None => Some(PartitionBy::default()),
    };
    Some(OutputBinding { topic: topic?, key: key?, value: value?, partition_by: partition_by? })
}

/// A key without a format is taken as it is.
fn optional_part(item: Option<&Item<'_>>, problems: &mut Problems) -> Option<PartBinding> {
    match item {
        Some(item) => part(item, problems),
        None => Some(PartBinding { format: Format::Raw, subject: None }),
    }
}

/// `avro`, or `{ format: avro, subject: payments-value }`.
fn part(item: &Item<'_>, problems: &mut Problems) -> Option<PartBinding> {
    if matches!(item.node.value, Value::Text(_)) {
        return Some(PartBinding { format: format(item, problems)?, subject: None });
    }
    let mut section = item.section(problems)?;
    let kind = section.require(problems, "format", "a format", "Add for example `format: avro`.");
    let subject = section.take("subject");
    section.finish(problems);
    let format = format(&kind?, problems)?;
    let subject = match subject {
        Some(subject) if format != Format::Avro => {
            let remedy = "Remove the subject, or choose `format: avro`.";
            let expected = "a subject only with a format of the schema registry";
            subject.problem(problems, "conflicting-keys", "this format has no subject", expected, remedy);
            return None;
        }
        Some(subject) => Some(subject.text(problems)?.to_owned()),
        None => None,
    };
    Some(PartBinding { format, subject })
}

fn format(item: &Item<'_>, problems: &mut Problems) -> Option<Format> {
    if let Value::Text(text) = &item.node.value
        && let Some(word) = FORMATS_LATER.iter().find(|word| *word == text)
    {
        let message = format!("the format `{word}` is not yet supported by this version");
        let words: Vec<&str> = FORMATS.iter().map(|(word, _)| *word).collect();
        let expected = format!("one of {}", suggest::list(&words));
        item.problem(problems, "not-supported-yet", &message, expected, "Use one of the supported formats.");
        return None;
    }
    item.choice(problems, &FORMATS)
}

/// A name that Kafka takes for a topic.
pub(crate) fn topic_name(item: &Item<'_>, problems: &mut Problems) -> Option<Arc<str>> {
    let text = item.text(problems)?;
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if text.len() > 249 || matches!(text, "." | "..") || !text.bytes().all(legal) {
        let expected = "1 to 249 characters of a-z, A-Z, 0-9, `.`, `_` and `-`";
        item.problem(problems, "invalid-name", "this is no topic name", expected, "Mend the name.");
        return None;
    }
    Some(text.into())
}

/// `earliest`, `latest`, `{ timestamp: ... }` or `{ offsets: ... }`.
pub(crate) fn start(item: &Item<'_>, problems: &mut Problems) -> Option<Start> {
    if let Value::Text(_) = item.node.value {
        let choice = item.choice(problems, &[("earliest", false), ("latest", true)])?;
        return Some(if choice { Start::Latest } else { Start::Earliest });
    }
    let mut section = item.section(problems)?;
    let timestamp = section.take("timestamp");
    let offsets = section.take("offsets");
    section.finish(problems);
    match (timestamp, offsets) {
        (Some(timestamp), None) => start_timestamp(&timestamp, problems).map(Start::Timestamp),
        (None, Some(offsets)) => start_offsets(&offsets, problems).map(Start::Offsets),
        _ => {
            let expected = "`earliest`, `latest`, `{ timestamp: ... }` or `{ offsets: ... }`";
            let remedy = "Name one place to start at.";
            item.problem(problems, "wrong-type", "this is no single place to start at", expected, remedy);
            None
        }
    }
}

fn start_timestamp(item: &Item<'_>, problems: &mut Problems) -> Option<i64> {
    let value = match &item.node.value {
        Value::Integer(value) => i64::try_from(*value).ok().filter(|value| *value >= 0),
        Value::Text(text) => OffsetDateTime::parse(text, &Rfc3339)
            .ok()
            .and_then(|time| i64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok()),
        _ => None,
    };
    if value.is_none() {
        let expected = "milliseconds since the epoch, or a time such as `2026-01-31T00:00:00Z`";
        let remedy = "Write the time in one of the two forms.";
        item.problem(problems, "invalid-value", "this is no time", expected, remedy);
    }
    value
}

fn start_offsets(item: &Item<'_>, problems: &mut Problems) -> Option<IndexMap<String, IndexMap<i32, i64>>> {
    let mut topics = IndexMap::new();
    for (topic, item) in item.entries(problems)? {
        let mut partitions = IndexMap::new();
        for (partition, item) in item.entries(problems)? {
            let Some(number) = partition.parse::<i32>().ok().filter(|number| *number >= 0) else {
                let expected = "the number of a partition, from 0";
                let remedy = "Write for example `{ payments: { 0: 1200 } }`.";
                item.problem(problems, "invalid-value", "the key is no partition", expected, remedy);
                continue;
            };
            if let Some(offset) = item.integer(problems, 0..=i128::from(i64::MAX)) {
                partitions.insert(number, i64::try_from(offset).unwrap_or(i64::MAX));
            }
        }
        topics.insert(topic.to_owned(), partitions);
    }
    Some(topics)
}
