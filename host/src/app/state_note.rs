//! What the state of a pipeline was written under, noted in its own meta changelog: so that every host
//! that starts the pipeline can tell whether what it is about to run still fits.
//!
//! The note is a record of partition 0 whose key no state can have: state keys begin with a key group,
//! which is below 32768. A restore leaves it out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use serde::Deserialize;
use serde::Serialize;

use crate::app::contract::Contract;
use crate::kafka::admin::Admin;
use crate::kafka::admin_offsets::Edge;
use crate::kafka::error::KafkaError;
use crate::kafka::overrides::Overrides;
use crate::kafka::producer::NotSentError;
use crate::kafka::producer::Outgoing;
use crate::kafka::producer::Producer;
use crate::kafka::producer::ProducerOptions;
use crate::kafka::settings::ClientSettings;
use crate::model::failure::Outage;
use crate::model::manifest::Scope;
use crate::model::pipeline_spec::Format;
use crate::model::position::Partition;
use crate::model::position::TopicPartition;
use crate::model::record_batch::RawRecords;
use crate::pipeline::state_ports::ChangelogIndex;
use crate::source::changelog_reader::ChangelogFailure;
use crate::source::changelog_reader::ChangelogReader;
use crate::source::changelog_reader::ChangelogSpan;
use crate::state::format::GROUP_BYTES;
use crate::state::format::StoredValue;
use crate::state::meta::MetaKey;

