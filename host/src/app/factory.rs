//! The parts of a worker, from a checked pipeline.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::app::contract::BoundInput;
use crate::app::contract::Contract;
use crate::app::contract_state::PortEventTime;
use crate::app::contract_state::PortLate;
use crate::app::deploy::OutputIds;
use crate::app::deploy::not_taken;
use crate::app::guest_log_sink::PipelineLogSink;
use crate::app::instances::Lease;
use crate::app::observer::MetricsObserver;
use crate::app::registry::RegisterFailure;
use crate::app::registry::Registry;
use crate::app::restore::Restores;
use crate::app::state_keeper::Keeper;
use crate::app::subjects::Part;
use crate::app::subjects::subject;
use crate::codec::decode::InputDecoder;
use crate::codec::encode::PartEncoder;
use crate::codec::encode::RegisterSchema;
use crate::codec::encode::Registration;
use crate::codec::writer_schemas::WriterSchemas;
use crate::kafka::overrides::Overrides;
use crate::kafka::settings::ClientSettings;
use crate::model::failure::Refusal;
use crate::model::failure::Stage;
use crate::model::failure::Stop;
use crate::model::ids::HostId;
use crate::model::ids::PipelineId;
use crate::model::ids::PortIndex;
use crate::model::ids::WorkerIndex;
use crate::model::manifest::OutputPort;
use crate::model::pipeline_spec::OnBadRecord;
use crate::model::pipeline_spec::OutputBinding;
use crate::model::pipeline_spec::PartBinding;
use crate::model::pipeline_spec::PipelineSpec;
use crate::model::pipeline_spec::ReadAs;
use crate::model::schema_table::SchemaTable;
use crate::pipeline::clock::SystemClock;
use crate::pipeline::dead_letter::BadRecordPolicy;
use crate::pipeline::driver::DriverFailure;
use crate::pipeline::outputs::Output;
use crate::pipeline::outputs::Outputs;
use crate::pipeline::ports::Decoder;
use crate::pipeline::ports::EncodeFailure;
use crate::pipeline::run::Lane;
use crate::pipeline::settings::Changelog;
use crate::pipeline::settings::DriverSettings;
use crate::pipeline::settings::EventTimeSettings;
use crate::pipeline::settings::InputRole;
use crate::pipeline::settings::InputSettings;
use crate::pipeline::settings::LatePolicy;
use crate::pipeline::settings::StateParts;
use crate::sink::dead_letter::Sender;
use crate::sink::kafka_sink::KafkaSink;
use crate::sink::sink_settings::SinkSettings;
use crate::source::flow_control::FlowControl;
use crate::source::kafka_source::KafkaSource;
use crate::source::source_settings::CoPartitioned;
use crate::source::source_settings::SourceSettings;
use crate::telemetry::guest_logs::GuestLogs;
use crate::telemetry::pipeline_metrics::PipelineMetrics;
use crate::wasm::compiled::CompiledComponent;
use crate::wasm::guest::GuestSpec;
use crate::wasm::guest::WasmGuest;
use crate::worker::factory::WorkerFactory;
use crate::worker::factory::WorkerParts;

/// A pipeline that passed every check, ready to be run by workers.
pub struct PipelineFactory {
    pub id: PipelineId,
    pub host: HostId,
    pub spec: PipelineSpec,
    pub contract: Contract,
    pub ids: Vec<OutputIds>,
    /// For dead letters: `name@3`, or a file name.
    pub version: String,
    pub component: Arc<CompiledComponent>,
    pub kafka: ClientSettings,
    pub overrides: Overrides,
    pub writer_schemas: Arc<dyn WriterSchemas>,
    pub registry: Option<Registry>,
    pub metrics: PipelineMetrics,
    pub logs: Arc<GuestLogs>,
    /// See [`SinkSettings::topic_bytes_max`].
    pub topic_bytes_max: Option<usize>,
    /// See [`DriverSettings::gap_remedy`].
    pub gap_remedy: Arc<str>,
    /// Given back when the last worker's thread has ended.
    pub instances: Lease,
    /// None for a pipeline that keeps nothing.
    pub state: Option<Arc<Restores>>,
    /// Of one worker.
    pub overlay_bytes_max: u64,
}

