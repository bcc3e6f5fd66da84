//! What keyed state and event time add to a contract. No IO.

use std::sync::Arc;

use crate::app::contract::Topics;
use crate::app::contract::loops;
use crate::app::contract::topic_differs;
use crate::model::failure::Code;
use crate::model::failure::Refusal;
use crate::model::ids::PipelineId;
use crate::model::ids::is_changelog;
use crate::model::manifest::InputPort;
use crate::model::manifest::Late;
use crate::model::manifest::Manifest;
use crate::model::pipeline_spec::Delivery;
use crate::model::pipeline_spec::EVENT_TIME_IDLE_MS;
use crate::model::pipeline_spec::EventTimeOverride;
use crate::model::pipeline_spec::InputBinding;
use crate::model::pipeline_spec::OnLate;
use crate::model::pipeline_spec::PartitionBy;
use crate::model::pipeline_spec::PipelineSpec;
use crate::model::pipeline_spec::ReadAs;
use crate::pipeline::ports::TopicIndex;
use crate::pipeline::state_ports::ChangelogIndex;

/// The store of timers, as far as its changelog's name goes.
pub const TIMERS: &str = "timers";
/// The store of event clocks and value schemas, likewise.
pub const META: &str = "meta";

/// Event time of a bound port: what the transform declares, with what the pipeline sets anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortEventTime {
    /// A field of the value; the record's timestamp when none.
    pub field: Option<String>,
    pub out_of_orderness_ms: u64,
    pub idle_ms: u64,
    pub granularity_ms: u64,
    pub late: PortLate,
}

/// What becomes of a late record of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortLate {
    Process,
    Drop,
    /// A copy goes to this topic of the sink.
    Topic(TopicIndex),
}

/// A changelog topic of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changelog {
    pub index: ChangelogIndex,
    /// The store's name: one of the manifest, [`TIMERS`] or [`META`].
    pub store: String,
    pub topic: Arc<str>,
    /// The same topic as the sink numbers it.
    pub sink: TopicIndex,
}

/// The changelog topics of a pipeline, in the order of their indexes. Empty where nothing is kept.
pub(in crate::app) fn changelogs(
    id: &PipelineId,
    manifest: &Manifest,
    topics: &mut Topics,
) -> Vec<Changelog> {
    if !keeps_state(manifest) {
        return Vec::new();
    }
    let stores = manifest.state.iter().map(|store| Some(store.name.as_str()));
    // Timers have their index whether there are any or not.
    let timers = (!manifest.timers.is_empty()).then_some(TIMERS);
    let named = (0..).map(ChangelogIndex).zip(stores.chain([timers, Some(META)]));
    let mut list = Vec::new();
    for (index, store) in named {
        let Some(store) = store else { continue };
        let topic: Arc<str> = id.changelog(store).into();
        // Its partitions are the tasks', so nothing is left to choose.
        let sink = topics.add(Arc::clone(&topic), PartitionBy::SourcePartition);
        list.push(Changelog { index, store: store.to_owned(), topic, sink });
    }
    list
}

/// Whether a task of this transform has anything to keep: stores, timers, or event clocks.
#[must_use]
pub fn keeps_state(manifest: &Manifest) -> bool {
    has_updates(manifest) || manifest.inputs.iter().any(|input| input.event_time.is_some())
}

/// Whether doing a record twice could leave another state than doing it once. Event clocks only grow.
fn has_updates(manifest: &Manifest) -> bool {
    !manifest.state.is_empty() || !manifest.timers.is_empty()
}

/// What concerns the pipeline as a whole.
pub(in crate::app) fn check(spec: &PipelineSpec, manifest: &Manifest, refusals: &mut Vec<Refusal>) {
    if spec.delivery == Delivery::AtLeastOnce && has_updates(manifest) && !spec.accept_duplicate_updates {
        refusals.push(Refusal {
            code: Code("duplicate-updates"),
            field: "delivery".to_owned(),
            message: "the transform keeps state, and at least once a crash may apply an update of it twice"
                .to_owned(),
            found: "`delivery: at-least-once`".to_owned(),
            expected: "`exactly-once`, or the acceptance of what at least once does to state".to_owned(),
            remedy: "Use `delivery: exactly-once`, or add `accept_duplicate_updates: true` if an update that counts twice after a crash does no harm.".to_owned(),
        });
    }
}

