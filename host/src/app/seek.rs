//! Moves the committed positions of a pipeline at the brokers.

use std::time::Duration;

use crate::control::commands::Mode;
use crate::control::seek::GroupInUse;
use crate::control::seek::SeekFailure;
use crate::kafka::admin::Admin;
use crate::kafka::overrides::Overrides;
use crate::kafka::settings::ClientSettings;
use crate::kafka::timeouts;
use crate::model::failure::Code;
use crate::model::failure::Outage;
use crate::model::failure::Refusal;
use crate::model::failure::Stop;
use crate::model::ids::HostId;
use crate::model::ids::PipelineId;
use crate::model::pipeline_spec::PipelineSpec;
use crate::model::seek::Seek;
use crate::model::seek::SeekMove;
use crate::pipeline::ports::SourceFailure;
use crate::pipeline::seek;
use crate::pipeline::seek::Rereading;
use crate::pipeline::seek::SeekError;
use crate::source::flow_control::FlowControl;
use crate::source::kafka_source::KafkaSource;
use crate::source::source_settings::CoPartitioned;
use crate::source::source_settings::SourceSettings;

/// How long one question to the brokers may take.
const BROKER_WAIT: Duration = Duration::from_secs(10);

/// It takes offsets from members of a group alone, although there are none.
fn in_process_broker() -> Refusal {
    Refusal {
        code: Code("broker-in-process"),
        field: "kafka.brokers".to_owned(),
        message: "the broker within `wasmill dev` does not let the positions of a pipeline be moved"
            .to_owned(),
        found: "the in-process broker".to_owned(),
        expected: "a Kafka broker".to_owned(),
        remedy:
            "To start over, delete the pipeline and create it again; or use `wasmill dev --kafka HOST:PORT`."
                .to_owned(),
    }
}

/// Plans a seek, and commits it unless it is a dry run. Blocks.
///
/// # Errors
/// See [`SeekFailure`]; nothing is moved then.
pub fn seek(
    kafka: &ClientSettings,
    in_process: bool,
    host: &HostId,
    id: &PipelineId,
    spec: &PipelineSpec,
    seek: &Seek,
    mode: Mode,
) -> Result<Vec<SeekMove>, SeekFailure> {
    if in_process {
        return Err(SeekFailure::Refused(vec![in_process_broker()]));
    }
    let group = id.group();
    let in_use = |members: Vec<String>| {
        // What the pipeline sets of the client counts for its workers, and was checked when it was put.
        let overrides = Overrides::new(&spec.kafka, &mut Vec::new());
        let session = timeouts::session(spec.inputs.len(), &overrides);
        SeekFailure::InUse(GroupInUse { group: group.clone(), members, session })
    };
    let admin = Admin::start(kafka, BROKER_WAIT).map_err(|error| SeekFailure::Outage(error.outage()))?;
    let members = members(&admin, &group)?;
    if !members.is_empty() {
        return Err(in_use(members));
    }
    let topics: Vec<_> = spec.inputs.values().map(|input| input.topic.clone()).collect();
    let mut source = KafkaSource::new(SourceSettings {
        client: kafka.clone(),
        group: group.clone(),
        // It never joins; the name only shows in the brokers' logs.
        member: format!("{group}.{host}.seek"),
        topics: topics.clone(),
        batch: spec.batch,
        flow: FlowControl::default(),
        overrides: Overrides::default(),
        assignment: CoPartitioned::default(),
    })
    .map_err(stopped)?;
    let names: Vec<&str> = topics.iter().map(AsRef::as_ref).collect();
    let rereading = if has_changelog(&admin, id)? { Rereading::CountsTwice } else { Rereading::Harmless };
    let moves = seek::plan(&mut source, &names, seek, rereading).map_err(|error| match error {
        SeekError::Refused(refusals) => SeekFailure::Refused(refusals),
        SeekError::Source(failure) => failed(failure),
    })?;
    if mode == Mode::Apply && !seek::commit(&mut source, &moves).map_err(failed)? {
        // Someone joined since the group was looked at.
        return Err(in_use(Vec::new()));
    }
    Ok(moves)
}

/// Whether the pipeline has kept state.
fn has_changelog(admin: &Admin, id: &PipelineId) -> Result<bool, SeekFailure> {
    let topics = admin.topics_beginning(&format!("{}.", id.group()));
    let topics = topics.map_err(|error| SeekFailure::Outage(error.outage()))?;
    Ok(topics.iter().any(|topic| id.store_of_changelog(topic).is_some()))
}

fn members(admin: &Admin, group: &str) -> Result<Vec<String>, SeekFailure> {
    match admin.group_members(group) {
        Ok(members) => Ok(members),
        Err(error) if error.code.is_outage() => Err(SeekFailure::Outage(error.outage())),
        // The right to describe the group may be missing: the commit shows whether there are members.
        Err(error) => {
            tracing::debug!(group, %error, "the members of the group are not known");
            Ok(Vec::new())
        }
    }
}

fn failed(failure: SourceFailure) -> SeekFailure {
    match failure {
        SourceFailure::Outage(outage) => SeekFailure::Outage(outage),
        SourceFailure::Stop(stop) => stopped(stop),
        SourceFailure::Fatal(_) | SourceFailure::OffsetGone { .. } => {
            SeekFailure::Outage(Outage::new("consumer-failed", failure.to_string()))
        }
    }
}

/// Someone has to act.
fn stopped(stop: Stop) -> SeekFailure {
    SeekFailure::Refused(vec![Refusal {
        code: stop.code,
        field: "inputs".to_owned(),
        message: "the positions cannot be read".to_owned(),
        found: stop.message,
        expected: "topics and a group that this host may use".to_owned(),
        remedy: format!("{}.", stop.remedy.trim_end_matches('.')),
    }])
}