impl WorkerFactory for PipelineFactory {
    type Source = KafkaSource;
    type Sink = KafkaSink;

    fn build(&self, worker: WorkerIndex) -> Result<WorkerParts<KafkaSource, KafkaSink>, DriverFailure> {
        let table = Arc::new(SchemaTable::default());
        let mut inputs: Vec<Box<dyn Decoder>> = Vec::new();
        for input in &self.contract.inputs {
            let (port, binding) = (&input.port, &input.binding);
            let decoder = InputDecoder::new(port, binding, &self.writer_schemas, &table).map_err(refused)?;
            inputs.push(Box::new(decoder));
        }
        let guest = WasmGuest::new(GuestSpec {
            component: self.component.clone(),
            config: self.contract.config.clone(),
            limits: self.spec.limits,
            schemas: table.clone(),
            logs: Arc::new(PipelineLogSink {
                id: self.id.clone(),
                logs: self.logs.clone(),
                metrics: self.metrics.clone(),
                worker,
            }),
        })
        .map_err(|error| {
            Stop::new("schema-invalid", error.to_string(), "Upload the transform with another schema")
        })?;
        let member = self.id.member(&self.host, worker);
        let sink = KafkaSink::new(SinkSettings {
            client: self.kafka.clone(),
            delivery: self.spec.delivery,
            member: member.clone(),
            topics: self.contract.topics.clone(),
            overrides: self.overrides.clone(),
            topic_bytes_max: self.topic_bytes_max,
        })?;
        let source = KafkaSource::new(SourceSettings {
            client: self.kafka.clone(),
            group: self.id.group(),
            member,
            topics: self.contract.input_topics(),
            batch: self.spec.batch,
            flow: FlowControl::default(),
            overrides: self.overrides.clone(),
            assignment: CoPartitioned::default(),
        })?;
        let lane = Lane {
            inputs,
            guest: Box::new(guest),
            outputs: self.outputs(&table)?,
            sink,
            policy: self.policy(),
            retry: self.spec.retry,
            observer: Box::new(MetricsObserver::new(self.metrics.clone(), worker)),
            clock: Box::new(SystemClock),
            state: self.state(),
            order: Vec::new(),
        };
        let settings = DriverSettings {
            delivery: self.spec.delivery,
            start: self.spec.start.clone(),
            commit: self.spec.commit,
            inputs: self.inputs(),
            gap_remedy: self.gap_remedy.clone(),
        };
        Ok(WorkerParts { source, lane, settings })
    }
}

impl PipelineFactory {
    fn inputs(&self) -> BTreeMap<Arc<str>, InputSettings> {
        let ports = (0..).map(PortIndex);
        let settings = |(port, input): (PortIndex, &BoundInput)| {
            let role = match input.binding.read_as {
                ReadAs::Stream => InputRole::Stream,
                ReadAs::Table => InputRole::Table,
            };
            let event_time = input.event_time.as_ref().map(event_time);
            (input.binding.topic.clone(), InputSettings { port, role, event_time })
        };
        ports.zip(&self.contract.inputs).map(settings).collect()
    }

    fn state(&self) -> Option<StateParts> {
        let restores = self.state.as_ref()?;
        let mut changelogs: Vec<Option<Changelog>> = Vec::new();
        for changelog in &self.contract.changelogs {
            let index = changelog.index.0 as usize;
            changelogs.resize(index + 1, None);
            if let Some(slot) = changelogs.get_mut(index) {
                *slot = Some(Changelog { topic: changelog.sink, name: changelog.topic.clone() });
            }
        }
        Some(StateParts {
            keeper: Box::new(Keeper::new(Arc::clone(restores))),
            changelogs,
            timers: restores.manifest.timers.clone(),
            bytes_per_batch_max: self.spec.limits.state_bytes_per_batch_max,
            overlay_bytes_max: self.overlay_bytes_max,
        })
    }

