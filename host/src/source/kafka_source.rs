//! The consumer of one worker, as the core's source.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use crate::kafka::consumer::Consumer;
use crate::kafka::consumer::Received;
use crate::kafka::error::ErrorCode;
use crate::kafka::error::KafkaError;
use crate::kafka::events::Rebalance;
use crate::kafka::group::GroupMembership;
use crate::kafka::messages::Messages;
use crate::kafka::waker::Waker;
use crate::model::failure::Outage;
use crate::model::failure::Stop;
use crate::model::position::Offset;
use crate::model::position::Partition;
use crate::model::position::TopicPartition;
use crate::pipeline::ports::Source;
use crate::pipeline::ports::SourceEvent;
use crate::pipeline::ports::SourceFailure;
use crate::source::gone_offsets::GoneOffsets;
use crate::source::lag::lag;
use crate::source::last_records::has_records;
use crate::source::partitions::Partitions;
use crate::source::source_settings::SourceSettings;
use crate::source::topic_check::TopicCheck;
use crate::source::topic_check::topic_stop;

/// Most records taken from the client in one call; the rest of them wait in its queue.
const TAKE_MAX: usize = 4096;
/// How long the other partitions wait while it is asked where one starts.
const GONE_WAIT: Duration = Duration::from_secs(1);
/// How long a killed worker of the same name may still hold its membership.
const UNRELEASED_MAX: Duration = Duration::from_secs(60);
/// Statistics may be this old, so they say nothing of an outage that is younger.
const STATISTICS_AGE_MAX: Duration = Duration::from_secs(2);
/// Time between two attempts to join under a name that is still taken.
const REJOIN_INTERVAL: Duration = Duration::from_secs(1);

/// Kafka in, for one worker.
#[derive(Debug)]
pub struct KafkaSource {
    settings: SourceSettings,
    // Runs are dropped before the client they came from.
    partitions: Partitions,
    received: Vec<Received>,
    topic_check: TopicCheck,
    gone: GoneOffsets,
    /// The last trouble with the brokers, until they answer again.
    outage: Option<(Instant, Outage)>,
    /// When the coordinator first said that this worker's name is taken.
    name_taken: Option<NameTaken>,
    consumer: Consumer,
}

#[derive(Debug, Clone, Copy)]
struct NameTaken {
    since: Instant,
    tried: Instant,
}

impl KafkaSource {
    /// A source that has not joined its group yet.
    ///
    /// # Errors
    /// A [`Stop`] when the settings do not fit together or librdkafka refuses one.
    pub fn new(settings: SourceSettings) -> Result<Self, Stop> {
        let consumer = start(&settings)?;
        Ok(Self {
            settings,
            partitions: Partitions::default(),
            received: Vec::new(),
            topic_check: TopicCheck::default(),
            gone: GoneOffsets::default(),
            outage: None,
            name_taken: None,
            consumer,
        })
    }

