//! A record set aside: the original untouched, and headers that say what happened.

use crate::model::failure::BadRecord;
use crate::model::ids::PipelineId;
use crate::model::position::Partition;
use crate::model::record_batch::RawRecords;
use crate::model::state::TimeDomain;
use crate::model::state::Timer;
use crate::pipeline::ports::Letter;
use crate::pipeline::ports::LetterFormat;

/// Longest message and backtrace that a letter carries, in bytes.
const MESSAGE_BYTES_MAX: usize = 4 << 10;
const TRACE_BYTES_MAX: usize = 16 << 10;
/// What a letter keeps of its message however small its topic's records must be.
const MESSAGE_BYTES_MIN: usize = 256;
/// What framing may add to a record, and each header to itself.
const RECORD_OVERHEAD: usize = 128;
const HEADER_OVERHEAD: usize = 10;

/// Says of a null value that the original was left out because the letter was too large; holds its
/// length in bytes.
pub const VALUE_OMITTED: &str = "wasmill.value.omitted";
/// Likewise of the original's headers; holds their number.
pub const HEADERS_OMITTED: &str = "wasmill.headers.omitted";
/// Likewise of the key; holds its length in bytes.
pub const KEY_OMITTED: &str = "wasmill.key.omitted";

const MESSAGE: &str = "__connect.errors.exception.message";
const TRACE: &str = "__connect.errors.exception.stacktrace";

/// Of a timer: what it goes by, `event` or `processing`.
pub const TIMER_DOMAIN: &str = "wasmill.timer.domain";
/// The time that it was registered for, milliseconds.
pub const TIMER_TIME: &str = "wasmill.timer.time";
/// Its tag, byte for byte.
pub const TIMER_TAG: &str = "wasmill.timer.tag";

/// Name and value of a header; a value may be null.
pub type OwnedHeader = (String, Option<Vec<u8>>);

/// Name and value; a value may be null.
type Header = (String, Option<Vec<u8>>);

/// Whose letters they are.
#[derive(Debug, Clone)]
pub struct Sender {
    pub pipeline: PipelineId,
    /// Name of the transform, or its file or digest.
    pub transform: String,
    /// Version of the transform; a digest where it has no number.
    pub version: String,
}

/// The letter for one record. What it leaves out when it would be larger than `bytes_max`, in this
/// order: the value, the original's headers, the key, the backtrace, the end of the message. What is
/// still too large then is for the broker to refuse.
fn dead_letter(
    records: &dyn RawRecords,
    index: usize,
    cause: &BadRecord,
    sender: &Sender,
    bytes_max: usize,
) -> Letter {
    let origin = records.topic_partition();
    let mut original: Vec<Header> = Vec::new();
    records.headers(index, &mut |name, value| {
        original.push((name.to_owned(), value.map(<[u8]>::to_vec)));
    });
    let mut cause_headers = vec![
        text("__connect.errors.topic", origin.topic.to_string()),
        text("__connect.errors.partition", origin.partition.to_string()),
        text("__connect.errors.offset", records.offset(index).to_string()),
    ];
    cause_headers.append(&mut sender.cause(origin.partition, cause));
    let mut key = records.key(index).map(<[u8]>::to_vec);
    let mut value = records.value(index).map(<[u8]>::to_vec);
    let len = |part: &Option<Vec<u8>>| part.as_ref().map_or(0, Vec::len);
    let total = |key: &Option<Vec<u8>>, value: &Option<Vec<u8>>, lists: [&[Header]; 2]| {
        let headers: usize = lists
            .iter()
            .copied()
            .flatten()
            .map(|(name, value)| name.len() + len(value) + HEADER_OVERHEAD)
            .sum();
        len(key) + len(value) + headers + RECORD_OVERHEAD
    };
    if total(&key, &value, [&original, &cause_headers]) > bytes_max
        && let Some(left_out) = value.take()
    {
        cause_headers.push(text(VALUE_OMITTED, left_out.len().to_string()));
    }
    if total(&key, &value, [&original, &cause_headers]) > bytes_max && !original.is_empty() {
        cause_headers.push(text(HEADERS_OMITTED, original.len().to_string()));
        original.clear();
    }
    if total(&key, &value, [&original, &cause_headers]) > bytes_max
        && let Some(left_out) = key.take()
    {
        cause_headers.push(text(KEY_OMITTED, left_out.len().to_string()));
    }
    for (name, bytes_min) in [(TRACE, 0), (MESSAGE, MESSAGE_BYTES_MIN)] {
        let excess = total(&key, &value, [&original, &cause_headers]).saturating_sub(bytes_max);
        if excess > 0 {
            shorten(&mut cause_headers, name, excess, bytes_min);
        }
    }
    original.append(&mut cause_headers);
    Letter { key, value, timestamp: records.timestamp(index), headers: original }
}

