//! The checks of a deploy that need the broker and the registry, and what a deploy makes there.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::app::changelogs::ChangelogTopics;
use crate::app::contract::BoundInput;
use crate::app::contract::Contract;
use crate::app::contract_state::PortLate;
use crate::app::registry::RegisterFailure;
use crate::app::registry::Registry;
use crate::app::subjects::Part;
use crate::app::subjects::subject;
use crate::codec::check::readable;
use crate::codec::writer_schemas::WriterText;
use crate::config::policies::REGISTER;
use crate::kafka::admin::Admin;
use crate::kafka::dev_broker::DevBroker;
use crate::kafka::error::ErrorCode;
use crate::kafka::error::KafkaError;
use crate::kafka::settings::ClientSettings;
use crate::model::avro_type::AvroType;
use crate::model::failure::Code;
use crate::model::failure::Outage;
use crate::model::failure::Refusal;
use crate::model::ids::PipelineId;
use crate::model::ids::RegistryId;
use crate::model::manifest::PartType;
use crate::model::pipeline_spec::Format;
use crate::model::pipeline_spec::PartBinding;
use crate::model::pipeline_spec::PipelineSpec;
use crate::model::pipeline_spec::Register;

/// How long one question to the broker may take.
const BROKER_WAIT: Duration = Duration::from_secs(10);

/// Whether a deploy may change anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Every check, no change.
    DryRun,
    /// Registers output schemas and creates the dead-letter topic.
    Apply,
}

/// The registry's ids of one output port's parts. None where the format carries none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutputIds {
    pub key: Option<RegistryId>,
    pub value: Option<RegistryId>,
}

/// What the checks found.
#[derive(Debug, Default)]
pub struct Deployed {
    pub refusals: Vec<Refusal>,
    pub notices: Vec<String>,
    /// What is away, so that not everything was checked or made.
    pub outages: Vec<Outage>,
    /// By output port. Complete only after [`Mode::Apply`] without refusals and outages.
    pub ids: Vec<OutputIds>,
}

impl Deployed {
    /// What a step at the brokers came to; an outage is kept, with their addresses.
    fn unless_brokers_are_away<T>(
        &mut self,
        brokers: Option<&ClientSettings>,
        outcome: Result<T, Outage>,
    ) -> Option<T> {
        let brokers = brokers.map_or("", |kafka| kafka.brokers());
        self.unless_away(
            outcome.map_err(|Outage { code, message }| Outage {
                code,
                message: format!("{message} ({brokers})"),
            }),
        )
    }

    /// What a step came to; an outage is kept.
    fn unless_away<T>(&mut self, outcome: Result<T, Outage>) -> Option<T> {
        outcome.map_err(|outage| self.outages.push(outage)).ok()
    }

    fn is_fine(&self) -> bool {
        self.refusals.is_empty() && self.outages.is_empty()
    }
}

/// Where a deploy looks.
pub struct Surroundings<'a> {
    /// None where no brokers are set: topics are not checked.
    pub kafka: Option<&'a ClientSettings>,
    pub registry: Option<&'a Registry>,
    /// The in-process broker, which makes topics through its handle only.
    pub dev_broker: Option<&'a DevBroker>,
    /// Where this host has state on its disk; none where nothing runs.
    pub state_folder: Option<&'a Path>,
}

