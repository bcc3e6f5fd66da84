//! The changelog topics of a pipeline at the broker: made, checked, deleted.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use std::time::Instant;

use crate::app::contract::Contract;
use crate::app::contract_state::Changelog;
use crate::app::contract_state::META;
use crate::app::deploy::Deployed;
use crate::app::deploy::Mode;
use crate::app::deploy::is_missing;
use crate::app::deploy::refused_topic;
use crate::app::state_check;
use crate::app::state_note;
use crate::app::state_note::Recorded;
use crate::app::state_note::StateNote;
use crate::kafka::admin::Admin;
use crate::kafka::dev_broker::DevBroker;
use crate::kafka::error::ErrorCode;
use crate::kafka::error::KafkaError;
use crate::kafka::settings::ClientSettings;
use crate::model::failure::Code;
use crate::model::failure::Outage;
use crate::model::failure::Refusal;
use crate::model::ids::PipelineId;
use crate::source::changelog_reader::ChangelogFailure;

/// How long a tombstone stays in a changelog after compaction. State that was saved longer ago than this
/// is not used, because keys that were deleted since could be in it.
pub const TOMBSTONES_KEPT: Duration = Duration::from_secs(24 * 3600);
/// The largest record that a changelog must take: a value of the largest size with key and framing.
const RECORD_BYTES: usize = 1_048_588;

/// How long a topic that was just made may be unknown to some broker.
const TOPIC_GRACE: Duration = Duration::from_secs(5);
const TOPIC_ASK_INTERVAL: Duration = Duration::from_millis(100);

/// What a changelog is created with.
fn topic_config() -> [(&'static str, String); 5] {
    [
        ("cleanup.policy", "compact".to_owned()),
        // Compacted early and often: what lies between two compactions is read by every restore.
        ("min.cleanable.dirty.ratio", "0.2".to_owned()),
        ("segment.ms", "3600000".to_owned()),
        ("delete.retention.ms", TOMBSTONES_KEPT.as_millis().to_string()),
        ("max.message.bytes", RECORD_BYTES.to_string()),
    ]
}

/// The changelogs of one pipeline at one cluster.
pub(in crate::app) struct ChangelogTopics<'a> {
    pub(in crate::app) id: &'a PipelineId,
    pub(in crate::app) admin: &'a Admin,
    pub(in crate::app) kafka: &'a ClientSettings,
    /// The in-process broker, which makes topics through its handle only.
    pub(in crate::app) dev_broker: Option<&'a DevBroker>,
    /// Where this host has state on its disk; none where nothing runs.
    pub(in crate::app) folder: Option<&'a Path>,
}

