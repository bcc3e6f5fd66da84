//! Kafka out, into memory: transactions that a script aborts and records that it refuses.

use rand::Rng;

use crate::model::failure::Stage;
use crate::model::position::Offset;
use crate::model::position::Partition;
use crate::model::position::TopicPartition;
use crate::pipeline::fakes::LETTERS;
use crate::pipeline::fakes::OUTPUT;
use crate::pipeline::fakes::Shared;
use crate::pipeline::fakes::World;
use crate::pipeline::fakes::bad;
use crate::pipeline::fakes::is_changelog;
use crate::pipeline::ports::CommitFailure;
use crate::pipeline::ports::OutputRecord;
use crate::pipeline::ports::Refused;
use crate::pipeline::ports::SendFailure;
use crate::pipeline::ports::Sink;
use crate::pipeline::ports::SinkFailure;
use crate::pipeline::ports::TopicIndex;

/// A record that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) topic: TopicIndex,
    pub(crate) partition: Partition,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) bytes: Option<Vec<u8>>,
    /// The bytes as a number, where they are one.
    pub(crate) value: Option<i64>,
    pub(crate) timestamp: Option<i64>,
    pub(crate) headers: Vec<String>,
    token: u64,
}

pub(crate) struct FakeSink(pub(crate) Shared);

impl World {
    /// What the broker refuses of the open transaction.
    fn refused(&self) -> Vec<Refused> {
        let refuses = |sent: &&Sent| {
            let is_key = |key: &[u8]| self.broker_refuses_keys.contains(&(sent.topic.0, key.to_vec()));
            let is_of_timer = sent.topic == OUTPUT && sent.value < Some(0);
            sent.value.is_some_and(|v| self.broker_refuses.contains(&(sent.topic.0, v)))
                || (is_of_timer && sent.key.as_ref().is_some_and(|k| self.broker_refuses_timers.contains(k)))
                || sent.key.as_deref().is_some_and(is_key)
                || (self.refuses_every_letter && sent.topic == LETTERS)
        };
        let cause = bad("record-too-large", Stage::Produce);
        let refused = self.open.iter().filter(refuses);
        refused.map(|sent| Refused { token: sent.token, cause: cause.clone() }).collect()
    }

    fn aborts_now(&mut self) -> bool {
        if self.commit_aborts > 0 {
            self.commit_aborts -= 1;
            return true;
        }
        self.random_aborts.as_mut().is_some_and(|random| random.random_bool(0.3))
    }
}

impl Sink for FakeSink {
    type Group = ();

    fn begin(&mut self) -> Result<(), SinkFailure> {
        Ok(())
    }
    fn route(
        &mut self,
        _: TopicIndex,
        _: Option<&[u8]>,
        source: Partition,
    ) -> Result<Partition, SinkFailure> {
        Ok(source)
    }
    fn send(&mut self, record: &OutputRecord<'_>) -> Result<(), SendFailure> {
        if self.0.borrow().refuses_early {
            let refused = self.0.borrow().refused();
            if !refused.is_empty() {
                return Err(SendFailure::Abort { refused, reason: "scripted".to_owned() });
            }
        }
        self.0.borrow_mut().open.push(Sent {
            topic: record.topic,
            partition: record.partition,
            key: record.key.map(<[u8]>::to_vec),
            bytes: record.value.map(<[u8]>::to_vec),
            value: record.value.and_then(|value| Some(i64::from_be_bytes(value.try_into().ok()?))),
            timestamp: record.timestamp,
            headers: record.headers.iter().map(|(name, _)| (*name).to_owned()).collect(),
            token: record.token,
        });
        Ok(())
    }
    fn end_batch(&mut self) -> Result<(), SendFailure> {
        Ok(())
    }
    fn record_bytes_max(&self, _: TopicIndex) -> usize {
        1 << 20
    }
    fn commit(&mut self, positions: &[(TopicPartition, Offset)], (): &()) -> Result<(), CommitFailure> {
        let mut world = self.0.borrow_mut();
        let refused = world.refused();
        if !refused.is_empty() {
            return Err(CommitFailure::Refused(refused));
        }
        if world.aborts_now() {
            return Err(CommitFailure::Abort("scripted".to_owned()));
        }
        world.transactions += 1;
        let mut open = std::mem::take(&mut world.open);
        let changes = open.iter().filter(|sent| is_changelog(sent.topic)).cloned();
        world.keeper.lock().changelog.extend(changes);
        world.committed.append(&mut open);
        world.committed_offsets.extend(positions.iter().cloned());
        Ok(())
    }
    fn abort(&mut self) -> Result<(), SinkFailure> {
        let mut world = self.0.borrow_mut();
        world.aborts += 1;
        world.open.clear();
        Ok(())
    }
    fn release(&mut self) {}
}