/// The version of the note that is written.
const NOTE_VERSION: u32 = 1;
/// What the keys of notes begin with.
const PREFIX: [u8; 2] = [0xff, 0xff];
const KEY: &[u8] = b"\xff\xffpipeline";
/// How long reading the meta changelog may take, and writing the note.
const PATIENCE: Duration = Duration::from_secs(60);
const READ_WAIT: Duration = Duration::from_millis(200);

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateNote {
    pub version: u32,
    /// By name, those of the host included.
    pub stores: BTreeMap<String, NotedStore>,
    /// By port.
    pub inputs: BTreeMap<String, NotedInput>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotedStore {
    /// Of its changelog; none where the cluster gives none.
    pub topic_id: Option<String>,
    pub scope: Scope,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotedInput {
    pub topic: String,
    pub key: Format,
}

/// What the meta changelog says.
#[derive(Debug, Default)]
pub struct Recorded {
    pub note: Option<StateNote>,
    /// By store and index: the schemas that values were written with.
    pub schemas: BTreeMap<String, BTreeMap<u32, String>>,
}

/// Whether a changelog's record is a note rather than state.
#[must_use]
pub fn is_note(key: &[u8]) -> bool {
    key.starts_with(&PREFIX)
}

impl StateNote {
    /// The note of a pipeline whose changelogs have these ids, by store.
    #[must_use]
    pub fn of(contract: &Contract, ids: &BTreeMap<String, Option<String>>) -> Self {
        let scopes: BTreeMap<&str, Scope> =
            contract.stores.iter().map(|store| (store.name.as_str(), store.scope)).collect();
        let stores = contract.changelogs.iter().map(|changelog| {
            let scope = scopes.get(changelog.store.as_str()).copied().unwrap_or_default();
            let topic_id = ids.get(&changelog.store).cloned().flatten();
            (changelog.store.clone(), NotedStore { topic_id, scope })
        });
        let inputs = contract.inputs.iter().map(|input| {
            let (topic, key) = (input.binding.topic.to_string(), input.binding.key.format);
            (input.port.name.clone(), NotedInput { topic, key })
        });
        Self { version: NOTE_VERSION, stores: stores.collect(), inputs: inputs.collect() }
    }

    /// Writes it down.
    ///
    /// # Errors
    /// When the broker does not take it now.
    pub fn write(&self, kafka: &ClientSettings, meta: &Arc<str>) -> Result<(), Outage> {
        let refused = |error: &KafkaError| Outage::new("state-note", format!("`{meta}`: {error}"));
        let value = serde_json::to_vec(self).map_err(|error| Outage::new("state-note", error.to_string()))?;
        let options = ProducerOptions {
            name: "state-note".to_owned(),
            transactional_id: None,
            topics: vec![Arc::clone(meta)],
            record_bytes_max: 1 << 20,
            properties: vec![("message.timeout.ms", "30000".to_owned())],
            overrides: Overrides::default(),
            final_properties: Vec::new(),
        };
        let mut producer = Producer::start(kafka, &options).map_err(|error| refused(&error))?;
        let record = Outgoing {
            topic: 0,
            partition: Partition(0),
            key: Some(KEY),
            value: Some(&value),
            timestamp: None,
            headers: &[],
            token: 0,
        };
        let sent = producer.send(&record).and_then(|()| producer.hand_over());
        sent.map_err(|error| match error {
            NotSentError::Client(error) => refused(&error),
            other => Outage::new("state-note", format!("`{meta}`: {other}")),
        })?;
        let until = Instant::now() + PATIENCE;
        while !producer.settle(READ_WAIT) && Instant::now() < until && !producer.has_undelivered() {}
        match producer.take_undelivered().first() {
            Some(undelivered) => Err(refused(&undelivered.error)),
            None if producer.outstanding() > 0 => {
                Err(Outage::new("broker-away", format!("`{meta}`: the brokers took no record in time")))
            }
            None => Ok(()),
        }
    }
}

/// Reads what a meta changelog of so many partitions says, up to what is committed now.
///
/// # Errors
/// See [`ChangelogFailure`].
pub fn read(
    kafka: &ClientSettings,
    admin: &Admin,
    meta: &Arc<str>,
    partitions: u32,
) -> Result<Recorded, ChangelogFailure> {
    let all: Vec<TopicPartition> = (0..i32::try_from(partitions).unwrap_or(i32::MAX))
        .map(|partition| TopicPartition { topic: Arc::clone(meta), partition: Partition(partition) })
        .collect();
    let asked = |error: KafkaError| Outage::new("changelog-unreadable", error.to_string());
    let first = admin.edges(&all, Edge::First).map_err(asked)?;
    let stable = admin.edges(&all, Edge::Stable).map_err(asked)?;
    let span =
        |(partition, (from, until))| ChangelogSpan { changelog: ChangelogIndex(0), partition, from, until };
    let spans = all.into_iter().zip(first.into_iter().zip(stable)).map(span).collect();
    let mut reader = ChangelogReader::start(kafka, format!("{meta}.check"), spans)?;
    let mut recorded = Recorded::default();
    let mut runs = Vec::new();
    let until = Instant::now() + PATIENCE;
    loop {
        let done = reader.read(READ_WAIT, &mut runs)?;
        for records in runs.drain(..).filter_map(|run| run.records) {
            for index in 0..records.len() {
                if let Some(key) = records.key(index) {
                    recorded.take(key, records.value(index));
                }
            }
        }
        if done {
            return Ok(recorded);
        }
        if Instant::now() > until {
            let left = reader.left();
            let message =
                format!("`{meta}` was not read within {} s: {left} records are left", PATIENCE.as_secs());
            return Err(Outage::new("changelog-unreadable", message).into());
        }
    }
}

impl Recorded {
    fn take(&mut self, key: &[u8], value: Option<&[u8]>) {
        if is_note(key) {
            if key == KEY {
                // One of a newer version says nothing to this one.
                self.note = value.and_then(|value| serde_json::from_slice(value).ok());
            }
            return;
        }
        let Some(MetaKey::Schema { store, index }) = key.get(GROUP_BYTES..).and_then(MetaKey::parse) else {
            return;
        };
        let text = value.and_then(|value| StoredValue::parse(value).ok());
        if let Some(text) = text.and_then(|value| String::from_utf8(value.body.to_vec()).ok()) {
            self.schemas.entry(store.to_owned()).or_default().insert(index, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::format::key_group;
    use crate::state::format::write_stored_key;

    #[test]
    fn no_state_key_is_a_note() {
        let mut key = Vec::new();
        for number in 0..10_000_u32 {
            key.clear();
            write_stored_key(&number.to_be_bytes(), b"suffix", &mut key);
            assert!(!is_note(&key), "group {}", key_group(&number.to_be_bytes()));
        }
        assert!(is_note(KEY));
    }

    #[test]
    fn notes_and_schemas_are_told_from_everything_else() {
        let note = StateNote {
            version: NOTE_VERSION,
            stores: BTreeMap::from([(
                "total".to_owned(),
                NotedStore { topic_id: Some("1f".to_owned()), scope: Scope::Partition },
            )]),
            inputs: BTreeMap::from([(
                "payments".to_owned(),
                NotedInput { topic: "payments".to_owned(), key: Format::Text },
            )]),
        };
        let text = serde_json::to_string(&note).expect("JSON");
        assert!(text.contains(r#""key":"text""#) && text.contains(r#""scope":"partition""#), "{text}");
        let mut recorded = Recorded::default();
        recorded.take(KEY, Some(b"{}"));
        assert_eq!(recorded.note, None);
        recorded.take(KEY, Some(text.as_bytes()));
        let schema = |store, index| {
            let mut key = key_group(b"any").to_be_bytes().to_vec();
            key.extend(MetaKey::Schema { store, index }.state_key());
            key
        };
        let mut value = Vec::new();
        StoredValue { schema: 0, write_time: 0, body: br#""long""# }.write(&mut value);
        recorded.take(&schema("total", 3), Some(&value));
        recorded.take(&schema("total", 4), Some(b"damaged"));
        recorded.take(&[0, 0, 1, b'x'], Some(&value));
        recorded.take(b"\xff\xffof a newer version", Some(b"?"));
        assert_eq!(recorded.note, Some(note));
        let schemas = BTreeMap::from([("total".to_owned(), BTreeMap::from([(3, "\"long\"".to_owned())]))]);
        assert_eq!(recorded.schemas, schemas);
    }
}
