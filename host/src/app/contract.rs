//! A transform's manifest held against a pipeline's bindings. No IO.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::app::contract_state;
use crate::app::contract_state::Changelog;
use crate::app::contract_state::PortEventTime;
use crate::app::contract_state::not_a_changelog;
use crate::app::contract_state::not_its_own_changelog;
use crate::codec::formats;
use crate::codec::formats::Direction;
use crate::model::failure::Code;
use crate::model::failure::Refusal;
use crate::model::ids::PipelineId;
use crate::model::manifest::InputPort;
use crate::model::manifest::Manifest;
use crate::model::manifest::OutputPort;
use crate::model::manifest::StateStore;
use crate::model::pipeline_spec::InputBinding;
use crate::model::pipeline_spec::OutputBinding;
use crate::model::pipeline_spec::PartitionBy;
use crate::model::pipeline_spec::PipelineSpec;
use crate::pipeline::ports::TopicIndex;

/// Every port with its binding.
#[derive(Debug, Clone)]
pub struct Contract {
    /// The transform's own name.
    pub transform: String,
    /// By port index.
    pub inputs: Vec<BoundInput>,
    /// By port index.
    pub outputs: Vec<(OutputPort, OutputBinding, TopicIndex)>,
    /// Topics of outputs, dead letters and late records, and the changelogs, as the sink numbers them.
    pub topics: Vec<(Arc<str>, PartitionBy)>,
    /// The dead-letter topic, unless the policy has none.
    pub letters: Option<TopicIndex>,
    /// By store index.
    pub stores: Vec<StateStore>,
    /// By changelog index. Empty for a pipeline that keeps nothing.
    pub changelogs: Vec<Changelog>,
    /// What the transform is given.
    pub config: Vec<(String, String)>,
}

/// An input port with its binding.
#[derive(Debug, Clone)]
pub struct BoundInput {
    pub port: InputPort,
    pub binding: InputBinding,
    pub event_time: Option<PortEventTime>,
}

impl Contract {
    /// Binds every port that can be bound. `config` is the pipeline's, with its secrets in place. Why
    /// the pair does not fit is added to the refusals: only without any is this whole.
    pub fn bind(
        id: &PipelineId,
        spec: &PipelineSpec,
        config: &IndexMap<String, String>,
        manifest: &Manifest,
        refusals: &mut Vec<Refusal>,
    ) -> Self {
        unknown_ports("inputs", spec.inputs.keys(), manifest.inputs.iter().map(|p| &*p.name), refusals);
        unknown_ports("outputs", spec.outputs.keys(), manifest.outputs.iter().map(|p| &*p.name), refusals);
        contract_state::check(spec, manifest, refusals);
        let mut topics = Topics::default();
        let inputs = bind_inputs(id, spec, manifest, &mut topics, refusals);
        let outputs = bind_outputs(spec, manifest, &mut topics, refusals);
        let letters = spec.letter_topic().map(|topic| {
            not_a_changelog("on_bad_record.topic", &topic, refusals);
            topics.add(topic, PartitionBy::Key)
        });
        let changelogs = contract_state::changelogs(id, manifest, &mut topics);
        let config = bind_config(config, manifest, refusals);
        Self {
            transform: manifest.name.clone(),
            inputs,
            outputs,
            topics: topics.list,
            letters,
            stores: manifest.state.clone(),
            changelogs,
            config,
        }
    }

    /// The input topics.
    #[must_use]
    pub fn input_topics(&self) -> Vec<Arc<str>> {
        self.inputs.iter().map(|input| input.binding.topic.clone()).collect()
    }
}

/// The sink's topics, each once for each way to choose partitions.
#[derive(Default)]
pub(in crate::app) struct Topics {
    list: Vec<(Arc<str>, PartitionBy)>,
}

impl Topics {
    pub(in crate::app) fn add(&mut self, topic: Arc<str>, by: PartitionBy) -> TopicIndex {
        let known = self.list.iter().position(|known| *known == (topic.clone(), by));
        let index = known.unwrap_or_else(|| {
            self.list.push((topic, by));
            self.list.len() - 1
        });
        TopicIndex(index as u32)
    }
}

fn bind_inputs(
    id: &PipelineId,
    spec: &PipelineSpec,
    manifest: &Manifest,
    topics: &mut Topics,
    refusals: &mut Vec<Refusal>,
) -> Vec<BoundInput> {
    let mut bound: Vec<BoundInput> = Vec::new();
    for port in &manifest.inputs {
        let field = format!("inputs.{}", port.name);
        let Some(binding) = spec.inputs.get(&port.name) else {
            refusals.push(unbound(&field, &port.name, "input"));
            continue;
        };
        let parts = [("key", &port.key, &binding.key), ("value", &port.value, &binding.value)];
        for (name, part, binding) in parts {
            if let Some(part) = part {
                let check =
                    formats::check(part, binding.format, Direction::Input, &format!("{field}.{name}"));
                refusals.extend(check.err());
            }
        }
        not_its_own_changelog(id, &format!("{field}.topic"), &binding.topic, refusals);
        let event_time = contract_state::event_time(spec, manifest, (port, binding), topics, refusals);
        bound.push(BoundInput { port: port.clone(), binding: binding.clone(), event_time });
    }
    bound
}

