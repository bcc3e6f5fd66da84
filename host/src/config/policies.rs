//! The keys of a pipeline file that say how it runs: commit, batch, failures, schemas, limits.

use std::time::Duration;

use indexmap::IndexMap;

use crate::config::bindings::topic_name;
use crate::config::section::Item;
use crate::config::section::Problems;
use crate::config::section::Section;
use crate::config::tree::Value;
use crate::model::limits::Limits;
use crate::model::pipeline_spec::BatchLimits;
use crate::model::pipeline_spec::CheckpointPolicy;
use crate::model::pipeline_spec::CommitPolicy;
use crate::model::pipeline_spec::Delivery;
use crate::model::pipeline_spec::OnBadRecord;
use crate::model::pipeline_spec::Register;
use crate::model::pipeline_spec::RetryPolicy;
use crate::model::pipeline_spec::SchemaPolicy;
use crate::model::pipeline_spec::SubjectStrategy;

pub(crate) const DELIVERY: [(&str, Delivery); 2] =
    [("exactly-once", Delivery::ExactlyOnce), ("at-least-once", Delivery::AtLeastOnce)];
pub(crate) const REGISTER: [(&str, Register); 2] =
    [("never", Register::Never), ("if-compatible", Register::IfCompatible)];
pub(crate) const SUBJECT_STRATEGY: [(&str, SubjectStrategy); 3] = [
    ("topic-name", SubjectStrategy::TopicName),
    ("record-name", SubjectStrategy::RecordName),
    ("topic-record-name", SubjectStrategy::TopicRecordName),
];

/// Longest commit interval: well below the transaction timeout of 8 s, so that the coordinator
/// never aborts a cycle that is merely filling.
pub(crate) const COMMIT_INTERVAL_MS_MAX: u64 = 5_000;
/// Below this a checkpoint would follow the other without a pause.
pub(crate) const CHECKPOINT_INTERVAL_MS_MIN: u64 = 1_000;
pub(crate) const CHECKPOINT_INTERVAL_MS_MAX: u64 = 24 * 3_600_000;
pub(crate) const BATCH_ROWS_MAX: u32 = 65_536;
pub(crate) const BATCH_BYTES_MAX: u64 = 64 << 20;
pub(crate) const COMMIT_BYTES_MAX: u64 = 4 << 30;
pub(crate) const COMMIT_RECORDS_MAX: u64 = 100_000_000;
pub(crate) const RETRY_ATTEMPTS_MAX: u32 = 10_000;
pub(crate) const BACKOFF_MS_MAX: u64 = 3_600_000;
/// What 32-bit linear memory can hold.
pub(crate) const MEMORY_BYTES_MAX: u64 = 4 << 30;
pub(crate) const INVOCATION_MS_MAX: u64 = 600_000;
pub(crate) const OUTPUT_BYTES_MAX: u64 = 1 << 30;
pub(crate) const STATE_BYTES_MAX: u64 = 1 << 30;
pub(crate) const LOG_LINES_MAX: u32 = 100_000;
pub(crate) const WORKERS_MAX: u32 = 256;

/// Reads a value into place; a value that is not there or wrong leaves the default (a wrong one
/// is in the problems).
fn set<T>(target: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *target = value;
    }
}

pub(crate) fn commit(item: &Item<'_>, problems: &mut Problems) -> CommitPolicy {
    let mut policy = CommitPolicy::default();
    let Some(mut section) = item.section(problems) else {
        return policy;
    };
    if let Some(item) = section.take("interval_ms") {
        set(&mut policy.interval, item.u64(problems, 1..=COMMIT_INTERVAL_MS_MAX).map(Duration::from_millis));
    }
    if let Some(item) = section.take("records_max") {
        set(&mut policy.records_max, item.u64(problems, 1..=COMMIT_RECORDS_MAX));
    }
    if let Some(item) = section.take("bytes_max") {
        set(&mut policy.bytes_max, item.bytes(problems, 1024..=COMMIT_BYTES_MAX));
    }
    section.finish(problems);
    policy
}

pub(crate) fn checkpoint(item: &Item<'_>, problems: &mut Problems) -> CheckpointPolicy {
    let mut policy = CheckpointPolicy::default();
    let Some(mut section) = item.section(problems) else {
        return policy;
    };
    if let Some(item) = section.take("interval_ms") {
        let range = CHECKPOINT_INTERVAL_MS_MIN..=CHECKPOINT_INTERVAL_MS_MAX;
        set(&mut policy.interval, item.u64(problems, range).map(Duration::from_millis));
    }
    section.finish(problems);
    policy
}

