//! Looking after topics and groups.

use std::collections::BTreeMap;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use anyhow::anyhow;
use anyhow::bail;
use rdkafka::ClientConfig;
use rdkafka::Offset;
use rdkafka::TopicPartitionList;
use rdkafka::admin::AdminClient;
use rdkafka::admin::AdminOptions;
use rdkafka::admin::AlterConfig;
use rdkafka::admin::NewPartitions;
use rdkafka::admin::NewTopic;
use rdkafka::admin::ResourceSpecifier;
use rdkafka::admin::TopicReplication;
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::BaseConsumer;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;

/// How long any one request to the broker may take.
pub(crate) const REQUEST_LIMIT: Duration = Duration::from_secs(30);

/// A broker's address, with what tests do there. Calls block; each opens its own connection.
#[derive(Debug, Clone)]
pub struct KafkaClient {
    address: String,
}

impl KafkaClient {
    /// `address` as of `bootstrap.servers`.
    pub fn new(address: impl Into<String>) -> Self {
        Self { address: address.into() }
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Settings of a client of this broker, to add to.
    pub fn settings(&self) -> ClientConfig {
        let mut settings = ClientConfig::new();
        settings.set("bootstrap.servers", &self.address);
        settings
    }

    /// Creates a topic with these settings, such as `("cleanup.policy", "compact")`, and waits until clients see it.
    ///
    /// # Errors
    /// It exists, a setting is wrong, or the broker does not answer.
    pub fn create_topic(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) -> Result<()> {
        let topic = NewTopic {
            name,
            num_partitions: partitions,
            replication: TopicReplication::Fixed(1),
            config: settings.to_vec(),
        };
        let created = self.administer(|admin, options| block_on(admin.create_topics([&topic], options)))?;
        one(created).with_context(|| format!("create the topic {name}"))?;
        self.wait_for_partitions(name, partitions)
    }

    /// Grows a topic to `partitions` in all.
    ///
    /// # Errors
    /// It has as many or more, does not exist, or the broker does not answer.
    pub fn grow_topic(&self, name: &str, partitions: i32) -> Result<()> {
        let count = usize::try_from(partitions).context("a count of partitions is positive")?;
        let wanted = NewPartitions::new(name, count);
        let grown =
            self.administer(|admin, options| block_on(admin.create_partitions([&wanted], options)))?;
        one(grown).with_context(|| format!("grow the topic {name} to {partitions} partitions"))?;
        self.wait_for_partitions(name, partitions)
    }

    /// Changes a topic's own settings: those not named here go back to the broker's defaults.
    ///
    /// # Errors
    /// There is no such topic, a setting is wrong, or the broker does not answer.
    pub fn configure_topic(&self, name: &str, settings: &[(&str, &str)]) -> Result<()> {
        let mut wanted = AlterConfig::new(ResourceSpecifier::Topic(name));
        for (setting, value) in settings {
            wanted = wanted.set(setting, value);
        }
        let changed =
            self.administer(|admin, options| Ok(block_on(admin.alter_configs([&wanted], options))??))?;
        match changed.into_iter().next() {
            Some(Err((_, code))) => bail!("configure the topic {name}: the broker refused: {code}"),
            Some(Ok(_)) => Ok(()),
            None => bail!("configure the topic {name}: the broker answered for no topic"),
        }
    }

    /// The settings of a topic that have a value, defaults included.
    ///
    /// # Errors
    /// There is no such topic, or the broker does not answer.
    pub fn topic_config(&self, name: &str) -> Result<BTreeMap<String, String>> {
        let asked = [ResourceSpecifier::Topic(name)];
        let told =
            self.administer(|admin, options| Ok(block_on(admin.describe_configs(&asked, options))??))?;
        let Some(resource) = told.into_iter().next() else {
            bail!("the settings of {name}: the broker answered for no topic");
        };
        let resource =
            resource.map_err(|code| anyhow!("the settings of {name}: the broker refused: {code}"))?;
        Ok(resource.entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?))).collect())
    }

    /// Deletes a topic.
    ///
    /// # Errors
    /// It does not exist, or the broker does not answer.
    pub fn delete_topic(&self, name: &str) -> Result<()> {
        let deleted = self.administer(|admin, options| block_on(admin.delete_topics(&[name], options)))?;
        one(deleted).with_context(|| format!("delete the topic {name}"))
    }

    /// Deletes the records of a partition before `offset`, as retention would.
    ///
    /// # Errors
    /// There is no such partition or offset, or the broker does not answer.
    pub fn delete_records_before(&self, topic: &str, partition: i32, offset: i64) -> Result<()> {
        let mut before = TopicPartitionList::new();
        before.add_partition_offset(topic, partition, Offset::Offset(offset))?;
        let deleted = self.administer(|admin, options| block_on(admin.delete_records(&before, options)))?;
        let deleted = deleted.with_context(|| format!("delete records of {topic}-{partition}"))?;
        for element in deleted.elements() {
            element
                .error()
                .with_context(|| format!("delete records of {topic}-{partition} before {offset}"))?;
        }
        Ok(())
    }

    /// The number of partitions of a topic; 0 if there is no such topic.
    ///
    /// # Errors
    /// The broker does not answer.
    pub fn partitions(&self, topic: &str) -> Result<i32> {
        let consumer: BaseConsumer = self.settings().create()?;
        let metadata = consumer.fetch_metadata(Some(topic), REQUEST_LIMIT)?;
        let partitions = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
        Ok(i32::try_from(partitions)?)
    }

    /// First offset and end (the next one to be written) of a partition, uncommitted records included.
    ///
    /// # Errors
    /// There is no such partition, or the broker does not answer.
    pub fn offsets(&self, topic: &str, partition: i32) -> Result<(i64, i64)> {
        let consumer: BaseConsumer = self.settings().set("isolation.level", "read_uncommitted").create()?;
        watermarks(&consumer, topic, partition)
    }

    /// What `group` has committed for a partition; `None` if nothing. Does not join the group. Waits for a
    /// broker that has never had a group and makes their topic first.
    ///
    /// # Errors
    /// The broker does not answer.
    pub fn committed(&self, group: &str, topic: &str, partition: i32) -> Result<Option<i64>> {
        let consumer: BaseConsumer = self.settings().set("group.id", group).create()?;
        let mut asked = TopicPartitionList::new();
        asked.add_partition(topic, partition);
        let committed = patient(|| consumer.committed_offsets(asked.clone(), REQUEST_LIMIT))?;
        let offset = committed.find_partition(topic, partition).map(|element| element.offset());
        Ok(match offset {
            Some(Offset::Offset(offset)) => Some(offset),
            _ => None,
        })
    }

    /// How many members `group` has now; 0 if there is no such group. Sees classic groups.
    ///
    /// # Errors
    /// The broker does not answer.
    pub fn members(&self, group: &str) -> Result<usize> {
        let consumer: BaseConsumer = self.settings().create()?;
        let groups = consumer.fetch_group_list(Some(group), REQUEST_LIMIT)?;
        Ok(groups
            .groups()
            .iter()
            .find(|listed| listed.name() == group)
            .map_or(0, |group| group.members().len()))
    }

    fn wait_for_partitions(&self, topic: &str, partitions: i32) -> Result<()> {
        let deadline = Instant::now() + REQUEST_LIMIT;
        loop {
            let seen = self.partitions(topic)?;
            if seen >= partitions {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("{topic} has {seen} of {partitions} partitions after {REQUEST_LIMIT:?}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn administer<T: Send>(
        &self,
        request: impl FnOnce(&AdminClient<DefaultClientContext>, &AdminOptions) -> Result<T> + Send,
    ) -> Result<T> {
        let settings = self.settings();
        // On a thread of its own: the caller may be inside an asynchronous runtime, which refuses to block.
        std::thread::scope(|scope| {
            let asked = scope.spawn(|| {
                let admin: AdminClient<DefaultClientContext> = settings.create()?;
                let options = AdminOptions::new().operation_timeout(Some(REQUEST_LIMIT));
                request(&admin, &options)
            });
            asked.join().map_err(|_| anyhow!("the thread of a request to the broker panicked"))?
        })
    }
}

/// First offset and end of a partition as far as the consumer's isolation level sees. Waits for a leader.
pub(crate) fn watermarks(consumer: &BaseConsumer, topic: &str, partition: i32) -> Result<(i64, i64)> {
    patient(|| consumer.fetch_watermarks(topic, partition, REQUEST_LIMIT))
        .with_context(|| format!("ask for the offsets of {topic}-{partition}"))
}

/// Asks again while a broker is starting.
fn patient<T>(ask: impl Fn() -> Result<T, KafkaError>) -> Result<T, KafkaError> {
    let deadline = Instant::now() + REQUEST_LIMIT;
    loop {
        match ask() {
            Err(error) if passes(&error) && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(20));
            }
            answer => return answer,
        }
    }
}

/// The errors of a broker that is starting: its partitions get their leaders, and its groups their coordinator,
/// a moment after it takes clients.
pub(crate) fn passes(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::NotLeaderForPartition
                | Code::NotCoordinator
                | Code::CoordinatorLoadInProgress
                | Code::CoordinatorNotAvailable
                | Code::LeaderNotAvailable
                | Code::BrokerTransportFailure
                | Code::AllBrokersDown
        )
    )
}

fn block_on<T>(future: impl Future<Output = T>) -> Result<T> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("start a runtime")?;
    Ok(runtime.block_on(future))
}

/// The broker's answer for the one topic that was asked for.
fn one(answer: Result<Vec<rdkafka::admin::TopicResult>, rdkafka::error::KafkaError>) -> Result<()> {
    match answer?.pop() {
        Some(Ok(_)) => Ok(()),
        Some(Err((_, code))) => bail!("the broker refused: {code}"),
        None => bail!("the broker answered for no topic"),
    }
}
