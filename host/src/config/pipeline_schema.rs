//! The JSON Schema of a pipeline file, for editors and tools.

use serde_json::Value as Json;
use serde_json::json;

use crate::config::bindings;
use crate::config::event_time;
use crate::config::policies;
use crate::model::limits::Limits;
use crate::model::pipeline_spec::BatchLimits;
use crate::model::pipeline_spec::CheckpointPolicy;
use crate::model::pipeline_spec::CommitPolicy;
use crate::model::pipeline_spec::RetryPolicy;

/// JSON Schema (draft 2020-12) of a pipeline file.
///
/// It says what a document may look like; the reader says what it means and is the stricter one.
#[must_use]
pub fn json_schema() -> Json {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Wasmill pipeline",
        "type": "object",
        "additionalProperties": false,
        "required": ["version", "name", "transform", "inputs"],
        "properties": {
            "version": { "const": 1, "description": "Version of the file's form." },
            "name": { "$ref": "#/$defs/name", "description": "The pipeline's name, unique within its tenant." },
            "transform": transform(),
            "inputs": {
                "type": "object",
                "description": "Binds each input port of the transform.",
                "minProperties": 1,
                "additionalProperties": { "$ref": "#/$defs/input" },
            },
            "outputs": {
                "type": "object",
                "description": "Binds each output port of the transform.",
                "additionalProperties": { "$ref": "#/$defs/output" },
            },
            "delivery": choice(&policies::DELIVERY, "exactly-once", "What a reader of committed records sees."),
            "accept_duplicate_updates": {
                "type": "boolean", "default": false,
                "description": "Whether a crash may apply an update of keyed state twice. At least once with state needs it.",
            },
            "start": start(),
            "commit": commit(),
            "checkpoint": checkpoint(),
            "batch": batch(),
            "on_bad_record": on_bad_record(),
            "retry": retry(),
            "schemas": {
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "register": choice(&policies::REGISTER, "if-compatible", "Whether output schemas are registered."),
                    "subject_strategy":
                        choice(&policies::SUBJECT_STRATEGY, "topic-name", "How subjects of outputs are named."),
                },
            },
            "limits": limits(),
            "workers": {
                "type": "integer", "minimum": 1, "maximum": policies::WORKERS_MAX, "default": 1,
                "description": "Worker threads on each host.",
            },
            "config": {
                "type": "object",
                "description": "Passed to the transform.",
                "additionalProperties": { "anyOf": [{ "type": "string" }, { "$ref": "#/$defs/secret" }] },
            },
            "kafka": kafka(),
        },
        "$defs": definitions(),
    })
}

fn definitions() -> Json {
    let formats: Vec<&str> = bindings::FORMATS.iter().map(|(word, _)| *word).collect();
    json!({
        "name": { "type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,62}$" },
        "topic": { "type": "string", "pattern": "^[a-zA-Z0-9._-]{1,249}$" },
        "bytes": {
            "anyOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)? *([kKMGT]i?)?[bB]?$" },
            ],
            "description": "A size: bytes, or text with a unit such as `64MiB`.",
        },
        "format": { "enum": formats },
        "part": {
            "anyOf": [
                { "$ref": "#/$defs/format" },
                {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["format"],
                    "properties": {
                        "format": { "$ref": "#/$defs/format" },
                        "subject": { "type": "string", "minLength": 1, "description": "Registry subject." },
                    },
                },
            ],
        },
        "secret": {
            "type": "object",
            "additionalProperties": false,
            "required": ["secret"],
            "properties": { "secret": { "type": "string", "pattern": "^[a-zA-Z0-9_-]{1,128}$" } },
        },
        "input": {
            "type": "object",
            "additionalProperties": false,
            "required": ["topic", "value"],
            "properties": {
                "topic": { "$ref": "#/$defs/topic" },
                "key": { "$ref": "#/$defs/part", "default": "raw" },
                "value": { "$ref": "#/$defs/part" },
                "as": choice(&bindings::READ_AS, "stream", "A table is read to its end before the streams."),
                "event_time": event_time(),
            },
        },
        "output": {
            "type": "object",
            "additionalProperties": false,
            "required": ["topic", "value"],
            "properties": {
                "topic": { "$ref": "#/$defs/topic" },
                "key": { "$ref": "#/$defs/part", "default": "raw" },
                "value": { "$ref": "#/$defs/part" },
                "partition_by": choice(&bindings::PARTITION_BY, "key", "What chooses the output partition."),
            },
        },
    })
}