/// Whoever looks for state in a pipeline file is told where it is.
pub(crate) fn no_state_key(file: &mut Section<'_>, problems: &mut Problems) {
    if let Some(item) = file.take_unlisted("state") {
        let expected = "no such key in a pipeline file";
        let remedy = "Remove it. Stores and their time to live are the transform's own; their memory is `state.memory_bytes_max` in the settings of the host.";
        item.problem(problems, "setting-of-the-host", "a pipeline says nothing of state", expected, remedy);
    }
}

pub(crate) fn batch(item: &Item<'_>, problems: &mut Problems) -> BatchLimits {
    let mut limits = BatchLimits::default();
    let Some(mut section) = item.section(problems) else {
        return limits;
    };
    if let Some(item) = section.take("rows_max") {
        set(&mut limits.rows_max, item.u32(problems, 1..=BATCH_ROWS_MAX));
    }
    if let Some(item) = section.take("bytes_max") {
        set(&mut limits.bytes_max, item.bytes(problems, 1024..=BATCH_BYTES_MAX));
    }
    section.finish(problems);
    limits
}

#[derive(Clone, Copy, PartialEq)]
enum Action {
    DeadLetter,
    Stop,
    Drop,
}

const ACTIONS: [(&str, Action); 3] =
    [("dead-letter", Action::DeadLetter), ("stop", Action::Stop), ("drop", Action::Drop)];

/// `stop`, or `{ action: dead-letter, topic: payments.dlq }`.
pub(crate) fn on_bad_record(item: &Item<'_>, problems: &mut Problems) -> OnBadRecord {
    let (action, topic) = if let Value::Text(_) = item.node.value {
        (item.choice(problems, &ACTIONS), None)
    } else {
        let Some(mut section) = item.section(problems) else {
            return OnBadRecord::default();
        };
        let action = section.take("action");
        let topic = section.take("topic");
        section.finish(problems);
        let action = match action {
            Some(action) => action.choice(problems, &ACTIONS),
            None => Some(Action::DeadLetter),
        };
        (action, topic)
    };
    if let (Some(Action::Stop | Action::Drop), Some(topic)) = (action, &topic) {
        let remedy = "Remove the topic, or choose `action: dead-letter`.";
        let expected = "a topic only with `action: dead-letter`";
        topic.problem(problems, "conflicting-keys", "this action writes to no topic", expected, remedy);
    }
    match action {
        Some(Action::Stop) => OnBadRecord::Stop,
        Some(Action::Drop) => OnBadRecord::Drop,
        Some(Action::DeadLetter) | None => {
            OnBadRecord::DeadLetter { topic: topic.and_then(|topic| topic_name(&topic, problems)) }
        }
    }
}

pub(crate) fn retry(item: &Item<'_>, problems: &mut Problems) -> RetryPolicy {
    let mut policy = RetryPolicy::default();
    let Some(mut section) = item.section(problems) else {
        return policy;
    };
    if let Some(item) = section.take("attempts_max") {
        set(&mut policy.attempts_max, item.u32(problems, 0..=RETRY_ATTEMPTS_MAX));
    }
    let initial = section.take("backoff_initial_ms");
    if let Some(item) = &initial {
        set(&mut policy.backoff_initial, item.u64(problems, 1..=BACKOFF_MS_MAX).map(Duration::from_millis));
    }
    if let Some(item) = section.take("backoff_max_ms") {
        set(&mut policy.backoff_max, item.u64(problems, 1..=BACKOFF_MS_MAX).map(Duration::from_millis));
    }
    if policy.backoff_initial > policy.backoff_max {
        let expected = format!("at most `backoff_max_ms`, {}", policy.backoff_max.as_millis());
        let message = "the first backoff is longer than the longest";
        let item = initial.unwrap_or_else(|| section.item());
        item.problem(
            problems,
            "out-of-range",
            message,
            expected,
            "Lower this value or raise `backoff_max_ms`.",
        );
    }
    section.finish(problems);
    policy
}

pub(crate) fn schemas(item: &Item<'_>, problems: &mut Problems) -> SchemaPolicy {
    let mut policy = SchemaPolicy::default();
    let Some(mut section) = item.section(problems) else {
        return policy;
    };
    if let Some(item) = section.take("register") {
        set(&mut policy.register, item.choice(problems, &REGISTER));
    }
    if let Some(item) = section.take("subject_strategy") {
        set(&mut policy.subject_strategy, item.choice(problems, &SUBJECT_STRATEGY));
    }
    section.finish(problems);
    policy
}

