//! The producer of one worker, as the core's sink.

use std::time::Duration;
use std::time::Instant;

use crate::kafka::admin::Admin;
use crate::kafka::error::ErrorCode;
use crate::kafka::error::KafkaError;
use crate::kafka::group::GroupMembership;
use crate::kafka::producer::NotSentError;
use crate::kafka::producer::Outgoing;
use crate::kafka::producer::Producer;
use crate::model::failure::Stop;
use crate::model::pipeline_spec::Delivery;
use crate::model::position::Offset;
use crate::model::position::Partition;
use crate::model::position::TopicPartition;
use crate::pipeline::ports::CommitFailure;
use crate::pipeline::ports::OutputRecord;
use crate::pipeline::ports::SendFailure;
use crate::pipeline::ports::Sink;
use crate::pipeline::ports::SinkFailure;
use crate::pipeline::ports::TopicIndex;
use crate::sink::router::Router;
use crate::sink::sink_settings::SinkSettings;
use crate::sink::suspects::Suspects;
use crate::sink::transaction::Open;
use crate::sink::transaction::Ready;
use crate::sink::transaction::Starting;
use crate::sink::transaction::hand_over_all;
use crate::sink::transaction::settle_all;
use crate::sink::transaction::why_not_taken;
use crate::sink::trouble::sink_failure;
use crate::sink::trouble::too_large;

/// Longest wait for the cluster in one call; the caller tries again after an outage.
const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// How long a topic's partition count is taken as still true.
const COUNT_AGE_MAX: Duration = Duration::from_secs(60);
/// How long a topic may be unknown before the pipeline stops.
const TOPIC_GRACE: Duration = Duration::from_secs(5);
const TOPIC_ASK_INTERVAL: Duration = Duration::from_millis(100);
/// How long what was sent without a transaction is waited for when its cycle is aborted.
const PLAIN_SETTLE_MAX: Duration = Duration::from_secs(2);
const PLAIN_SETTLE_STEP: Duration = Duration::from_millis(50);
/// Kafka's default of `max.message.bytes`, where a topic's own may not be read.
const TOPIC_BYTES_MAX: usize = 1_048_588;

/// Kafka out, for one worker.
///
/// The producer is made when it is first needed, and may be given up while the pipeline is idle.
#[derive(Debug)]
pub struct KafkaSink {
    settings: SinkSettings,
    state: State,
    /// By topic: the largest record batch that the broker takes.
    topic_bytes_max: Vec<usize>,
    /// By topic. The count is 0 until it is asked for.
    routes: Vec<(Router, u32)>,
    counted: Option<Instant>,
    suspects: Suspects,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    None,
    Starting(Starting),
    Ready(Ready),
    Open(Open),
    /// Without transactions.
    Plain(Producer),
}

impl KafkaSink {
    /// Checks the settings; connects later.
    ///
    /// # Errors
    /// When the settings do not fit together.
    pub fn new(settings: SinkSettings) -> Result<Self, Stop> {
        settings.check()?;
        let routes = settings.topics.iter().map(|(_, by)| (Router::new(*by), 0)).collect();
        Ok(Self {
            settings,
            state: State::None,
            topic_bytes_max: Vec::new(),
            routes,
            counted: None,
            suspects: Suspects::default(),
        })
    }

    /// Drops the producer unless a transaction is open or records are on their way. Tells whether
    /// there is none now. The next [`Sink::begin`] makes a new one.
    pub fn release_idle(&mut self) -> bool {
        match &self.state {
            State::None => return true,
            State::Open(_) => return false,
            State::Plain(producer) if producer.outstanding() > 0 => return false,
            State::Starting(_) | State::Ready(_) | State::Plain(_) => {}
        }
        self.state = State::None;
        true
    }

    /// The largest record batch in bytes, compressed, that a topic takes. A guess at Kafka's
    /// default until the first [`Sink::begin`], or where the topic's configuration is forbidden.
    #[must_use]
    pub fn topic_bytes_max(&self, topic: TopicIndex) -> usize {
        self.topic_bytes_max.get(topic.0 as usize).copied().unwrap_or(TOPIC_BYTES_MAX)
    }

    /// The limits of the topics, read once: a topic whose limit changes later is found out by a
    /// refusal.
    fn read_limits(&mut self) -> Result<(), SinkFailure> {
        if self.topic_bytes_max.len() == self.settings.topics.len() {
            return Ok(());
        }
        if let Some(limit) = self.settings.topic_bytes_max {
            self.topic_bytes_max = vec![limit; self.settings.topics.len()];
            return Ok(());
        }
        let admin = Admin::start(&self.settings.client, ANSWER_WAIT).map_err(|error| cannot_start(&error))?;
        let mut limits = Vec::new();
        for (topic, _) in &self.settings.topics {
            let limit = match patient(|| admin.topic_config(topic, "max.message.bytes")) {
                Ok(limit) => limit.and_then(|limit| limit.parse().ok()).unwrap_or(TOPIC_BYTES_MAX),
                Err(error) if error.code == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => {
                    return Err(sink_failure(&error.about(topic)));
                }
                Err(error) if error.code.is_outage() => return Err(SinkFailure::Outage(error.outage())),
                Err(error) => {
                    tracing::warn!(%topic, %error, "the topic's largest record is not known");
                    TOPIC_BYTES_MAX
                }
            };
            limits.push(limit);
        }
        self.topic_bytes_max = limits;
        Ok(())
    }