    /// What lets another thread end a wait in [`Source::poll`].
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.consumer.waker()
    }

    /// Bytes of records that came in and were not handed out yet.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        self.partitions.held_bytes()
    }

    fn receive(&mut self, wait: Duration) -> Result<(), SourceFailure> {
        let (rows_max, bytes_max) = self.limits();
        let mut received = std::mem::take(&mut self.received);
        self.consumer.receive(wait, rows_max.min(TAKE_MAX), bytes_max, &mut received);
        let mut outcome = Ok(());
        for item in received.drain(..) {
            match item {
                Received::Run(run) => {
                    self.outage = None;
                    self.partitions.hold(run, rows_max, bytes_max);
                }
                Received::Failed { partition, error } => {
                    let handled = self.partition_failed(partition, &error);
                    outcome = outcome.and(handled);
                }
            }
        }
        self.received = received;
        outcome
    }

    fn limits(&self) -> (usize, u64) {
        (self.settings.batch.rows_max.max(1) as usize, self.settings.batch.bytes_max.max(1))
    }

    fn partition_failed(
        &mut self,
        partition: Option<TopicPartition>,
        error: &KafkaError,
    ) -> Result<(), SourceFailure> {
        let Some(partition) = partition else {
            return self.client_failed(error.clone());
        };
        let Some(next) = self.partitions.next(&partition) else {
            return self.client_failed(error.clone());
        };
        match error.code {
            ErrorCode::AUTO_OFFSET_RESET | ErrorCode::OFFSET_OUT_OF_RANGE | ErrorCode::NO_OFFSET => {
                self.gone.report(partition, next, Instant::now());
                Ok(())
            }
            _ => {
                // The batch call took the error for a record and moved the client's position.
                tracing::warn!(%partition, %error, "fetching failed; fetching again");
                // Where it is now, it would skip a record: an outage must not leave it there.
                self.seek_client(&[(partition, next)])
                    .map_err(|failure| SourceFailure::Fatal(failure.to_string()))?;
                self.client_failed(error.clone())
            }
        }
    }

    /// Says which offset is gone once the cluster has answered where its partition starts. What is asked
    /// in vain during an outage is asked again.
    fn check_gone(&mut self) -> Result<(), SourceFailure> {
        let partitions = &self.partitions;
        let due = self.gone.due(Instant::now(), |partition| partitions.next(partition));
        let Some((partition, offset)) = due else { return Ok(()) };
        let bounds = self.consumer.bounds_within(&partition, GONE_WAIT);
        let first = bounds.map_err(|error| failure(&error))?.start;
        Err(SourceFailure::OffsetGone { partition, offset, first })
    }

    /// Sorts an error of the whole client: some only ask for a closer look or for patience.
    fn client_failed(&mut self, error: KafkaError) -> Result<(), SourceFailure> {
        // A fatal error comes in as a mere notice that there is one.
        let error =
            if error.code == ErrorCode::FATAL { self.consumer.fatal_error().unwrap_or(error) } else { error };
        match error.code {
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
            | ErrorCode::UNKNOWN_TOPIC
            | ErrorCode::TOPIC_AUTHORIZATION_FAILED
            | ErrorCode::INVALID_TOPIC => {
                self.topic_check.doubt(Instant::now());
                Ok(())
            }
            ErrorCode::GROUP_AUTHORIZATION_FAILED => {
                Err(SourceFailure::Stop(group_forbidden(&self.settings)))
            }
            ErrorCode::INVALID_SESSION_TIMEOUT => Err(SourceFailure::Stop(session_not_taken(&error))),
            ErrorCode::FENCED_INSTANCE_ID => Err(SourceFailure::Stop(duplicate_host_id(&self.settings))),
            ErrorCode::UNRELEASED_INSTANCE_ID => self.name_is_taken(),
            ErrorCode::FATAL => Err(SourceFailure::Fatal(error.to_string())),
            _ if error.fatal => Err(SourceFailure::Fatal(error.to_string())),
            // One broker of several is no outage, and neither is a commit between two generations.
            ErrorCode::AUTHENTICATION | ErrorCode::SSL => {
                self.outage = Some((Instant::now(), error.outage()));
                Ok(())
            }
            // That no broker is left follows from a refused connection too, and says less.
            ErrorCode::ALL_BROKERS_DOWN => {
                let (since, _) = self.outage.get_or_insert_with(|| (Instant::now(), error.outage()));
                *since = Instant::now();
                Ok(())
            }
            _ => {
                tracing::info!(%error, "the consumer reports an error that it recovers from");
                Ok(())
            }
        }
    }

    /// A worker that was killed holds its name until its session ends: try again until then.
    fn name_is_taken(&mut self) -> Result<(), SourceFailure> {
        let now = Instant::now();
        let taken = *self.name_taken.get_or_insert(NameTaken { since: now, tried: now });
        if now.duration_since(taken.since) > UNRELEASED_MAX {
            return Err(SourceFailure::Stop(duplicate_host_id(&self.settings)));
        }
        Ok(())
    }

    fn rejoin_if_due(&mut self) -> Result<(), SourceFailure> {
        let Some(taken) = &mut self.name_taken else {
            return Ok(());
        };
        let now = Instant::now();
        if now.duration_since(taken.tried) < REJOIN_INTERVAL {
            return Ok(());
        }
        taken.tried = now;
        self.consumer = start(&self.settings)?;
        self.subscribe()
    }

    fn subscribe(&mut self) -> Result<(), SourceFailure> {
        self.consumer.subscribe(&self.settings.topics).map_err(|error| cannot_start(&error).into())
    }

    fn check_topics_if_due(&mut self) -> Result<(), SourceFailure> {
        let now = Instant::now();
        if !self.topic_check.is_due(now) {
            return Ok(());
        }
        let mut found = None;
        for topic in self.settings.topics.clone() {
            if let Err(error) = self.consumer.partition_count(&topic) {
                let Some(stop) = topic_stop(&topic, &error) else {
                    return Err(failure(&error));
                };
                found.get_or_insert(stop);
            }
        }
        Ok(self.topic_check.answer(found, Instant::now())?)
    }

    /// Moves the client. A partition that is not being fetched yet cannot be moved, so it is
    /// given up and taken again at its new position.
    fn seek_client(&mut self, positions: &[(TopicPartition, Offset)]) -> Result<(), SourceFailure> {
        let Err(error) = self.consumer.seek(positions) else {
            return Ok(());
        };
        tracing::debug!(%error, "the client cannot seek yet: assigning anew");
        let partitions: Vec<_> = positions.iter().map(|(partition, _)| partition.clone()).collect();
        let all = self.partitions.positions();
        self.consumer
            .unassign(&partitions)
            .and_then(|()| self.consumer.assign(positions, &all))
            .map_err(|error| failure(&error))?;
        let paused = self.partitions.paused();
        if paused.is_empty() { Ok(()) } else { self.consumer.pause(&paused).map_err(|error| failure(&error)) }
    }

    fn is_connected(&self) -> bool {
        self.consumer.statistics(|statistics| statistics.connected).unwrap_or(false)
    }

    fn next_event(&mut self) -> Option<SourceEvent<Messages>> {
        let change = self.consumer.next_rebalance()?;
        self.name_taken = None;
        self.outage = None;
        Some(match change {
            Rebalance::Assigned(partitions) => SourceEvent::Assigned(
                partitions.into_iter().map(|partition| self.shared(partition)).collect(),
            ),
            Rebalance::Revoked(partitions) => SourceEvent::Revoked(partitions),
            Rebalance::Lost(partitions) => SourceEvent::Lost(partitions),
        })
    }

    /// The same partition with the topic's name that all others share.
    fn shared(&self, partition: TopicPartition) -> TopicPartition {
        let topic = self.settings.topics.iter().find(|topic| ***topic == *partition.topic);
        TopicPartition { topic: topic.cloned().unwrap_or(partition.topic), partition: partition.partition }
    }
}