impl Surroundings<'_> {
    /// Checks topics and schemas, as far as what is away allows, and under [`Mode::Apply`] makes what
    /// the pipeline needs. Without a contract, schemas and changelogs are not checked.
    pub fn deploy(
        &self,
        id: &PipelineId,
        spec: &PipelineSpec,
        contract: Option<&Contract>,
        mode: Mode,
    ) -> Deployed {
        let mut found = Deployed::default();
        let admin = self.kafka.map(|kafka| Admin::start(kafka, BROKER_WAIT).map_err(|error| error.outage()));
        let admin = admin.and_then(|admin| found.unless_brokers_are_away(self.kafka, admin));
        let topics = admin.as_ref().and_then(|admin| {
            let checked = topics(admin, spec, contract, &mut found);
            found.unless_brokers_are_away(self.kafka, checked)
        });
        let TopicsFound { partitions, letters } = topics.unwrap_or_default();
        if let Some(contract) = contract {
            let checked = self.input_schemas(spec, contract, &mut found).and_then(|()| {
                // If only one thing is to be made, making it is the check.
                let one =
                    letters.is_none() && contract.changelogs.is_empty() && outgoing(contract).count() <= 1;
                if mode == Mode::Apply && one && found.is_fine() {
                    return Ok(());
                }
                self.output_schemas(spec, contract, Mode::DryRun, &mut found).map(drop)
            });
            found.unless_away(checked);
        }
        // Nothing is made for a pipeline that is refused, or of which not everything is known.
        if let (Some(admin), Some(kafka), Some(contract), Some(partitions)) =
            (&admin, self.kafka, contract, partitions)
        {
            let mode = if found.is_fine() { mode } else { Mode::DryRun };
            let Self { dev_broker, state_folder: folder, .. } = *self;
            let changelogs = ChangelogTopics { id, admin, kafka, dev_broker, folder };
            let made = changelogs.deploy(contract, partitions, mode, &mut found);
            found.unless_brokers_are_away(Some(kafka), made);
        }
        match (&admin, letters) {
            (Some(admin), Some(letters)) if mode == Mode::Apply && found.is_fine() => {
                let made = self.create_letter_topic(admin, &letters, &mut found);
                found.unless_brokers_are_away(self.kafka, made);
            }
            (_, Some(Letters { topic, .. })) if mode == Mode::DryRun => {
                let notice = format!("the dead-letter topic `{topic}` does not exist; a start creates it");
                found.notices.push(notice);
            }
            _ => {}
        }
        if let Some(contract) = contract
            && mode == Mode::Apply
            && found.is_fine()
        {
            let ids = self.output_schemas(spec, contract, Mode::Apply, &mut found);
            found.ids = found.unless_away(ids).unwrap_or_default();
        }
        found
    }

    fn create_letter_topic(
        &self,
        admin: &Admin,
        letters: &Letters,
        found: &mut Deployed,
    ) -> Result<(), Outage> {
        let Letters { topic, partitions } = letters;
        let made = match self.dev_broker {
            Some(broker) => broker.create_topic(topic, *partitions),
            None => admin.create_topic(topic, *partitions, None, &[]),
        };
        match made {
            Ok(()) => {
                tracing::info!(%topic, partitions, "dead-letter topic created");
                Ok(())
            }
            Err(error) if error.code == ErrorCode::TOPIC_ALREADY_EXISTS => Ok(()),
            Err(error) if error.code.is_outage() => Err(error.outage()),
            Err(error) => {
                found.refusals.push(Refusal {
                    code: Code("dead-letter-topic-missing"),
                    field: "on_bad_record.topic".to_owned(),
                    message: format!("the dead-letter topic `{topic}` does not exist and could not be created"),
                    found: error.to_string(),
                    expected: "a topic that exists, or the right to create it".to_owned(),
                    remedy: format!(
                        "Create the topic `{topic}` with {partitions} partitions, or choose another `on_bad_record`."
                    ),
                });
                Ok(())
            }
        }
    }

    fn input_schemas(
        &self,
        spec: &PipelineSpec,
        contract: &Contract,
        found: &mut Deployed,
    ) -> Result<(), Outage> {
        for BoundInput { port, binding, .. } in &contract.inputs {
            let parts = [(Part::Key, &port.key, &binding.key), (Part::Value, &port.value, &binding.value)];
            for (part, ty, part_binding) in parts {
                let Some(ty) = ty else { continue };
                if part_binding.format != Format::Avro || *ty == PartType::Raw {
                    continue;
                }
                let field = format!("inputs.{}.{}", port.name, part.as_str());
                let Some(registry) = self.registry else {
                    found.refusals.push(registry_missing(&field));
                    continue;
                };
                let PartType::Typed { schema } = ty else { continue };
                let Some(reader) = parsed(schema) else { continue };
                let subject =
                    subject(part_binding, &binding.topic, part, spec.schemas.subject_strategy, &reader);
                let Some((text, references)) = registry.latest(&subject)? else {
                    found.notices.push(format!(
                        "{field}: the registry has no subject `{subject}` yet, so its records could not be checked against the transform"
                    ));
                    continue;
                };
                let writer = format!("the newest schema of the subject `{subject}`");
                let text = WriterText { text, references };
                found.refusals.extend(readable(ty, &text, &field, &writer).err());
            }
        }
        Ok(())
    }

    fn output_schemas(
        &self,
        spec: &PipelineSpec,
        contract: &Contract,
        mode: Mode,
        found: &mut Deployed,
    ) -> Result<Vec<OutputIds>, Outage> {
        let mut ids = vec![OutputIds::default(); contract.outputs.len()];
        for outgoing in outgoing(contract) {
            let Some(registry) = self.registry else {
                found.refusals.push(registry_missing(&outgoing.field));
                continue;
            };
            let Outgoing { port, part, binding, topic, schema: Some(schema), field } = outgoing else {
                continue;
            };
            let Some(written) = parsed(schema) else { continue };
            let policy = spec.schemas;
            let subject = subject(binding, topic, part, policy.subject_strategy, &written);
            let text = schema.to_string();
            let outcome = match mode {
                Mode::DryRun => registry.would_take(&subject, &text, policy.register).map(|()| None),
                Mode::Apply => registry.id_for(&subject, &text, policy.register).map(Some),
            };
            match (outcome, ids.get_mut(port)) {
                (Ok(id), Some(ids)) => match part {
                    Part::Key => ids.key = id,
                    Part::Value => ids.value = id,
                },
                (Ok(_), None) => {}
                (Err(RegisterFailure::Outage(outage)), _) => return Err(outage),
                (Err(failure), _) => {
                    found.refusals.push(not_taken(&field, &subject, failure, policy.register));
                }
            }
        }
        Ok(ids)
    }
}