    fn outputs(&self, table: &Arc<SchemaTable>) -> Result<Outputs, Stop> {
        let mut outputs = Vec::new();
        for ((port, binding, topic), ids) in self.contract.outputs.iter().zip(&self.ids) {
            let key = match &port.key {
                Some(part) => {
                    let registration = ids.key.map_or(Registration::None, Registration::Id);
                    let field = format!("outputs.{}.key", port.name);
                    let format = binding.key.format;
                    let encoder = PartEncoder::new(part, format, Stage::KeyEncode, &field, registration);
                    Some(Box::new(encoder.map_err(refused)?) as _)
                }
                None => None,
            };
            let registration = match ids.value {
                Some(id) => Registration::Id(id),
                None => self.dynamic(port, binding, table),
            };
            let field = format!("outputs.{}.value", port.name);
            let format = binding.value.format;
            let value = PartEncoder::new(&port.value, format, Stage::ValueEncode, &field, registration)
                .map_err(refused)?;
            outputs.push(Output { topic: *topic, key, value: Box::new(value) });
        }
        Ok(Outputs::new(outputs, self.spec.limits.output_bytes_per_batch_max))
    }

    /// Registration of the schemas that a guest declares while it runs, on dynamic ports.
    fn dynamic(&self, port: &OutputPort, binding: &OutputBinding, table: &Arc<SchemaTable>) -> Registration {
        let Some(registry) = self.registry.clone() else { return Registration::None };
        let policy = self.spec.schemas;
        let topic = binding.topic.clone();
        let value: PartBinding = binding.value.clone();
        let field = format!("outputs.{}.value", port.name);
        let register: RegisterSchema = Box::new(move |entry| {
            let subject = subject(&value, &topic, Part::Value, policy.subject_strategy, &entry.avro);
            match registry.id_for(&subject, &entry.text, policy.register) {
                Ok(id) => Ok(id),
                Err(RegisterFailure::Outage(outage)) => Err(EncodeFailure::Outage(outage)),
                Err(failure) => Err(refused(not_taken(&field, &subject, failure, policy.register)).into()),
            }
        });
        Registration::Dynamic { table: table.clone(), register }
    }

    fn policy(&self) -> BadRecordPolicy {
        match (&self.spec.on_bad_record, self.contract.letters) {
            (OnBadRecord::Stop, _) => BadRecordPolicy::Stop,
            (OnBadRecord::Drop, _) | (OnBadRecord::DeadLetter { .. }, None) => BadRecordPolicy::Drop,
            (OnBadRecord::DeadLetter { .. }, Some(topic)) => BadRecordPolicy::DeadLetter {
                topic,
                format: Box::new(Sender {
                    pipeline: self.id.clone(),
                    transform: self.contract.transform.clone(),
                    version: self.version.clone(),
                }),
            },
        }
    }
}

fn event_time(bound: &PortEventTime) -> EventTimeSettings {
    EventTimeSettings {
        field: bound.field.clone(),
        out_of_orderness_ms: bound.out_of_orderness_ms,
        granularity_ms: bound.granularity_ms,
        idle_after: Duration::from_millis(bound.idle_ms),
        late: match bound.late {
            PortLate::Process => LatePolicy::Process,
            PortLate::Drop => LatePolicy::Drop,
            PortLate::Topic(topic) => LatePolicy::Copy(topic),
        },
    }
}

/// A refusal that shows only when a worker starts.
fn refused(refusal: Refusal) -> Stop {
    Stop { code: refusal.code, message: refusal.to_string(), remedy: refusal.remedy.into() }
}
