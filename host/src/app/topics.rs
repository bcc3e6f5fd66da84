//! What the topics of a pipeline must be to each other. Needs neither the transform nor a broker.

use crate::config::bindings::PARTITION_BY;
use crate::model::failure::Code;
use crate::model::failure::Refusal;
use crate::model::pipeline_spec::PartitionBy;
use crate::model::pipeline_spec::PipelineSpec;

/// Every pair of bindings that cannot be in one pipeline.
#[must_use]
pub fn check(spec: &PipelineSpec) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for (index, (port, input)) in spec.inputs.iter().enumerate() {
        let mut before = spec.inputs.iter().take(index);
        if let Some((other, _)) = before.find(|(_, other)| other.topic == input.topic) {
            refusals.push(Refusal {
                code: Code("topic-bound-twice"),
                field: format!("inputs.{port}.topic"),
                message: "two input ports read the same topic".to_owned(),
                found: format!("`{}` on the ports {other} and {port}", input.topic),
                expected: "another topic for each input port".to_owned(),
                remedy: "Bind the ports to different topics, or use two pipelines.".to_owned(),
            });
        }
    }
    for (index, (port, output)) in spec.outputs.iter().enumerate() {
        if spec.inputs.values().any(|input| input.topic == output.topic) {
            refusals.push(Refusal {
                code: Code("topic-loop"),
                field: format!("outputs.{port}.topic"),
                message: "the pipeline would read what it writes".to_owned(),
                found: format!("`{}`, which is an input topic too", output.topic),
                expected: "a topic that the pipeline does not read".to_owned(),
                remedy: "Write to another topic.".to_owned(),
            });
        }
        let mut before = spec.outputs.iter().take(index);
        if let Some((other, _)) =
            before.find(|(_, other)| other.topic == output.topic && other.partition_by != output.partition_by)
        {
            refusals.push(Refusal {
                code: Code("partition-by-differs"),
                field: format!("outputs.{port}.partition_by"),
                message: "two output ports write the same topic and choose partitions differently".to_owned(),
                found: format!("`{}`, and another on the port {other}", word(output.partition_by)),
                expected: "the same `partition_by` on both".to_owned(),
                remedy: "Give both ports the same `partition_by`, or different topics.".to_owned(),
            });
        }
    }
    refusals
}

fn word(by: PartitionBy) -> &'static str {
    PARTITION_BY.iter().find(|(_, known)| *known == by).map_or("", |(word, _)| word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::pipeline_file::FileFormat;
    use crate::config::pipeline_file::parse;

    #[test]
    fn every_pair_that_does_not_go_together_is_told() {
        let text = "
version: 1
name: p
transform: { name: t }
inputs:
  a: { topic: t1, value: raw }
  b: { topic: t1, value: raw }
outputs:
  c: { topic: t1, value: raw }
  d: { topic: t2, value: raw, partition_by: key }
  e: { topic: t2, value: raw, partition_by: round-robin }
  f: { topic: t2, value: raw, partition_by: key }
";
        let spec = parse(text, FileFormat::Yaml, None).expect("well-formed");
        let found: Vec<_> = check(&spec).into_iter().map(|refusal| (refusal.code.0, refusal.field)).collect();
        let of = |code, field: &str| (code, field.to_owned());
        assert_eq!(
            found,
            [
                of("topic-bound-twice", "inputs.b.topic"),
                of("topic-loop", "outputs.c.topic"),
                of("partition-by-differs", "outputs.e.partition_by"),
                of("partition-by-differs", "outputs.f.partition_by"),
            ]
        );
    }
}