/// A part of an output that is written with schemas of the registry.
struct Outgoing<'a> {
    /// Index of the output port.
    port: usize,
    part: Part,
    binding: &'a PartBinding,
    topic: &'a str,
    /// None where the transform declares its schemas while it runs.
    schema: Option<&'a serde_json::Value>,
    field: String,
}

fn outgoing(contract: &Contract) -> impl Iterator<Item = Outgoing<'_>> {
    contract.outputs.iter().enumerate().flat_map(|(index, (port, binding, _))| {
        let parts =
            [(Part::Key, port.key.as_ref(), &binding.key), (Part::Value, Some(&port.value), &binding.value)];
        parts.into_iter().filter_map(move |(part, ty, part_binding)| {
            let schema = match ty? {
                PartType::Raw => return None,
                PartType::Typed { schema } => Some(schema),
                PartType::Dynamic => None,
            };
            (part_binding.format == Format::Avro).then(|| Outgoing {
                port: index,
                part,
                binding: part_binding,
                topic: &binding.topic,
                schema,
                field: format!("outputs.{}.{}", port.name, part.as_str()),
            })
        })
    })
}

/// What the broker said of the topics.
#[derive(Default)]
struct TopicsFound {
    /// How many each input topic has; none when they do not agree, or one is not there.
    partitions: Option<u32>,
    /// None when it is there, or none is wanted.
    letters: Option<Letters>,
}

/// The dead-letter topic that is to be made.
struct Letters {
    topic: Arc<str>,
    partitions: u32,
}

/// The refusal of a schema that the registry does not take.
#[must_use]
pub fn not_taken(field: &str, subject: &str, failure: RegisterFailure, policy: Register) -> Refusal {
    match failure {
        RegisterFailure::NotRegistered => Refusal {
            code: Code("schema-not-registered"),
            field: field.to_owned(),
            message: format!("the subject `{subject}` does not hold the schema that the transform writes"),
            found: format!("`schemas.register` is `{}`", word(policy)),
            expected: "the schema registered beforehand".to_owned(),
            remedy: "Register the schema, or set `schemas: { register: if-compatible }`.".to_owned(),
        },
        RegisterFailure::Refused(why) => Refusal {
            code: Code("schema-incompatible"),
            field: field.to_owned(),
            message: format!("the subject `{subject}` does not take the schema that the transform writes"),
            found: why,
            expected: "a schema that the subject's compatibility rule allows".to_owned(),
            remedy: "Change the transform's output schema, or bind the port to another topic or subject."
                .to_owned(),
        },
        RegisterFailure::Outage(outage) => Refusal {
            code: outage.code,
            field: field.to_owned(),
            message: "the registry could not be asked".to_owned(),
            found: outage.message,
            expected: "an answer".to_owned(),
            remedy: "Try again when the registry is back.".to_owned(),
        },
    }
}

fn word(policy: Register) -> &'static str {
    REGISTER.iter().find(|(_, known)| *known == policy).map_or("", |(word, _)| word)
}