fn choice<T>(words: &[(&'static str, T)], default: &str, description: &str) -> Json {
    let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    json!({ "enum": words, "default": default, "description": description })
}

fn transform() -> Json {
    let digest = json!({ "type": "string", "pattern": "^sha256:[0-9a-f]{64}$" });
    json!({
        "description": "An uploaded transform by name or digest, or a local file (`wasmill run`, `wasmill dev`).",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "name": { "$ref": "#/$defs/name" },
            "version": { "type": "integer", "minimum": 1, "description": "The newest version unless given." },
            "file": { "type": "string", "minLength": 1, "description": "Relative to the pipeline file." },
            "digest": digest,
        },
        "oneOf": [{ "required": ["name"] }, { "required": ["file"] }, { "required": ["digest"] }],
    })
}

fn start() -> Json {
    json!({
        "description": "Where the pipeline starts in a partition without a committed offset.",
        "default": "earliest",
        "anyOf": [
            { "enum": ["earliest", "latest"] },
            {
                "type": "object",
                "additionalProperties": false,
                "required": ["timestamp"],
                "properties": {
                    "timestamp": {
                        "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string" }],
                        "description": "Milliseconds since the epoch, or RFC 3339 text.",
                    },
                },
            },
            {
                "type": "object",
                "additionalProperties": false,
                "required": ["offsets"],
                "properties": {
                    "offsets": {
                        "type": "object",
                        "additionalProperties": {
                            "type": "object",
                            "propertyNames": { "pattern": "^[0-9]+$" },
                            "additionalProperties": { "type": "integer", "minimum": 0 },
                        },
                    },
                },
            },
        ],
    })
}

fn commit() -> Json {
    let default = CommitPolicy::default();
    json!({
        "description": "When a commit cycle ends: whichever comes first.",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "interval_ms": integer(1, policies::COMMIT_INTERVAL_MS_MAX, default.interval.as_millis() as u64),
            "records_max": integer(1, policies::COMMIT_RECORDS_MAX, default.records_max),
            "bytes_max": bytes(default.bytes_max),
        },
    })
}

fn checkpoint() -> Json {
    let default = CheckpointPolicy::default().interval.as_millis() as u64;
    let (least, most) = (policies::CHECKPOINT_INTERVAL_MS_MIN, policies::CHECKPOINT_INTERVAL_MS_MAX);
    json!({
        "description": "How often the state of a task is saved to the host's object store.",
        "type": "object",
        "additionalProperties": false,
        "properties": { "interval_ms": integer(least, most, default) },
    })
}

fn event_time() -> Json {
    let words: Vec<&str> = event_time::LATE.iter().map(|(word, _)| *word).collect();
    let time = |least: u64, description: &str| {
        let most = event_time::EVENT_TIME_MS_MAX;
        json!({ "type": "integer", "minimum": least, "maximum": most, "description": description })
    };
    json!({
        "description": "Sets anew what the port declares of its event time.",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "out_of_orderness_ms": time(0, "How far behind the largest event time the event watermark stays."),
            "idle_ms": time(1, "After this long without records an input holds no event watermark back. Default 60000."),
            "granularity_ms": time(1, "The event watermark advances in steps of this."),
            "late": {
                "description": "What becomes of a record behind the event watermark.",
                "anyOf": [
                    { "enum": words },
                    {
                        "type": "object",
                        "additionalProperties": false,
                        "required": ["topic"],
                        "properties": { "topic": { "$ref": "#/$defs/topic" } },
                    },
                ],
            },
        },
    })
}

fn batch() -> Json {
    let default = BatchLimits::default();
    json!({
        "description": "How large the batch of one invocation may be: whichever comes first.",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "rows_max": integer(1, policies::BATCH_ROWS_MAX.into(), default.rows_max.into()),
            "bytes_max": bytes(default.bytes_max),
        },
    })
}

fn on_bad_record() -> Json {
    let actions = ["dead-letter", "stop", "drop"];
    json!({
        "description": "What becomes of a record that cannot be processed.",
        "anyOf": [
            { "enum": actions },
            {
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "action": { "enum": actions, "default": "dead-letter" },
                    "topic": { "$ref": "#/$defs/topic", "description": "`<pipeline>.dlq` unless given." },
                },
            },
        ],
    })
}

fn retry() -> Json {
    let default = RetryPolicy::default();
    let (initial, max) = (default.backoff_initial.as_millis() as u64, default.backoff_max.as_millis() as u64);
    json!({
        "description": "Governs failures that the transform calls transient.",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "attempts_max": integer(0, policies::RETRY_ATTEMPTS_MAX.into(), default.attempts_max.into()),
            "backoff_initial_ms": integer(1, policies::BACKOFF_MS_MAX, initial),
            "backoff_max_ms": integer(1, policies::BACKOFF_MS_MAX, max),
        },
    })
}

fn limits() -> Json {
    let default = Limits::default();
    json!({
        "description": "What one instance of the transform may use.",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "memory_bytes_max": bytes(default.memory_bytes_max),
            "invocation_ms_max": integer(1, policies::INVOCATION_MS_MAX, default.invocation_ms_max),
            "output_bytes_per_batch_max": bytes(default.output_bytes_per_batch_max),
            "state_bytes_per_batch_max": bytes(default.state_bytes_per_batch_max),
            "log_lines_per_second_max":
                integer(0, policies::LOG_LINES_MAX.into(), default.log_lines_per_second_max.into()),
        },
    })
}

fn kafka() -> Json {
    json!({
        "description": "Client properties from the list of those that a pipeline may set.",
        "type": "object",
        "additionalProperties": { "type": ["string", "number", "boolean"] },
    })
}

fn integer(minimum: u64, maximum: u64, default: u64) -> Json {
    json!({ "type": "integer", "minimum": minimum, "maximum": maximum, "default": default })
}

fn bytes(default: u64) -> Json {
    json!({ "$ref": "#/$defs/bytes", "default": crate::config::units::format_bytes(default) })
}
