//! Properties of pipeline files.

use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use proptest::prelude::*;

use super::*;
use crate::config::fuzz::pipeline_file;
use crate::model::pipeline_spec::EventTimeOverride;
use crate::model::pipeline_spec::Format;
use crate::model::pipeline_spec::InputBinding;
use crate::model::pipeline_spec::OnLate;
use crate::model::pipeline_spec::OutputBinding;
use crate::model::pipeline_spec::PartBinding;
use crate::model::pipeline_spec::TransformRef;

prop_compose! {
    fn any_part()(index in 0..bindings::FORMATS.len(), subject in proptest::option::of("[a-z-]{1,9}")) -> PartBinding {
        let format = bindings::FORMATS[index].1;
        PartBinding { format, subject: subject.filter(|_| format == Format::Avro) }
    }
}

fn any_start() -> impl Strategy<Value = Start> {
    prop_oneof![
        Just(Start::Earliest),
        Just(Start::Latest),
        (0..i64::MAX).prop_map(Start::Timestamp),
        proptest::collection::vec((0..100i32, 0..i64::MAX), 0..4)
            .prop_map(|list| Start::Offsets(IndexMap::from([("in".to_owned(), list.into_iter().collect())]))),
    ]
}

fn any_on_bad_record() -> impl Strategy<Value = OnBadRecord> {
    prop_oneof![
        proptest::option::of("[b-z.]{3,9}").prop_map(|topic| OnBadRecord::DeadLetter {
            topic: topic.map(|topic| Arc::from(format!("d{topic}")))
        }),
        Just(OnBadRecord::Stop),
        Just(OnBadRecord::Drop),
    ]
}

fn any_late() -> impl Strategy<Value = OnLate> {
    prop_oneof![
        Just(OnLate::Process),
        Just(OnLate::Drop),
        "[b-z.]{3,9}".prop_map(|topic| OnLate::Topic(Arc::from(topic))),
    ]
}

prop_compose! {
    fn any_event_time()(
        times in proptest::collection::vec(proptest::option::of(1..1_000_000u64), 3),
        late in proptest::option::of(any_late()),
    ) -> EventTimeOverride {
        EventTimeOverride { out_of_orderness_ms: times[0], idle_ms: times[1], granularity_ms: times[2], late }
    }
}

prop_compose! {
    fn any_spec()(
        parts in proptest::collection::vec(any_part(), 4),
        start in any_start(),
        event_time in any_event_time(),
        on_bad_record in any_on_bad_record(),
        choices in proptest::collection::vec(0..3usize, 4),
        numbers in (1..5000u64, 1..1000u64, 1024..1_000_000u64, 1..65_536u32, 1..50u64),
        config in proptest::collection::vec(("[a-z]{1,5}", ".{0,12}"), 0..3),
    ) -> PipelineSpec {
        let (interval, records_max, bytes, rows_max, backoff) = numbers;
        PipelineSpec {
            name: PipelineName::new("p").expect("name"),
            transform: TransformRef::File("a.wasm".into()),
            inputs: IndexMap::from([(
                "in".to_owned(),
                InputBinding {
                    topic: "in".into(),
                    key: parts[0].clone(),
                    value: parts[1].clone(),
                    read_as: bindings::READ_AS[choices[1] % 2].1,
                    event_time,
                },
            )]),
            outputs: IndexMap::from([(
                "out".to_owned(),
                OutputBinding {
                    topic: "out".into(),
                    key: parts[2].clone(),
                    value: parts[3].clone(),
                    partition_by: bindings::PARTITION_BY[choices[0]].1,
                },
            )]),
            delivery: policies::DELIVERY[choices[1] % 2].1,
            accept_duplicate_updates: choices[2] == 1,
            start,
            checkpoint: CheckpointPolicy { interval: Duration::from_millis(interval + 1000) },
            commit: CommitPolicy { interval: Duration::from_millis(interval), records_max, bytes_max: bytes },
            batch: BatchLimits { rows_max, bytes_max: bytes },
            on_bad_record,
            retry: RetryPolicy {
                attempts_max: rows_max % 100,
                backoff_initial: Duration::from_millis(backoff),
                backoff_max: Duration::from_millis(backoff * 2),
            },
            schemas: SchemaPolicy {
                register: policies::REGISTER[choices[2] % 2].1,
                subject_strategy: policies::SUBJECT_STRATEGY[choices[3]].1,
            },
            limits: Limits { memory_bytes_max: bytes + (1 << 20), ..Limits::default() },
            workers: 1 + rows_max % 8,
            config: config.into_iter().collect(),
            secrets: IndexMap::from([("SECRET".to_owned(), "name".to_owned())]),
            kafka: IndexMap::from([("linger.ms".to_owned(), "5".to_owned())]),
        }
    }
}

proptest! {
    #[test]
    fn a_document_reads_back_as_the_same_spec(spec in any_spec()) {
        let document = to_document(&spec);
        prop_assert_eq!(parse(&document.to_string(), FileFormat::Json, None), Ok(spec.clone()));
        let text = serde_saphyr::to_string(&document).expect("YAML");
        prop_assert_eq!(parse(&text, FileFormat::Yaml, None), Ok(spec));
    }

    #[test]
    fn any_text_gives_a_spec_or_refusals_and_never_a_panic(text in "\\PC{0,200}") {
        pipeline_file(text.as_bytes());
    }

    #[test]
    fn a_file_with_a_damaged_line_gives_a_spec_or_refusals_and_never_a_panic(
        at in 0..tests::FULL.len(),
        with in "\\PC{0,3}",
    ) {
        if tests::FULL.is_char_boundary(at) {
            pipeline_file(format!("{}{with}{}", &tests::FULL[..at], &tests::FULL[at + 1..]).as_bytes());
        }
    }
}