impl Sender {
    /// Who sends the letter, and why.
    fn cause(&self, partition: Partition, cause: &BadRecord) -> Vec<Header> {
        vec![
            text("__connect.errors.connector.name", self.pipeline.pipeline.to_string()),
            text("__connect.errors.task.id", partition.to_string()),
            text("__connect.errors.stage", cause.stage.as_str().to_owned()),
            text("__connect.errors.class.name", self.transform.clone()),
            text("__connect.errors.exception.class.name", cause.code.to_string()),
            text(MESSAGE, cut(&cause.message, MESSAGE_BYTES_MAX)),
            text(TRACE, cut(&cause.trace, TRACE_BYTES_MAX)),
            text("wasmill.tenant", self.pipeline.tenant.to_string()),
            text("wasmill.pipeline", self.pipeline.pipeline.to_string()),
            text("wasmill.version", self.version.clone()),
            text("wasmill.code", cause.code.to_string()),
        ]
    }
}

impl LetterFormat for Sender {
    fn letter(&self, records: &dyn RawRecords, index: usize, cause: &BadRecord, bytes_max: usize) -> Letter {
        dead_letter(records, index, cause, self, bytes_max)
    }

    /// It has no time of its own: a timer's may be one that a broker does not take.
    fn timer_letter(&self, timer: &Timer<'_>, cause: &BadRecord) -> Letter {
        let domain = match timer.domain {
            TimeDomain::Event => "event",
            TimeDomain::Processing => "processing",
        };
        let mut headers = self.cause(timer.partition, cause);
        headers.push(text(TIMER_DOMAIN, domain.to_owned()));
        headers.push(text(TIMER_TIME, timer.time.to_string()));
        headers.push((TIMER_TAG.to_owned(), Some(timer.tag.to_vec())));
        Letter { key: Some(timer.key.to_vec()), value: None, timestamp: None, headers }
    }
}

fn text(name: &str, value: String) -> Header {
    (name.to_owned(), Some(value.into_bytes()))
}

/// Cuts `excess` bytes off the end of a header's text, but leaves `bytes_min` of it.
fn shorten(headers: &mut [Header], name: &str, excess: usize, bytes_min: usize) {
    let found = headers.iter_mut().find(|(header, _)| header == name);
    if let Some((_, Some(text))) = found {
        let keep = text.len().saturating_sub(excess).max(bytes_min);
        *text = cut(&String::from_utf8_lossy(text), keep).into_bytes();
    }
}