impl ChangelogTopics<'_> {
    /// Checks every changelog, and under [`Mode::Apply`] makes those that are not there. `partitions` is
    /// the number that the input topics have.
    ///
    /// # Errors
    /// When the broker is away, so that nothing can be said.
    pub(in crate::app) fn deploy(
        &self,
        contract: &Contract,
        partitions: u32,
        mode: Mode,
        found: &mut Deployed,
    ) -> Result<(), Outage> {
        let existing = match self.existing() {
            Ok(existing) => existing,
            Err(error) if error.code.is_outage() => return Err(error.outage()),
            Err(error) => {
                found
                    .notices
                    .push(format!("changelogs of earlier versions could not be looked for: {error}"));
                Vec::new()
            }
        };
        self.removed_stores(contract, &existing, found);
        let recorded = self.recorded(contract, &existing, found)?;
        let mut ids = BTreeMap::new();
        let mut missing = Vec::new();
        for changelog in &contract.changelogs {
            match self.admin.partition_count(&changelog.topic) {
                Ok(count) if count == partitions => {
                    self.settings(changelog, found)?;
                    ids.insert(changelog.store.clone(), self.topic_id(changelog)?);
                }
                Ok(count) => found.refusals.push(self.wrong_count(changelog, count, partitions)),
                Err(error) if is_missing(error.code) => missing.push(changelog),
                Err(error) => refused_topic(&error, &changelog.topic, &field(changelog), found)?,
            }
        }
        state_check::check(contract, &recorded, &ids, found);
        // Nothing is made for a pipeline that is refused.
        if mode == Mode::Apply && found.refusals.is_empty() {
            // Meta first: where it is missing although others are there, it was lost.
            missing.sort_by_key(|changelog| changelog.store != META);
            for changelog in missing {
                self.create(changelog, partitions, found)?;
                if found.refusals.is_empty() {
                    ids.insert(changelog.store.clone(), self.topic_id(changelog)?);
                }
            }
            if found.refusals.is_empty() {
                self.note(contract, &ids, &recorded)?;
            }
        } else {
            found.notices.extend(missing.into_iter().map(|changelog| {
                let topic = &changelog.topic;
                format!("the changelog `{topic}` does not exist; a start creates it with {partitions} partitions, compacted")
            }));
        }
        Ok(())
    }

    /// Deletes every changelog of the pipeline, those of earlier versions included.
    ///
    /// # Errors
    /// When the broker is away or refuses.
    pub(in crate::app) fn delete(&self) -> Result<(), KafkaError> {
        for (topic, _) in self.existing()? {
            match self.admin.delete_topic(&topic) {
                Ok(()) => tracing::info!(pipeline = %self.id, %topic, "changelog deleted"),
                Err(error) if is_missing(error.code) => {}
                Err(error) => {
                    return Err(error.about(&topic.into()));
                }
            }
        }
        Ok(())
    }

    /// Changelogs of this pipeline that exist, with the names of their stores.
    fn existing(&self) -> Result<Vec<(String, String)>, KafkaError> {
        let mut topics = self.admin.topics_beginning(&format!("{}.", self.id.group()))?;
        topics.sort();
        let named = topics.into_iter().filter_map(|topic| {
            let store = self.id.store_of_changelog(&topic)?.to_owned();
            Some((topic, store))
        });
        Ok(named.collect())
    }

    /// A store that an earlier version had must not go unnoticed: were it to come back, it would hold
    /// what it held then.
    fn removed_stores(&self, contract: &Contract, existing: &[(String, String)], found: &mut Deployed) {
        for (topic, store) in existing {
            if contract.changelogs.iter().any(|changelog| *changelog.topic == **topic) {
                continue;
            }
            found.refusals.push(Refusal {
                code: Code("state-store-removed"),
                field: format!("state.{store}"),
                message: format!("an earlier version of this pipeline kept the store `{store}`, and this one has none of that name"),
                found: format!("the changelog `{topic}`"),
                expected: "a transform that still declares the store, under the same name".to_owned(),
                remedy: format!(
                    "Declare the store again (a renamed store begins empty). If what is in it is not needed any more, pause the pipeline, then delete its changelog: {}",
                    self.command("kafka-topics.sh", &format!("--delete --topic {topic}"))
                ),
            });
        }
    }

    /// What the meta changelog says of what ran before.
    fn recorded(
        &self,
        contract: &Contract,
        existing: &[(String, String)],
        found: &mut Deployed,
    ) -> Result<Recorded, Outage> {
        let Some(meta) = contract.changelogs.iter().find(|changelog| changelog.store == META) else {
            return Ok(Recorded::default());
        };
        if self.dev_broker.is_some() {
            return Ok(Recorded::default());
        }
        if !existing.iter().any(|(topic, _)| **topic == *meta.topic) {
            // It is made before any other, so whoever has state once had it.
            let left = match existing.first() {
                Some((topic, _)) => Some(format!("`{topic}`, but not `{}`", meta.topic)),
                None => self
                    .local_state()
                    .map(|folder| format!("state in {}, but no changelog", folder.display())),
            };
            found.refusals.extend(left.map(|left| self.missing_meta(meta, left)));
            return Ok(Recorded::default());
        }
        let partitions = match self.admin.partition_count(&meta.topic) {
            Ok(partitions) => partitions,
            Err(error) if error.code.is_outage() => return Err(error.outage()),
            // It is refused with the others.
            Err(_) => return Ok(Recorded::default()),
        };
        match state_note::read(self.kafka, self.admin, &meta.topic, partitions) {
            Ok(recorded) => Ok(recorded),
            Err(ChangelogFailure::Outage(outage)) => Err(outage),
            Err(failure @ ChangelogFailure::OffsetGone { .. }) => {
                Err(Outage::new("changelog-unreadable", failure.to_string()))
            }
            Err(ChangelogFailure::Stop(stop)) => {
                found.refusals.push(Refusal {
                    code: stop.code,
                    field: field(meta),
                    message: "what earlier versions kept could not be looked at".to_owned(),
                    found: stop.message,
                    expected: "a changelog that this host may read".to_owned(),
                    remedy: stop.remedy.into_owned(),
                });
                Ok(Recorded::default())
            }
        }
    }

    /// The folder of this pipeline's state on this host, if there is any.
    fn local_state(&self) -> Option<PathBuf> {
        let folder = self.folder?.join(self.id.tenant.as_str()).join(self.id.pipeline.as_str());
        let any = std::fs::read_dir(&folder)
            .ok()?
            .flatten()
            .any(|task| task.path().join("identity.json").is_file());
        any.then_some(folder)
    }

    fn missing_meta(&self, meta: &Changelog, left: String) -> Refusal {
        let group = self.id.group();
        let over = self.command("kafka-consumer-groups.sh", &format!("--delete --group {group}"));
        Refusal {
            code: Code("changelog-missing"),
            field: field(meta),
            message: "changelogs that this pipeline's state was written to are gone".to_owned(),
            found: left,
            expected: format!("the changelog `{}`", meta.topic),
            remedy: format!(
                "Bring the topics back if you can. To start over with an empty state, delete the pipeline and create it anew; without a control plane, delete the topics that begin with `{group}.`, the pipeline's folders of state on every host, and its group: {over}"
            ),
        }
    }

    /// None where topics have no ids.
    fn topic_id(&self, changelog: &Changelog) -> Result<Option<String>, Outage> {
        if self.dev_broker.is_some() {
            return Ok(None);
        }
        let until = Instant::now() + TOPIC_GRACE;
        loop {
            match self.admin.topic_id(&changelog.topic) {
                Ok(id) => return Ok(id.map(|id| id.to_string())),
                // The news of a topic that was just made takes a moment to reach every broker.
                Err(error) if is_missing(error.code) && Instant::now() < until => {
                    std::thread::sleep(TOPIC_ASK_INTERVAL);
                }
                Err(error) if error.code.is_outage() || is_missing(error.code) => return Err(error.outage()),
                Err(error) => {
                    tracing::warn!(topic = %changelog.topic, %error, "the topic's id is not known");
                    return Ok(None);
                }
            }
        }
    }

    fn note(
        &self,
        contract: &Contract,
        ids: &BTreeMap<String, Option<String>>,
        recorded: &Recorded,
    ) -> Result<(), Outage> {
        let meta = contract.changelogs.iter().find(|changelog| changelog.store == META);
        let Some(meta) = meta.filter(|_| self.dev_broker.is_none()) else { return Ok(()) };
        let note = StateNote::of(contract, ids);
        if recorded.note.as_ref() == Some(&note) { Ok(()) } else { note.write(self.kafka, &meta.topic) }
    }

    fn settings(&self, changelog: &Changelog, found: &mut Deployed) -> Result<(), Outage> {
        // It answers no such question, and compacts nothing.
        if self.dev_broker.is_some() {
            return Ok(());
        }
        let topic = &changelog.topic;
        let keys = ["cleanup.policy", "max.message.bytes"];
        let [policy, bytes] = match self.admin.topic_configs(topic, keys) {
            Ok(values) => values,
            Err(error) if error.code.is_outage() => return Err(error.outage()),
            Err(error) => {
                found
                    .notices
                    .push(format!("the settings of the changelog `{topic}` could not be checked: {error}"));
                return Ok(());
            }
        };
        if let Some(policy) = policy.filter(|policy| policy.trim() != "compact") {
            found.refusals.push(Refusal {
                code: Code("changelog-cleanup-policy"),
                field: field(changelog),
                message: format!("the changelog `{topic}` would not keep the newest value of every key"),
                found: format!("cleanup.policy={policy}"),
                expected: "cleanup.policy=compact".to_owned(),
                remedy: format!(
                    "Change it, and if records may have been deleted by age already, start over with a new pipeline: {}",
                    self.alter_config(topic, "cleanup.policy=compact")
                ),
            });
        }
        let bytes = bytes.and_then(|bytes| bytes.parse::<usize>().ok());
        if let Some(bytes) = bytes.filter(|bytes| *bytes < RECORD_BYTES) {
            found.notices.push(format!(
                "the changelog `{topic}` takes records of at most {bytes} bytes; a larger value of state would stop the pipeline. To mend it: {}",
                self.alter_config(topic, &format!("max.message.bytes={RECORD_BYTES}"))
            ));
        }
        Ok(())
    }

    fn wrong_count(&self, changelog: &Changelog, count: u32, partitions: u32) -> Refusal {
        let topic = &changelog.topic;
        let remedy = if count < partitions {
            format!(
                "If the input has grown, its keys have moved to other partitions and their state has not: write it to a new topic with {count} partitions, or start over with a new pipeline. Only where state is not kept by key, or was never written, let the changelog grow: {}",
                self.command(
                    "kafka-topics.sh",
                    &format!("--alter --topic {topic} --partitions {partitions}")
                )
            )
        } else {
            format!(
                "If the topic is empty, delete it, and the next start makes it anew: {}. Otherwise give the inputs {count} partitions.",
                self.command("kafka-topics.sh", &format!("--delete --topic {topic}"))
            )
        };
        Refusal {
            code: Code("changelog-partitions"),
            field: field(changelog),
            message: format!("the changelog `{topic}` does not have as many partitions as the inputs"),
            found: count.to_string(),
            expected: format!("{partitions}: task n keeps its state in partition n"),
            remedy,
        }
    }

    fn create(&self, changelog: &Changelog, partitions: u32, found: &mut Deployed) -> Result<(), Outage> {
        let topic = &changelog.topic;
        let config = topic_config();
        let made = match self.dev_broker {
            Some(broker) => broker.create_topic(topic, partitions),
            None => {
                let config = config.each_ref().map(|(key, value)| (*key, value.as_str()));
                self.admin.create_topic(topic, partitions, None, &config)
            }
        };
        match made {
            Ok(()) => {
                tracing::info!(pipeline = %self.id, %topic, partitions, "changelog created");
                Ok(())
            }
            // By another host, just now.
            Err(error) if error.code == ErrorCode::TOPIC_ALREADY_EXISTS => Ok(()),
            Err(error) if error.code.is_outage() => Err(error.outage()),
            Err(error) => {
                let config: Vec<String> =
                    config.iter().map(|(key, value)| format!("--config {key}={value}")).collect();
                let create =
                    format!("--create --topic {topic} --partitions {partitions} {}", config.join(" "));
                found.refusals.push(Refusal {
                    code: Code("changelog-not-created"),
                    field: field(changelog),
                    message: format!("the changelog `{topic}` does not exist and could not be created"),
                    found: error.to_string(),
                    expected: "a topic that exists, or the right to create topics that begin with `wasmill.`"
                        .to_owned(),
                    remedy: format!(
                        "Grant the right, or create it: {}",
                        self.command("kafka-topics.sh", &create)
                    ),
                });
                Ok(())
            }
        }
    }

    fn alter_config(&self, topic: &str, setting: &str) -> String {
        let what = format!("--alter --entity-type topics --entity-name {topic} --add-config {setting}");
        self.command("kafka-configs.sh", &what)
    }

    fn command(&self, tool: &str, what: &str) -> String {
        format!("`{tool} --bootstrap-server {} {what}`", self.kafka.brokers())
    }
}

fn field(changelog: &Changelog) -> String {
    format!("state.{}", changelog.store)
}