fn bind_outputs(
    spec: &PipelineSpec,
    manifest: &Manifest,
    topics: &mut Topics,
    refusals: &mut Vec<Refusal>,
) -> Vec<(OutputPort, OutputBinding, TopicIndex)> {
    let mut bound: Vec<(OutputPort, OutputBinding, TopicIndex)> = Vec::new();
    for port in &manifest.outputs {
        let field = format!("outputs.{}", port.name);
        let Some(binding) = spec.outputs.get(&port.name) else {
            refusals.push(unbound(&field, &port.name, "output"));
            continue;
        };
        not_a_changelog(&format!("{field}.topic"), &binding.topic, refusals);
        if let Some(key) = &port.key {
            let check = formats::check(key, binding.key.format, Direction::Output, &format!("{field}.key"));
            refusals.extend(check.err());
        }
        let check =
            formats::check(&port.value, binding.value.format, Direction::Output, &format!("{field}.value"));
        refusals.extend(check.err());
        let topic = topics.add(binding.topic.clone(), binding.partition_by);
        bound.push((port.clone(), binding.clone(), topic));
    }
    bound
}

fn bind_config(
    given: &IndexMap<String, String>,
    manifest: &Manifest,
    refusals: &mut Vec<Refusal>,
) -> Vec<(String, String)> {
    let known: BTreeMap<&str, _> = manifest.config.iter().map(|key| (&*key.key, key)).collect();
    for key in given.keys().filter(|key| !known.contains_key(key.as_str())) {
        refusals.push(Refusal {
            code: Code("config-unknown"),
            field: format!("config.{key}"),
            message: "the transform has no such configuration key".to_owned(),
            found: format!("`{key}`"),
            expected: one_of(known.keys().copied()),
            remedy: nearest(key, known.keys().copied()),
        });
    }
    let mut config = Vec::new();
    for key in &manifest.config {
        match given.get(&key.key).or(key.default.as_ref()) {
            Some(value) => config.push((key.key.clone(), value.clone())),
            None if key.required => refusals.push(Refusal {
                code: Code("config-missing"),
                field: format!("config.{}", key.key),
                message: "the transform needs this configuration key".to_owned(),
                found: "nothing".to_owned(),
                expected: if key.description.is_empty() {
                    "a text".to_owned()
                } else {
                    key.description.clone()
                },
                remedy: format!("Add `{}: \"...\"` under `config`.", key.key),
            }),
            None => {}
        }
    }
    config
}

fn unknown_ports<'a>(
    side: &str,
    bound: impl Iterator<Item = &'a String>,
    ports: impl Iterator<Item = &'a str> + Clone,
    refusals: &mut Vec<Refusal>,
) {
    for name in bound.filter(|name| !ports.clone().any(|port| port == name.as_str())) {
        refusals.push(Refusal {
            code: Code("port-unknown"),
            field: format!("{side}.{name}"),
            message: "the transform has no such port".to_owned(),
            found: format!("`{name}`"),
            expected: one_of(ports.clone()),
            remedy: nearest(name, ports.clone()),
        });
    }
}

fn unbound(field: &str, name: &str, side: &str) -> Refusal {
    Refusal {
        code: Code("port-unbound"),
        field: field.to_owned(),
        message: format!("the transform's {side} port `{name}` has no topic"),
        found: "nothing".to_owned(),
        expected: "a binding with a topic".to_owned(),
        remedy: format!("Add `{name}: {{ topic: ... }}` under `{side}s`."),
    }
}

/// Two writers of one topic that would put one key into different partitions.
pub(in crate::app) fn topic_differs(field: &str, by: PartitionBy, other: &str) -> Refusal {
    Refusal {
        code: Code("partition-by-differs"),
        field: field.to_owned(),
        message: "two ports write the same topic and choose partitions differently".to_owned(),
        found: format!("{by:?}, and another on the port {other}"),
        expected: "the same `partition_by` on both".to_owned(),
        remedy: "Give both the same `partition_by`, or different topics.".to_owned(),
    }
}

pub(in crate::app) fn loops(field: &str, topic: &str) -> Refusal {
    Refusal {
        code: Code("topic-loop"),
        field: field.to_owned(),
        message: "the pipeline would read what it writes".to_owned(),
        found: format!("`{topic}`, which is an input topic too"),
        expected: "a topic that the pipeline does not read".to_owned(),
        remedy: "Write to another topic.".to_owned(),
    }
}

fn one_of<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    if names.is_empty() { "none".to_owned() } else { format!("one of {}", names.join(", ")) }
}

fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    // The search takes time by the product of both lengths.
    let known = known.filter(|known| name.len() + known.len() <= 128);
    let near = known.map(|k| (strsim::jaro_winkler(name, k), k)).filter(|(likeness, _)| *likeness > 0.75);
    match near.max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((_, known)) => format!("Did you mean `{known}`?"),
        None => "Remove it, or use a version of the transform that has it.".to_owned(),
    }
}