    fn start_producer(&mut self) -> Result<Producer, SinkFailure> {
        self.read_limits()?;
        let smallest = self.topic_bytes_max.iter().copied().min().unwrap_or(TOPIC_BYTES_MAX);
        let options = self.settings.options(smallest)?;
        Producer::start(&self.settings.client, &options).map_err(|error| cannot_start(&error))
    }

    fn producer(&mut self) -> Option<&mut Producer> {
        match &mut self.state {
            State::Plain(producer) => Some(producer),
            State::Ready(ready) => Some(ready.producer()),
            State::Open(open) => Some(open.producer()),
            State::None | State::Starting(_) => None,
        }
    }

    /// One step towards a producer that can send.
    fn advance(&mut self) -> Result<(), SinkFailure> {
        self.state = match std::mem::take(&mut self.state) {
            State::None => {
                let producer = self.start_producer()?;
                match self.settings.delivery {
                    Delivery::ExactlyOnce => State::Starting(Starting::new(producer)),
                    Delivery::AtLeastOnce => State::Plain(producer),
                }
            }
            State::Starting(starting) => match starting.init(ANSWER_WAIT) {
                Ok(ready) => State::Ready(ready),
                Err(unready) => {
                    if let Some(starting) = unready.again {
                        self.state = State::Starting(starting);
                        return Err(SinkFailure::Outage(unready.error.outage()));
                    }
                    return Err(sink_failure(&unready.error));
                }
            },
            State::Ready(ready) => State::Open(ready.begin().map_err(|error| sink_failure(&error))?),
            state @ (State::Open(_) | State::Plain(_)) => state,
        };
        Ok(())
    }

    /// Asks for the partition counts when they are not known or old.
    fn refresh_counts(&mut self) -> Result<(), SinkFailure> {
        let now = Instant::now();
        if self.counted.is_some_and(|at| now.duration_since(at) < COUNT_AGE_MAX) {
            return Ok(());
        }
        for topic in 0..self.routes.len() {
            let Some(producer) = self.producer() else {
                return Err(SinkFailure::Fatal("there is no producer to ask".to_owned()));
            };
            let answer = patient(|| producer.partition_count(topic));
            let Some((_, known)) = self.routes.get_mut(topic) else { continue };
            match answer {
                Ok(count) => *known = count,
                // An old count is better than none while the brokers are away.
                Err(error) if error.code.is_outage() && *known > 0 => {}
                Err(error) => {
                    return Err(sink_failure(&match self.settings.topics.get(topic) {
                        Some((name, _)) => error.about(name),
                        None => error,
                    }));
                }
            }
        }
        self.counted = Some(now);
        Ok(())
    }

    fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_) | State::Plain(_))
    }

    /// Waits until what was sent is written, so that the next record is in a batch of its own. What
    /// fails meanwhile is told by the commit.
    fn end_client_batch(&mut self) {
        let Some(producer) = self.producer() else { return };
        while let Err(NotSentError::Full) = producer.hand_over() {
            producer.serve(Duration::from_millis(5));
        }
        while !producer.settle(Duration::from_millis(50)) {
            if producer.has_undelivered() || producer.fatal_error().is_some() {
                return;
            }
        }
    }

    fn not_sent(&mut self, error: NotSentError, token: u64) -> SendFailure {
        match error {
            NotSentError::Full => {
                if let Some(producer) = self.producer() {
                    producer.serve(Duration::ZERO);
                }
                SendFailure::Full
            }
            NotSentError::TooLarge { bytes, limit } => SendFailure::Refused(too_large(bytes, limit), token),
            NotSentError::Client(error) => self.not_taken(&error),
        }
    }
}

impl KafkaSink {
    /// An open transaction in which a record failed takes no more: what failed decides, not this.
    fn not_taken(&mut self, error: &KafkaError) -> SendFailure {
        let State::Open(open) = &mut self.state else {
            let fatal = self.producer().and_then(|producer| producer.fatal_error());
            return SendFailure::Sink(sink_failure(fatal.as_ref().unwrap_or(error)));
        };
        match why_not_taken(open.producer(), error, &mut self.suspects) {
            CommitFailure::Refused(refused) => {
                SendFailure::Abort { refused, reason: "the broker refused records".to_owned() }
            }
            CommitFailure::Abort(reason) => SendFailure::Abort { refused: Vec::new(), reason },
            CommitFailure::Sink(failure) => SendFailure::Sink(failure),
        }
    }
}

impl Sink for KafkaSink {
    type Group = GroupMembership;

    fn begin(&mut self) -> Result<(), SinkFailure> {
        while !self.is_open() {
            self.advance()?;
        }
        self.refresh_counts()
    }

