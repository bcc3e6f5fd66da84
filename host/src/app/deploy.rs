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
    /// By output port. Complete only after [`Mode::Apply`] without refusals.
    pub ids: Vec<OutputIds>,
}

/// Where a deploy looks.
pub struct Surroundings<'a> {
    pub kafka: &'a ClientSettings,
    pub registry: Option<&'a Registry>,
    /// The in-process broker, which makes topics through its handle only.
    pub dev_broker: Option<&'a DevBroker>,
    /// Where this host has state on its disk; none where nothing runs.
    pub state_folder: Option<&'a Path>,
}

impl Surroundings<'_> {
    /// Checks topics and schemas, and under [`Mode::Apply`] makes what the pipeline needs.
    ///
    /// # Errors
    /// When the broker or the registry is away, so that nothing can be said.
    pub fn deploy(
        &self,
        id: &PipelineId,
        spec: &PipelineSpec,
        contract: &Contract,
        mode: Mode,
    ) -> Result<Deployed, Outage> {
        let mut found = Deployed::default();
        let admin = Admin::start(self.kafka, BROKER_WAIT).map_err(|error| error.outage())?;
        let partitions = input_topics(&admin, contract, &mut found)?;
        self.input_schemas(spec, contract, &mut found)?;
        output_topics(&admin, contract, &mut found)?;
        // Nothing is made for a pipeline that is refused.
        let mode = if found.refusals.is_empty() { mode } else { Mode::DryRun };
        self.output_schemas(spec, contract, mode, &mut found)?;
        let mode = if found.refusals.is_empty() { mode } else { Mode::DryRun };
        if let Some(partitions) = partitions {
            let Self { kafka, dev_broker, state_folder: folder, .. } = *self;
            let changelogs = ChangelogTopics { id, admin: &admin, kafka, dev_broker, folder };
            changelogs.deploy(contract, partitions, mode, &mut found)?;
        }
        let mode = if found.refusals.is_empty() { mode } else { Mode::DryRun };
        self.letter_topic(&admin, contract, partitions.unwrap_or(1), mode, &mut found)?;
        Ok(found)
    }

    fn letter_topic(
        &self,
        admin: &Admin,
        contract: &Contract,
        partitions: u32,
        mode: Mode,
        found: &mut Deployed,
    ) -> Result<(), Outage> {
        let letters = contract.letters.and_then(|index| contract.topics.get(index.0 as usize));
        let Some((topic, _)) = letters else { return Ok(()) };
        match admin.partition_count(topic) {
            Ok(_) => return Ok(()),
            Err(error) if !is_missing(error.code) => {
                return refused_topic(&error, topic, "on_bad_record.topic", found);
            }
            Err(_) => {}
        }
        if mode == Mode::DryRun {
            found.notices.push(format!("the dead-letter topic `{topic}` does not exist; a start creates it"));
            return Ok(());
        }
        let made = match self.dev_broker {
            Some(broker) => broker.create_topic(topic, partitions),
            None => admin.create_topic(topic, partitions, None, &[]),
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
    ) -> Result<(), Outage> {
        for (port, binding, _) in &contract.outputs {
            let mut ids = OutputIds::default();
            let parts = [
                (Part::Key, port.key.as_ref(), &binding.key),
                (Part::Value, Some(&port.value), &binding.value),
            ];
            for (part, ty, part_binding) in parts {
                let Some(ty) = ty else { continue };
                if part_binding.format != Format::Avro || *ty == PartType::Raw {
                    continue;
                }
                let field = format!("outputs.{}.{}", port.name, part.as_str());
                let Some(registry) = self.registry else {
                    found.refusals.push(registry_missing(&field));
                    continue;
                };
                let PartType::Typed { schema } = ty else { continue };
                let id = self.output_schema(
                    &OutputSchema {
                        spec,
                        registry,
                        binding: part_binding,
                        topic: &binding.topic,
                        part,
                        field,
                    },
                    schema,
                    mode,
                    found,
                )?;
                match part {
                    Part::Key => ids.key = id,
                    Part::Value => ids.value = id,
                }
            }
            found.ids.push(ids);
        }
        Ok(())
    }

    #[expect(clippy::unused_self, reason = "reads as a step of the deploy")]
    fn output_schema(
        &self,
        of: &OutputSchema<'_>,
        schema: &serde_json::Value,
        mode: Mode,
        found: &mut Deployed,
    ) -> Result<Option<RegistryId>, Outage> {
        let Some(written) = parsed(schema) else { return Ok(None) };
        let policy = of.spec.schemas.register;
        let subject = subject(of.binding, of.topic, of.part, of.spec.schemas.subject_strategy, &written);
        let text = schema.to_string();
        let outcome = match mode {
            Mode::DryRun => of.registry.would_take(&subject, &text, policy).map(|()| None),
            Mode::Apply => of.registry.id_for(&subject, &text, policy).map(Some),
        };
        match outcome {
            Ok(id) => Ok(id),
            Err(RegisterFailure::Outage(outage)) => Err(outage),
            Err(failure) => {
                found.refusals.push(not_taken(&of.field, &subject, failure, policy));
                Ok(None)
            }
        }
    }
}

struct OutputSchema<'a> {
    spec: &'a PipelineSpec,
    registry: &'a Registry,
    binding: &'a PartBinding,
    topic: &'a str,
    part: Part,
    field: String,
}

/// The refusal of a schema that the registry does not take.
#[must_use]
pub fn not_taken(field: &str, subject: &str, failure: RegisterFailure, policy: Register) -> Refusal {
    match failure {
        RegisterFailure::NotRegistered => Refusal {
            code: Code("schema-not-registered"),
            field: field.to_owned(),
            message: format!("the subject `{subject}` does not hold the schema that the transform writes"),
            found: format!("schemas.register is {policy:?}"),
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

/// Schemas of a manifest were parsed at the upload; one that does not parse was refused there.
fn parsed(schema: &serde_json::Value) -> Option<AvroType> {
    AvroType::parse(&schema.to_string(), &[]).ok()
}

/// How many partitions the input topics have; none when they do not agree, or one is not there.
fn input_topics(admin: &Admin, contract: &Contract, found: &mut Deployed) -> Result<Option<u32>, Outage> {
    let mut counts: Vec<(Arc<str>, u32)> = Vec::new();
    for BoundInput { port, binding, .. } in &contract.inputs {
        let field = format!("inputs.{}.topic", port.name);
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
        return Ok(None);
    }
    let all = counts.len() == contract.inputs.len();
    Ok(counts.first().filter(|_| all).map(|(_, count)| *count))
}

fn output_topics(admin: &Admin, contract: &Contract, found: &mut Deployed) -> Result<(), Outage> {
    for (port, binding, _) in &contract.outputs {
        existing(admin, &binding.topic, &format!("outputs.{}.topic", port.name), found)?;
    }
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
