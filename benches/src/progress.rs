//! How far a consumer group has come.

use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use rdkafka::Offset;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::BaseConsumer;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;

use crate::cpu_clock::process_cpu_seconds;
use crate::servers::PARTITIONS;
use crate::servers::Servers;

const REQUEST_MAX: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Watches how far a consumer group has come.
pub struct Progress {
    consumer: BaseConsumer,
    list: TopicPartitionList,
    /// Records of the topic: all its partitions begin at 0.
    end: i64,
}

impl Progress {
    /// Of this group in this topic, as long as the topic is now.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub fn of(servers: &Servers, group: &str, topic: &str) -> anyhow::Result<Self> {
        let consumer: BaseConsumer =
            servers.kafka.settings().set("group.id", group).set("enable.auto.commit", "false").create()?;
        let mut list = TopicPartitionList::new();
        let mut sum = 0;
        for partition in 0..PARTITIONS {
            let (_, end) = consumer.fetch_watermarks(topic, partition, REQUEST_MAX)?;
            list.add_partition(topic, partition);
            sum += end;
        }
        Ok(Self { consumer, list, end: sum })
    }

    /// How many records are committed.
    fn committed(&self) -> Result<i64, KafkaError> {
        let committed = self.consumer.committed_offsets(self.list.clone(), REQUEST_MAX)?;
        let offset = |offset| if let Offset::Offset(offset) = offset { offset } else { 0 };
        Ok(committed.elements().iter().map(|element| offset(element.offset())).sum())
    }

    /// Waits until everything is committed, looking after `is_alive` meanwhile.
    ///
    /// # Errors
    /// When it takes longer than `limit`, or `is_alive` fails.
    pub fn wait(
        &self,
        limit: Duration,
        mut is_alive: impl FnMut() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.watch(limit, |_| is_alive())
    }

    /// Waits likewise for a process to do the work: its records per CPU second in the second half of
    /// them; of all, if there were so few that the half was not seen.
    ///
    /// # Errors
    /// As of [`Self::wait`], or when there is no such process.
    pub fn measure(
        &self,
        pid: u32,
        limit: Duration,
        mut is_alive: impl FnMut() -> anyhow::Result<()>,
    ) -> anyhow::Result<f64> {
        let mut half = None;
        self.watch(limit, |committed| {
            is_alive()?;
            if half.is_none() && (self.end / 2..self.end).contains(&committed) {
                half = Some((committed, process_cpu_seconds(pid)?));
            }
            Ok(())
        })?;
        let cpu = process_cpu_seconds(pid)?;
        let (committed, cpu_before) = half.unwrap_or((0, 0.0));
        Ok((self.end - committed) as f64 / (cpu - cpu_before))
    }

    /// Tells how many records are committed, again and again until all are.
    fn watch(&self, limit: Duration, mut told: impl FnMut(i64) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let until = Instant::now() + limit;
        loop {
            // A broker that has just started has no coordinator for a moment.
            let answer = self.committed();
            let committed = *answer.as_ref().unwrap_or(&0);
            told(committed)?;
            if committed >= self.end {
                return Ok(());
            }
            if Instant::now() > until {
                answer.context("the broker does not tell the group's offsets")?;
                anyhow::bail!("the group has not read its topic within {limit:?}");
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}