    #[inline]
    fn route(
        &mut self,
        topic: TopicIndex,
        key: Option<&[u8]>,
        source: Partition,
    ) -> Result<Partition, SinkFailure> {
        match self.routes.get_mut(topic.0 as usize) {
            Some((router, count @ 1..)) => Ok(router.route(key, source, *count)),
            _ => Err(SinkFailure::Fatal(format!("output topic {} was not begun", topic.0))),
        }
    }

    #[inline]
    fn send(&mut self, record: &OutputRecord<'_>) -> Result<(), SendFailure> {
        let outgoing = Outgoing {
            topic: record.topic.0 as usize,
            partition: record.partition,
            key: record.key,
            value: record.value,
            timestamp: record.timestamp,
            headers: record.headers,
            token: record.token,
        };
        if self.suspects.is_other_group((outgoing.topic, outgoing.partition.0), outgoing.token) {
            self.end_client_batch();
        }
        let sent = match &mut self.state {
            State::Open(open) => open.producer().send(&outgoing),
            State::Plain(producer) => producer.send(&outgoing),
            State::None | State::Starting(_) | State::Ready(_) => {
                self.begin()?;
                return self.send(record);
            }
        };
        sent.map_err(|error| self.not_sent(error, record.token))
    }

    fn end_batch(&mut self) -> Result<(), SendFailure> {
        // With transactions nobody sees a record before the commit, so gathering costs nothing.
        let State::Plain(producer) = &mut self.state else {
            return Ok(());
        };
        let handed = producer.hand_over();
        handed.map_err(|error| self.not_sent(error, 0))
    }

    fn commit(
        &mut self,
        positions: &[(TopicPartition, Offset)],
        group: &GroupMembership,
    ) -> Result<(), CommitFailure> {
        if matches!(self.settings.delivery, Delivery::ExactlyOnce) {
            // A commit of offsets alone needs a transaction too.
            self.begin()?;
        }
        match std::mem::take(&mut self.state) {
            State::Open(open) => match open.commit(positions, group, &mut self.suspects) {
                Ok(ready) => {
                    self.suspects.clear();
                    self.state = State::Ready(ready);
                    Ok(())
                }
                Err(failed) => {
                    let (open, failure) = *failed;
                    self.state = State::Open(open);
                    Err(failure)
                }
            },
            State::Plain(mut producer) => {
                let outcome = hand_over_all(&mut producer, &mut self.suspects)
                    .and_then(|()| settle_all(&mut producer, &mut self.suspects));
                if outcome.is_ok() {
                    self.suspects.clear();
                }
                self.state = State::Plain(producer);
                outcome
            }
            state @ (State::None | State::Starting(_) | State::Ready(_)) => {
                self.state = state;
                Ok(())
            }
        }
    }

    fn abort(&mut self) -> Result<(), SinkFailure> {
        match std::mem::take(&mut self.state) {
            State::Open(open) => match open.abort(ANSWER_WAIT) {
                Ok(ready) => self.state = State::Ready(ready),
                Err(error) if error.code.is_fenced() => return Err(SinkFailure::Fenced(error.to_string())),
                // Its successor settles the transaction, or the coordinator by its timeout.
                Err(error) => tracing::warn!(%error, "a transaction was not aborted; making a new producer"),
            },
            // What is on its way cannot be called back. It is waited for, so that it does not come
            // between the records that follow, and given up with the producer only if it takes long.
            State::Plain(mut producer) => {
                producer.clear();
                let until = Instant::now() + PLAIN_SETTLE_MAX;
                while !producer.settle(PLAIN_SETTLE_STEP) && Instant::now() < until {}
                // Reports of what failed: the caller knows already that its work is to be done again.
                producer.clear();
                if producer.outstanding() == 0 && producer.fatal_error().is_none() {
                    self.state = State::Plain(producer);
                }
            }
            state @ (State::None | State::Starting(_) | State::Ready(_)) => self.state = state,
        }
        Ok(())
    }

    fn release(&mut self) {
        if self.release_idle() {
            self.counted = None;
        }
    }

    fn record_bytes_max(&self, topic: TopicIndex) -> usize {
        self.topic_bytes_max(topic)
    }
}

/// Asks again for a while when a topic is not known: the news of a topic that was just created takes
/// a moment to reach every broker.
fn patient<T>(mut ask: impl FnMut() -> Result<T, KafkaError>) -> Result<T, KafkaError> {
    let until = Instant::now() + TOPIC_GRACE;
    loop {
        match ask() {
            Err(error)
                if matches!(error.code, ErrorCode::UNKNOWN_TOPIC | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
                    && Instant::now() < until =>
            {
                std::thread::sleep(TOPIC_ASK_INTERVAL);
            }
            answer => return answer,
        }
    }
}

fn cannot_start(error: &KafkaError) -> SinkFailure {
    SinkFailure::Stop(Stop::new(
        "kafka-producer",
        format!("the Kafka producer cannot start: {}", error.message),
        "Correct the setting that the message names",
    ))
}
