//! The key `inputs.<port>.event_time` of a pipeline file.

use crate::config::bindings::topic_name;
use crate::config::section::Item;
use crate::config::section::Problems;
use crate::config::tree::Value;
use crate::model::pipeline_spec::EventTimeOverride;
use crate::model::pipeline_spec::OnLate;

/// Longest time that may be set here: 30 days.
pub(crate) const EVENT_TIME_MS_MAX: u64 = 30 * 24 * 3_600_000;

/// The fates of a late record that are words; `{ topic: ... }` is the third.
pub(crate) const LATE: [(&str, Fate); 2] = [("process", Fate::Process), ("drop", Fate::Drop)];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Process,
    Drop,
}

/// `{ out_of_orderness_ms, idle_ms, granularity_ms, late }`, each of them or none.
pub(crate) fn read(item: &Item<'_>, problems: &mut Problems) -> EventTimeOverride {
    let mut set = EventTimeOverride::default();
    let Some(mut section) = item.section(problems) else {
        return set;
    };
    let mut millis =
        |key, least| section.take(key).and_then(|item| item.u64(problems, least..=EVENT_TIME_MS_MAX));
    set.out_of_orderness_ms = millis("out_of_orderness_ms", 0);
    set.idle_ms = millis("idle_ms", 1);
    set.granularity_ms = millis("granularity_ms", 1);
    set.late = section.take("late").and_then(|item| late(&item, problems));
    section.finish(problems);
    set
}

/// `process`, `drop`, or `{ topic: payments-late }`.
fn late(item: &Item<'_>, problems: &mut Problems) -> Option<OnLate> {
    if !matches!(item.node.value, Value::Map(_)) {
        return item.choice(problems, &LATE).map(|fate| match fate {
            Fate::Process => OnLate::Process,
            Fate::Drop => OnLate::Drop,
        });
    }
    let mut section = item.section(problems)?;
    let expected = "`process`, `drop` or `{ topic: <name> }`";
    let topic = section.require(problems, "topic", expected, "Name the topic of late records.");
    section.finish(problems);
    topic_name(&topic?, problems).map(OnLate::Topic)
}
