//! A transform's manifest held against a pipeline's bindings. No IO.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::codec::formats;
use crate::codec::formats::Direction;
use crate::model::failure::Code;
use crate::model::failure::Refusal;
use crate::model::manifest::InputPort;
use crate::model::manifest::Manifest;
use crate::model::manifest::OutputPort;
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
    pub inputs: Vec<(InputPort, InputBinding)>,
    /// By port index.
    pub outputs: Vec<(OutputPort, OutputBinding, TopicIndex)>,
    /// Output topics and the dead-letter topic, as the sink numbers them.
    pub topics: Vec<(Arc<str>, PartitionBy)>,
    /// The dead-letter topic, unless the policy has none.
    pub letters: Option<TopicIndex>,
    /// What the transform is given.
    pub config: Vec<(String, String)>,
}

impl Contract {
    /// Binds every port that can be bound. `config` is the pipeline's, with its secrets in place. Why
    /// the pair does not fit is added to the refusals: only without any is this whole.
    pub fn bind(
        spec: &PipelineSpec,
        config: &IndexMap<String, String>,
        manifest: &Manifest,
        refusals: &mut Vec<Refusal>,
    ) -> Self {
        unknown_ports("inputs", spec.inputs.keys(), manifest.inputs.iter().map(|p| &*p.name), refusals);
        unknown_ports("outputs", spec.outputs.keys(), manifest.outputs.iter().map(|p| &*p.name), refusals);
        let inputs = bind_inputs(spec, manifest, refusals);
        let mut topics = Topics::default();
        let outputs = bind_outputs(spec, manifest, &mut topics, refusals);
        let letters = spec.letter_topic().map(|topic| topics.add(topic, PartitionBy::Key));
        let config = bind_config(config, manifest, refusals);
        Self { transform: manifest.name.clone(), inputs, outputs, topics: topics.list, letters, config }
    }

    /// The input topics.
    #[must_use]
    pub fn input_topics(&self) -> Vec<Arc<str>> {
        self.inputs.iter().map(|(_, binding)| binding.topic.clone()).collect()
    }
}

#[derive(Default)]
struct Topics {
    list: Vec<(Arc<str>, PartitionBy)>,
}

impl Topics {
    fn add(&mut self, topic: Arc<str>, by: PartitionBy) -> TopicIndex {
        let known = self.list.iter().position(|known| *known == (topic.clone(), by));
        let index = known.unwrap_or_else(|| {
            self.list.push((topic, by));
            self.list.len() - 1
        });
        TopicIndex(index as u32)
    }
}

fn bind_inputs(
    spec: &PipelineSpec,
    manifest: &Manifest,
    refusals: &mut Vec<Refusal>,
) -> Vec<(InputPort, InputBinding)> {
    let mut bound: Vec<(InputPort, InputBinding)> = Vec::new();
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
        bound.push((port.clone(), binding.clone()));
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

fn one_of<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    if names.is_empty() { "none".to_owned() } else { format!("one of {}", names.join(", ")) }
}

fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let near = known.map(|k| (strsim::jaro_winkler(name, k), k)).filter(|(likeness, _)| *likeness > 0.75);
    match near.max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((_, known)) => format!("Did you mean `{known}`?"),
        None => "Remove it, or use a version of the transform that has it.".to_owned(),
    }
}