pub(crate) fn limits(item: &Item<'_>, problems: &mut Problems) -> Limits {
    let mut limits = Limits::default();
    let Some(mut section) = item.section(problems) else {
        return limits;
    };
    if let Some(item) = section.take("memory_bytes_max") {
        set(&mut limits.memory_bytes_max, item.bytes(problems, 64 << 10..=MEMORY_BYTES_MAX));
    }
    if let Some(item) = section.take("invocation_ms_max") {
        set(&mut limits.invocation_ms_max, item.u64(problems, 1..=INVOCATION_MS_MAX));
    }
    if let Some(item) = section.take("output_bytes_per_batch_max") {
        set(&mut limits.output_bytes_per_batch_max, item.bytes(problems, 1024..=OUTPUT_BYTES_MAX));
    }
    if let Some(item) = section.take("state_bytes_per_batch_max") {
        set(&mut limits.state_bytes_per_batch_max, item.bytes(problems, 1024..=STATE_BYTES_MAX));
    }
    if let Some(item) = section.take("log_lines_per_second_max") {
        set(&mut limits.log_lines_per_second_max, item.u32(problems, 0..=LOG_LINES_MAX));
    }
    if let Some(item) = section.take("stack_bytes_max") {
        let expected = "no such key in a pipeline file";
        let remedy = "Remove it, and set `limits.stack_bytes_max` in the settings of the host.";
        item.problem(
            problems,
            "setting-of-the-host",
            "the stack has one size for the whole host",
            expected,
            remedy,
        );
    }
    section.finish(problems);
    limits
}

/// The transform's configuration: texts, and references to secrets of the host.
#[derive(Debug, Default)]
pub(crate) struct GuestConfig {
    pub(crate) texts: IndexMap<String, String>,
    /// Config key -> name of the secret.
    pub(crate) secrets: IndexMap<String, String>,
}

/// Most keys of a guest's configuration: as many as a manifest may have.
const CONFIG_KEYS_MAX: usize = 256;
/// Most client properties: more than a pipeline may set.
const PROPERTIES_MAX: usize = 64;

pub(crate) fn config(item: &Item<'_>, problems: &mut Problems) -> GuestConfig {
    let mut config = GuestConfig::default();
    for (key, item) in item.named(problems, CONFIG_KEYS_MAX).unwrap_or_default() {
        if let Value::Map(_) = item.node.value {
            let Some(mut section) = item.section(problems) else {
                continue;
            };
            let expected = "the name of a secret";
            let name = section.require(problems, "secret", expected, "Write `{ secret: <name> }`.");
            section.finish(problems);
            if let Some(name) = name.and_then(|name| secret_name(&name, problems)) {
                config.secrets.insert(key.to_owned(), name);
            }
        } else if let Value::Text(text) = &item.node.value {
            config.texts.insert(key.to_owned(), text.clone());
        } else {
            // 010 and 1.50 are not what they look like in YAML: only the author knows the text.
            item.text(problems);
        }
    }
    config
}

/// A name that is one file in a folder and one environment variable.
fn secret_name(item: &Item<'_>, problems: &mut Problems) -> Option<String> {
    let text = item.text(problems)?;
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    if text.len() > 128 || !text.bytes().all(legal) {
        let expected = "1 to 128 characters of a-z, A-Z, 0-9, `_` and `-`";
        item.problem(problems, "invalid-name", "this is no name of a secret", expected, "Mend the name.");
        return None;
    }
    Some(text.to_owned())
}

/// Client properties as text. Which of them a pipeline may set, and whether the client takes the
/// value, is checked where the client is known: `kafka::overrides`.
pub(crate) fn kafka(item: &Item<'_>, problems: &mut Problems) -> IndexMap<String, String> {
    let mut properties = IndexMap::new();
    for (property, item) in item.named(problems, PROPERTIES_MAX).unwrap_or_default() {
        let value = match &item.node.value {
            Value::Text(text) => Some(text.clone()),
            Value::Integer(value) => Some(value.to_string()),
            Value::Boolean(value) => Some(value.to_string()),
            Value::Float(value) => Some(value.to_string()),
            _ => item.text(problems).map(str::to_owned),
        };
        if let Some(value) = value {
            properties.insert(property.to_owned(), value);
        }
    }
    properties
}