impl Source for KafkaSource {
    type Records = Messages;
    type Group = GroupMembership;

    fn join(&mut self) -> Result<(), SourceFailure> {
        self.subscribe()
    }

    fn commit_outside(&mut self, positions: &[(TopicPartition, Offset)]) -> Result<bool, SourceFailure> {
        match self.consumer.commit(positions) {
            Ok(()) => Ok(true),
            // Only an empty group takes offsets from outside.
            Err(error)
                if matches!(
                    error.code,
                    ErrorCode::UNKNOWN_MEMBER_ID
                        | ErrorCode::ILLEGAL_GENERATION
                        | ErrorCode::REBALANCE_IN_PROGRESS
                        | ErrorCode::FENCED_INSTANCE_ID
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(failure(&error)),
        }
    }

    fn poll(&mut self, wait: Duration) -> Result<SourceEvent<Messages>, SourceFailure> {
        self.rejoin_if_due()?;
        self.check_gone()?;
        // What is held is handed out first. Serving the client costs a lock, so it is served with
        // records at hand only once a run, without waiting.
        let ready = self.partitions.take();
        if ready.is_none() {
            self.receive(wait)?;
        }
        while let Some(error) = self.consumer.next_error() {
            self.client_failed(error)?;
        }
        if let Some(run) = ready {
            return Ok(SourceEvent::Records(run));
        }
        if let Some(event) = self.next_event() {
            return Ok(event);
        }
        if let Some(run) = self.partitions.take() {
            return Ok(SourceEvent::Records(run));
        }
        self.check_topics_if_due()?;
        match &self.outage {
            Some((since, _)) if since.elapsed() >= STATISTICS_AGE_MAX && self.is_connected() => {
                self.outage = None;
            }
            Some((_, outage)) => return Err(SourceFailure::Outage(outage.clone())),
            None => {}
        }
        Ok(SourceEvent::Idle)
    }

    fn start(&mut self, positions: &[(TopicPartition, Offset)]) -> Result<(), SourceFailure> {
        self.partitions.add(positions);
        let all = self.partitions.positions();
        self.consumer.assign(positions, &all).map_err(|error| failure(&error))
    }

    fn release(&mut self, partitions: &[TopicPartition]) -> Result<(), SourceFailure> {
        self.partitions.remove(partitions);
        self.consumer.unassign(partitions).map_err(|error| failure(&error))
    }

    fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<Offset>>, SourceFailure> {
        self.consumer.committed(partitions).map_err(|error| failure(&error))
    }

    fn bounds(&mut self, partition: &TopicPartition) -> Result<Range<Offset>, SourceFailure> {
        self.consumer.bounds(partition).map_err(|error| failure(&error))
    }

    fn offset_at(&mut self, partition: &TopicPartition, timestamp_ms: i64) -> Result<Offset, SourceFailure> {
        let found = self.consumer.offset_at(partition, timestamp_ms).map_err(|error| failure(&error))?;
        match found {
            Some(offset) => Ok(offset),
            None => Ok(self.bounds(partition)?.end),
        }
    }

    fn partitions(&mut self, topic: &str) -> Result<Vec<TopicPartition>, SourceFailure> {
        let count =
            self.consumer.partition_count(topic).map_err(|error| match topic_stop(topic, &error) {
                Some(stop) => SourceFailure::Stop(stop),
                None => failure(&error),
            })?;
        let topic: Arc<str> = Arc::from(topic);
        Ok((0..count as i32)
            .map(|index| TopicPartition { topic: Arc::clone(&topic), partition: Partition(index) })
            .collect())
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<(), SourceFailure> {
        self.partitions.set_paused(partitions, true);
        self.consumer.pause(partitions).map_err(|error| failure(&error))
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<(), SourceFailure> {
        self.partitions.set_paused(partitions, false);
        self.consumer.resume(partitions).map_err(|error| failure(&error))
    }

    fn seek(&mut self, positions: &[(TopicPartition, Offset)]) -> Result<(), SourceFailure> {
        self.partitions.seek(positions);
        self.seek_client(positions)
    }

    fn group(&mut self) -> Option<GroupMembership> {
        self.consumer.membership()
    }

    fn commit(&mut self, positions: &[(TopicPartition, Offset)]) -> Result<(), SourceFailure> {
        if self.consumer.membership().is_none() {
            // A coordinator of classic groups would take this commit from anyone.
            return Err(SourceFailure::Outage(Outage::new(
                "membership-lost",
                "this worker is no member of its group at the moment, so it must not commit",
            )));
        }
        self.consumer.commit(positions).map_err(|error| failure(&error))
    }

    fn has_records(&mut self, of: &TopicPartition, range: Range<Offset>) -> Result<bool, SourceFailure> {
        let name = format!("{}.end", self.settings.member);
        has_records(&self.settings.client, name, of, &range).map_err(|error| failure(&error))
    }

    fn lag(&self, partition: &TopicPartition) -> Option<u64> {
        let next = self.partitions.next(partition)?;
        lag(&self.consumer, partition, next, self.partitions.held(partition))
    }

    fn read_up_to(&self, partition: &TopicPartition) -> Option<Offset> {
        let next = self.partitions.next(partition)?;
        // Our own account knows records alone; the client's counts the markers behind them.
        (self.partitions.held(partition) == 0)
            .then(|| self.consumer.position(partition).map_or(next, |position| position.max(next)))
    }
}

fn start(settings: &SourceSettings) -> Result<Consumer, Stop> {
    Consumer::new(&settings.client, &settings.options()).map_err(|error| cannot_start(&error))
}

fn cannot_start(error: &KafkaError) -> Stop {
    Stop::new(
        "kafka-consumer",
        format!("the Kafka consumer cannot start: {}", error.message),
        "Correct the setting that the message names",
    )
}

fn failure(error: &KafkaError) -> SourceFailure {
    match error.code {
        code if code.is_outage() => SourceFailure::Outage(error.outage()),
        // Another generation has begun: an event says so soon.
        ErrorCode::REBALANCE_IN_PROGRESS | ErrorCode::ILLEGAL_GENERATION | ErrorCode::UNKNOWN_MEMBER_ID => {
            SourceFailure::Outage(Outage::new("rebalance", error.to_string()))
        }
        _ => SourceFailure::Fatal(error.to_string()),
    }
}

fn duplicate_host_id(settings: &SourceSettings) -> Stop {
    Stop::new(
        "duplicate-host-id",
        format!(
            "another live worker has this one's name in the group `{}`: `{}`",
            settings.group, settings.member
        ),
        "Give every host an id of its own (`--host-id`) and stop the other process",
    )
}

fn session_not_taken(error: &KafkaError) -> Stop {
    Stop::new(
        "kafka-timeouts",
        format!("the brokers do not take the session timeout: {}", error.message),
        "Set session.timeout.ms within what the brokers allow (group.min.session.timeout.ms to group.max.session.timeout.ms)",
    )
}

fn group_forbidden(settings: &SourceSettings) -> Stop {
    Stop::new(
        "group-forbidden",
        format!("the broker does not let this host use the consumer group `{}`", settings.group),
        "Allow the host's principal READ on the group",
    )
}