/// Event time of a port, with its topic of late records among `topics`.
pub(in crate::app) fn event_time(
    spec: &PipelineSpec,
    manifest: &Manifest,
    (port, binding): (&InputPort, &InputBinding),
    topics: &mut Topics,
    refusals: &mut Vec<Refusal>,
) -> Option<PortEventTime> {
    let field = format!("inputs.{}", port.name);
    if binding.read_as == ReadAs::Table && manifest.state.is_empty() {
        refusals.push(Refusal {
            code: Code("table-without-state"),
            field: format!("{field}.as"),
            message: "a table is read ahead of the streams into state, and the transform has none".to_owned(),
            found: "`as: table`".to_owned(),
            expected: "`as: stream`".to_owned(),
            remedy: "Remove the key, or use a transform that declares a state store.".to_owned(),
        });
    }
    let set = &binding.event_time;
    let Some(declared) = &port.event_time else {
        if *set != EventTimeOverride::default() {
            refusals.push(Refusal {
                code: Code("event-time-undeclared"),
                field: format!("{field}.event_time"),
                message: "the transform's port has no event time that could be set anew".to_owned(),
                found: "`event_time`".to_owned(),
                expected: "no such key for this port".to_owned(),
                remedy: "Remove it, or declare event time for the port in the transform.".to_owned(),
            });
        }
        return None;
    };
    let late = match &set.late {
        None => match declared.late {
            Late::Process => PortLate::Process,
            Late::Drop => PortLate::Drop,
        },
        Some(OnLate::Process) => PortLate::Process,
        Some(OnLate::Drop) => PortLate::Drop,
        Some(OnLate::Topic(topic)) => {
            let field = format!("{field}.event_time.late.topic");
            if spec.inputs.values().any(|input| input.topic == *topic) {
                refusals.push(loops(&field, topic));
            }
            if let Some(other) = spec
                .outputs
                .iter()
                .find(|(_, output)| output.topic == *topic && output.partition_by != PartitionBy::Key)
            {
                refusals.push(topic_differs(&field, PartitionBy::Key, other.0));
            }
            not_a_changelog(&field, topic, refusals);
            PortLate::Topic(topics.add(Arc::clone(topic), PartitionBy::Key))
        }
    };
    Some(PortEventTime {
        field: declared.field.clone(),
        out_of_orderness_ms: set.out_of_orderness_ms.unwrap_or(declared.out_of_orderness_ms),
        idle_ms: set.idle_ms.unwrap_or(EVENT_TIME_IDLE_MS),
        granularity_ms: set.granularity_ms.unwrap_or(declared.granularity_ms),
        late,
    })
}

/// Refuses to write other records to what some pipeline's state is rebuilt from.
pub(in crate::app) fn not_a_changelog(field: &str, topic: &str, refusals: &mut Vec<Refusal>) {
    if is_changelog(topic) {
        refusals.push(Refusal {
            code: Code("changelog-topic"),
            field: field.to_owned(),
            message: "this is the name of a changelog, from which a pipeline's state is rebuilt".to_owned(),
            found: format!("`{topic}`"),
            expected: "a topic that does not begin with `wasmill.` and end with `.changelog`".to_owned(),
            remedy: "Write to another topic.".to_owned(),
        });
    }
}

/// Refuses to read what the pipeline itself writes as its changelog.
pub(in crate::app) fn not_its_own_changelog(
    id: &PipelineId,
    field: &str,
    topic: &str,
    refusals: &mut Vec<Refusal>,
) {
    if id.store_of_changelog(topic).is_some() {
        refusals.push(loops(field, topic));
    }
}

#[cfg(test)]
#[path = "contract_state_tests.rs"]
mod tests;