/// At most `bytes_max` bytes of a text, cut between characters.
fn cut(text: &str, bytes_max: usize) -> String {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::failure::Code;
    use crate::model::failure::Stage;
    use crate::model::ids::PipelineName;
    use crate::model::ids::TenantName;
    use crate::model::position::Offset;
    use crate::model::position::TopicPartition;

    struct One {
        topic_partition: TopicPartition,
        value: Vec<u8>,
        headers: Vec<(&'static str, Option<Vec<u8>>)>,
    }

    impl RawRecords for One {
        fn topic_partition(&self) -> &TopicPartition {
            &self.topic_partition
        }
        fn len(&self) -> usize {
            1
        }
        fn offset(&self, _: usize) -> Offset {
            Offset(41)
        }
        fn key(&self, _: usize) -> Option<&[u8]> {
            Some(b"21")
        }
        fn value(&self, _: usize) -> Option<&[u8]> {
            Some(&self.value)
        }
        fn timestamp(&self, _: usize) -> Option<i64> {
            Some(1234)
        }
        fn headers(&self, _: usize, visit: &mut dyn FnMut(&str, Option<&[u8]>)) {
            for (name, value) in &self.headers {
                visit(name, value.as_deref());
            }
        }
        fn has_headers(&self, _: usize) -> bool {
            !self.headers.is_empty()
        }
    }

    fn sender() -> Sender {
        Sender {
            pipeline: PipelineId {
                tenant: TenantName::default_tenant(),
                pipeline: PipelineName::new("p").expect("name"),
            },
            transform: "t".to_owned(),
            version: "3".to_owned(),
        }
    }

    fn letter(value: usize, header: usize, bytes_max: usize) -> Letter {
        traced(value, header, "", bytes_max)
    }

    fn traced(value: usize, header: usize, trace: &str, bytes_max: usize) -> Letter {
        let records = One {
            topic_partition: TopicPartition { topic: "in".into(), partition: Partition(2) },
            value: vec![7; value],
            headers: vec![("h", Some(vec![1; header])), ("h", None)],
        };
        let cause = BadRecord {
            code: Code("avro-truncated"),
            stage: Stage::ValueDecode,
            message: "ä".repeat(5000),
            trace: trace.to_owned(),
        };
        dead_letter(&records, 0, &cause, &sender(), bytes_max)
    }

    fn header<'a>(letter: &'a Letter, name: &str) -> Option<&'a str> {
        let (_, value) = letter.headers.iter().find(|(found, _)| found == name)?;
        std::str::from_utf8(value.as_deref()?).ok()
    }

    #[test]
    fn a_letter_keeps_the_original_and_says_what_happened() {
        let letter = letter(10, 3, 1 << 20);
        assert_eq!(letter.key.as_deref(), Some(&b"21"[..]));
        assert_eq!(letter.value, Some(vec![7; 10]));
        assert_eq!(letter.timestamp, Some(1234));
        assert_eq!(letter.headers[0], ("h".to_owned(), Some(vec![1; 3])));
        assert_eq!(letter.headers[1], ("h".to_owned(), None));
        let expected = [
            ("__connect.errors.topic", "in"),
            ("__connect.errors.partition", "2"),
            ("__connect.errors.offset", "41"),
            ("__connect.errors.connector.name", "p"),
            ("__connect.errors.task.id", "2"),
            ("__connect.errors.stage", "VALUE_DECODE"),
            ("__connect.errors.class.name", "t"),
            ("__connect.errors.exception.class.name", "avro-truncated"),
            ("__connect.errors.exception.stacktrace", ""),
            ("wasmill.tenant", "default"),
            ("wasmill.pipeline", "p"),
            ("wasmill.version", "3"),
            ("wasmill.code", "avro-truncated"),
        ];
        for (name, value) in expected {
            assert_eq!(header(&letter, name), Some(value), "{name}");
        }
        assert_eq!(
            header(&letter, "__connect.errors.exception.message").map(str::len),
            Some(MESSAGE_BYTES_MAX)
        );
    }

    #[test]
    fn a_letter_too_large_leaves_out_value_then_headers_then_key() {
        let without_value = letter(1 << 20, 3, 8 << 10);
        assert_eq!(without_value.value, None);
        assert_eq!(header(&without_value, VALUE_OMITTED), Some("1048576"));
        assert!(without_value.key.is_some() && header(&without_value, HEADERS_OMITTED).is_none());
        let without_headers = letter(10, 1 << 20, 8 << 10);
        assert_eq!(header(&without_headers, HEADERS_OMITTED), Some("2"));
        assert!(without_headers.key.is_some());
        let without_key = letter(10, 3, 16);
        assert_eq!(without_key.key, None);
        assert_eq!(header(&without_key, KEY_OMITTED), Some("2"));
    }

    #[test]
    fn a_letter_that_is_still_too_large_loses_its_backtrace_and_then_the_end_of_its_message() {
        let trace = "frame\n".repeat(2000);
        let length = |letter: &Letter, name: &str| header(letter, name).map(str::len);
        let shorter_trace = traced(10, 3, &trace, 8 << 10);
        let kept = length(&shorter_trace, TRACE).expect("a header");
        assert!((1..trace.len()).contains(&kept), "{kept}");
        assert_eq!(length(&shorter_trace, MESSAGE), Some(MESSAGE_BYTES_MAX));
        let shorter_message = traced(10, 3, &trace, 2000);
        assert_eq!(length(&shorter_message, TRACE), Some(0));
        let kept = length(&shorter_message, MESSAGE).expect("a header");
        assert!((MESSAGE_BYTES_MIN..MESSAGE_BYTES_MAX).contains(&kept), "{kept}");
        let shortest = traced(10, 3, &trace, 16);
        assert_eq!(length(&shortest, MESSAGE), Some(MESSAGE_BYTES_MIN));
        assert_eq!(header(&shortest, "wasmill.code"), Some("avro-truncated"));
    }

    #[test]
    fn a_timers_letter_has_its_key_and_says_when_it_was_due() {
        let timer = Timer {
            partition: Partition(2),
            domain: TimeDomain::Event,
            key: b"acct-7",
            tag: &[0, 255],
            time: -5,
        };
        let cause = BadRecord {
            code: Code("guest-trap"),
            stage: Stage::Timer,
            message: "m".to_owned(),
            trace: String::new(),
        };
        let letter = sender().timer_letter(&timer, &cause);
        assert_eq!((letter.key.as_deref(), letter.value.as_deref()), (Some(&b"acct-7"[..]), None));
        assert_eq!(letter.timestamp, None);
        for (name, value) in [
            ("__connect.errors.stage", "TIMER"),
            ("__connect.errors.task.id", "2"),
            ("wasmill.code", "guest-trap"),
            (TIMER_DOMAIN, "event"),
            (TIMER_TIME, "-5"),
        ] {
            assert_eq!(header(&letter, name), Some(value), "{name}");
        }
        assert!(letter.headers.contains(&(TIMER_TAG.to_owned(), Some(vec![0, 255]))), "the tag's bytes");
        assert_eq!(header(&letter, "__connect.errors.offset"), None, "it comes from no record");
    }
}
