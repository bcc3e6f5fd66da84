//! Under which subject a schema stands in the registry.

use crate::model::avro_type::AvroType;
use crate::model::pipeline_spec::PartBinding;
use crate::model::pipeline_spec::SubjectStrategy;

/// Key or value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Key,
    Value,
}

impl Part {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Value => "value",
        }
    }
}

/// The subject of a binding: the one it names, else by the strategy. A schema that is no record
/// has no name, so that it always goes by the topic's.
#[must_use]
pub fn subject(
    binding: &PartBinding,
    topic: &str,
    part: Part,
    strategy: SubjectStrategy,
    schema: &AvroType,
) -> String {
    if let Some(subject) = &binding.subject {
        return subject.clone();
    }
    let by_topic = || format!("{topic}-{}", part.as_str());
    let AvroType::Record(record) = schema else { return by_topic() };
    match strategy {
        SubjectStrategy::TopicName => by_topic(),
        SubjectStrategy::RecordName => record.name.full.to_string(),
        SubjectStrategy::TopicRecordName => format!("{topic}-{}", record.name.full),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::pipeline_spec::Format;

    #[test]
    fn subjects_follow_the_strategy_unless_named() {
        let binding =
            |subject: Option<&str>| PartBinding { format: Format::Avro, subject: subject.map(str::to_owned) };
        let text = r#"{"type":"record","name":"P","namespace":"n","fields":[]}"#;
        let record = AvroType::parse(text, &[]).expect("a schema");
        let of = |binding: &PartBinding, strategy, schema: &AvroType| {
            subject(binding, "t", Part::Value, strategy, schema)
        };
        assert_eq!(of(&binding(Some("s")), SubjectStrategy::RecordName, &record), "s");
        assert_eq!(of(&binding(None), SubjectStrategy::TopicName, &record), "t-value");
        assert_eq!(of(&binding(None), SubjectStrategy::RecordName, &record), "n.P");
        assert_eq!(of(&binding(None), SubjectStrategy::TopicRecordName, &record), "t-n.P");
        assert_eq!(of(&binding(None), SubjectStrategy::RecordName, &AvroType::String), "t-value");
    }
}