/// Schemas of a manifest were parsed at the upload; one that does not parse was refused there.
fn parsed(schema: &serde_json::Value) -> Option<AvroType> {
    AvroType::parse(&schema.to_string(), &[]).ok()
}

/// Checks every topic but the changelogs.
fn topics(
    admin: &Admin,
    spec: &PipelineSpec,
    contract: Option<&Contract>,
    found: &mut Deployed,
) -> Result<TopicsFound, Outage> {
    let mut counts: Vec<(Arc<str>, u32)> = Vec::new();
    for (port, binding) in &spec.inputs {
        let field = format!("inputs.{port}.topic");
        if let Some(count) = existing(admin, &binding.topic, &field, found)? {
            counts.push((binding.topic.clone(), count));
        }
    }
    if let [(first, count), rest @ ..] = counts.as_slice()
        && let Some((other, other_count)) = rest.iter().find(|(_, other)| other != count)
    {
        found.refusals.push(Refusal {
            code: Code("partitions-differ"),
            field: "inputs".to_owned(),
            message: "the input topics have different numbers of partitions".to_owned(),
            found: format!("{count} in `{first}`, {other_count} in `{other}`"),
            expected: "the same number in each, so that equal keys meet in one task".to_owned(),
            remedy: "Repartition one of the topics.".to_owned(),
        });
    }
    for (port, binding) in &spec.outputs {
        existing(admin, &binding.topic, &format!("outputs.{port}.topic"), found)?;
    }
    if let Some(contract) = contract {
        late_topics(admin, contract, found)?;
    }
    let all = counts.len() == spec.inputs.len();
    let same = counts.windows(2).all(|pair| matches!(pair, [(_, one), (_, other)] if one == other));
    let partitions = counts.first().filter(|_| all && same).map(|(_, count)| *count);
    let Some(topic) = spec.letter_topic() else { return Ok(TopicsFound { partitions, letters: None }) };
    let letters = match admin.partition_count(&topic) {
        Ok(_) => None,
        Err(error) if is_missing(error.code) => {
            let partitions = counts.iter().map(|(_, count)| *count).max().unwrap_or(1);
            Some(Letters { topic, partitions })
        }
        Err(error) => {
            refused_topic(&error, &topic, "on_bad_record.topic", found)?;
            None
        }
    };
    Ok(TopicsFound { partitions, letters })
}

fn late_topics(admin: &Admin, contract: &Contract, found: &mut Deployed) -> Result<(), Outage> {
    for input in &contract.inputs {
        if let Some(PortLate::Topic(index)) = input.event_time.as_ref().map(|time| time.late)
            && let Some((topic, _)) = contract.topics.get(index.0 as usize)
        {
            existing(admin, topic, &format!("inputs.{}.event_time.late.topic", input.port.name), found)?;
        }
    }
    Ok(())
}

fn existing(admin: &Admin, topic: &str, field: &str, found: &mut Deployed) -> Result<Option<u32>, Outage> {
    match admin.partition_count(topic) {
        Ok(count) => Ok(Some(count)),
        Err(error) => refused_topic(&error, topic, field, found).map(|()| None),
    }
}

pub(in crate::app) fn refused_topic(
    error: &KafkaError,
    topic: &str,
    field: &str,
    found: &mut Deployed,
) -> Result<(), Outage> {
    if error.code.is_outage() {
        return Err(error.outage());
    }
    let missing = is_missing(error.code);
    found.refusals.push(Refusal {
        code: Code(if missing { "topic-missing" } else { "topic-forbidden" }),
        field: field.to_owned(),
        message: format!("the topic `{topic}` cannot be used"),
        found: error.to_string(),
        expected: "a topic that exists and that this host may use".to_owned(),
        remedy: if missing {
            format!("Create the topic `{topic}`, or correct its name.")
        } else {
            "Grant this host's user the right to it.".to_owned()
        },
    });
    Ok(())
}

fn registry_missing(field: &str) -> Refusal {
    Refusal {
        code: Code("registry-missing"),
        field: field.to_owned(),
        message: "the format avro needs a schema registry".to_owned(),
        found: "no `registry.urls` in this host's settings".to_owned(),
        expected: "the address of a schema registry".to_owned(),
        remedy: "Set `registry.urls` (or WASMILL_REGISTRY_URLS), or choose another format.".to_owned(),
    }
}

pub(in crate::app) fn is_missing(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::UNKNOWN_TOPIC | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
}
