//! A pipeline of any guest on topics of its own, and the hosts that run it.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;
use tempfile::TempDir;

use crate::broker::shared_broker;
use crate::guests::guest;
use crate::kafka_client::KafkaClient;
use crate::names::unique_name;
use crate::registry::RegistryApi;
use crate::registry::shared_registry;
use crate::sidecar::Sidecar;
use crate::sidecar::SidecarPlan;

/// How long a host may take for the few records of a test, on a machine that is busy with others.
pub const DONE_MAX: Duration = Duration::from_secs(90);
/// How long a drain may take.
pub const DRAIN_MAX: Duration = Duration::from_secs(30);

/// Topics, bindings and file of a pipeline.
#[derive(Debug)]
pub struct TestPipeline {
    pub name: String,
    pub kafka: KafkaClient,
    pub registry: RegistryApi,
    pub partitions: i32,
    /// Lines added to the pipeline file.
    pub extra: String,
    component: PathBuf,
    inputs: Vec<Binding>,
    outputs: Vec<Binding>,
    dir: TempDir,
}

#[derive(Debug)]
struct Binding {
    port: String,
    topic: String,
    /// Such as `key: text, value: avro`.
    formats: String,
}

impl TestPipeline {
    /// A pipeline of a guest under `guests/` on the shared servers.
    ///
    /// # Errors
    /// When a server or the guest is missing.
    pub fn new(guest_name: &str, partitions: i32) -> Result<Self> {
        Self::on(shared_broker()?, shared_registry()?, guest_name, partitions)
    }

    /// The same on servers of the test's choice.
    ///
    /// # Errors
    /// When the guest cannot be built.
    pub fn on(kafka: KafkaClient, registry: RegistryApi, guest_name: &str, partitions: i32) -> Result<Self> {
        Ok(Self {
            name: unique_name("t"),
            kafka,
            registry,
            partitions,
            extra: String::new(),
            component: guest(guest_name)?,
            inputs: Vec::new(),
            outputs: Vec::new(),
            dir: tempfile::tempdir().context("make a folder for a host")?,
        })
    }

    /// Binds an input port to a new topic.
    ///
    /// # Errors
    /// When the broker refuses the topic.
    pub fn input(mut self, port: &str, formats: &str) -> Result<Self> {
        let topic = self.in_topic(port);
        self.kafka.create_topic(&topic, self.partitions, &[])?;
        self.inputs.push(Binding { port: port.to_owned(), topic, formats: formats.to_owned() });
        Ok(self)
    }

    /// Binds an output port to a new topic.
    ///
    /// # Errors
    /// When the broker refuses the topic.
    pub fn output(self, port: &str, formats: &str) -> Result<Self> {
        let topic = self.out_topic(port);
        self.kafka.create_topic(&topic, self.partitions, &[])?;
        Ok(self.output_to(port, &topic, formats))
    }

    /// Binds an output port to a topic that exists.
    #[must_use]
    pub fn output_to(mut self, port: &str, topic: &str, formats: &str) -> Self {
        self.outputs.push(Binding {
            port: port.to_owned(),
            topic: topic.to_owned(),
            formats: formats.to_owned(),
        });
        self
    }

    /// Adds lines to the pipeline file.
    #[must_use]
    pub fn with(mut self, lines: &str) -> Self {
        self.extra.push_str(lines);
        self.extra.push('\n');
        self
    }

    /// The topic of an input port.
    #[must_use]
    pub fn in_topic(&self, port: &str) -> String {
        format!("{}-in-{port}", self.name)
    }

    /// The topic of an output port that [`Self::output`] has bound.
    #[must_use]
    pub fn out_topic(&self, port: &str) -> String {
        format!("{}-out-{port}", self.name)
    }

    /// The dead-letter topic. The host creates it.
    #[must_use]
    pub fn letters(&self) -> String {
        format!("{}.dlq", self.name)
    }

    /// The group of its workers.
    #[must_use]
    pub fn group(&self) -> String {
        format!("wasmill.default.{}", self.name)
    }

    /// The pipeline file.
    #[must_use]
    pub fn file(&self) -> String {
        let Self { name, component, extra, .. } = self;
        let mut file = format!("version: 1\nname: {name}\ntransform: {{ file: {component:?} }}\n");
        for (side, bindings) in [("inputs", &self.inputs), ("outputs", &self.outputs)] {
            let _ = writeln!(file, "{side}:");
            for Binding { port, topic, formats } in bindings {
                let _ = writeln!(file, "  {port}: {{ topic: {topic}, {formats} }}");
            }
        }
        file + extra
    }

    /// A host that runs it.
    #[must_use]
    pub fn plan(&self, host: &str) -> SidecarPlan {
        SidecarPlan {
            dir: self.dir.path().join(host),
            brokers: self.kafka.address().to_owned(),
            registry: self.registry.url().to_owned(),
            host_id: host.to_owned(),
            pipeline: self.file(),
            settings: Vec::new(),
        }
    }

    /// Starts a host.
    ///
    /// # Errors
    /// When the binary is missing.
    pub fn start(&self, host: &str) -> Result<Sidecar> {
        self.plan(host).start()
    }

    /// Runs a host until every record is dealt with, and lets it drain.
    ///
    /// # Errors
    /// When it ends early, takes too long or does not drain well; its log's end is in the message.
    pub fn run(&self) -> Result<()> {
        let mut host = self.start("host-1")?;
        self.wait_until_done(&mut host)?;
        self.drain(&mut host)
    }

    /// SIGTERM, and an end in good order.
    ///
    /// # Errors
    /// When the host does not end in time, or ends with a failure.
    pub fn drain(&self, host: &mut Sidecar) -> Result<()> {
        let status = host.terminate(DRAIN_MAX)?;
        ensure!(status.success(), "the host ended with {status}; its log ends:\n{}", host.log_tail());
        Ok(())
    }

    /// Waits until the group has committed the end of every input partition.
    ///
    /// # Errors
    /// When the host ends by itself or takes too long.
    pub fn wait_until_done(&self, host: &mut Sidecar) -> Result<()> {
        let until = Instant::now() + DONE_MAX;
        while !self.is_done()? {
            if host.has_ended() {
                bail!("the host ended by itself; its log ends:\n{}", host.log_tail());
            }
            if Instant::now() > until {
                bail!("not done within {DONE_MAX:?}; the log ends:\n{}", host.log_tail());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Waits until its group has so many members.
    ///
    /// # Errors
    /// When it takes too long, or the broker does not answer.
    pub fn wait_for_members(&self, count: usize) -> Result<()> {
        let until = Instant::now() + DONE_MAX;
        loop {
            let members = self.kafka.members(&self.group())?;
            if members == count {
                return Ok(());
            }
            ensure!(Instant::now() < until, "{members} members of {count} after {DONE_MAX:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Whether every record of every input is committed.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub fn is_done(&self) -> Result<bool> {
        for Binding { topic, .. } in &self.inputs {
            for partition in 0..self.kafka.partitions(topic)? {
                let (_, end) = self.kafka.offsets(topic, partition)?;
                if end > 0 && self.kafka.committed(&self.group(), topic, partition)? != Some(end) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}
