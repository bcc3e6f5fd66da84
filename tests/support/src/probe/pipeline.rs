//! The probe as a pipeline, and the comparison with the model.

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;

use crate::kafka_client::KafkaClient;
use crate::probe::answer::Answer;
use crate::probe::changelogs;
use crate::probe::command::COMMAND_SCHEMA;
use crate::probe::command::Command;
use crate::probe::model::Model;
use crate::record::ConsumedRecord;
use crate::registry::RegistryApi;
use crate::test_pipeline::TestPipeline;

/// A pipeline of the guest `state-probe`. Answers stand in the partition of their commands.
#[derive(Debug)]
pub struct Probe {
    pub pipeline: TestPipeline,
    schema: u32,
    copies_late: bool,
}

impl Probe {
    /// `copies_late`: late commands are not done, but copied to a topic.
    ///
    /// # Errors
    /// When a server refuses, or the guest cannot be built.
    pub fn on(kafka: KafkaClient, registry: RegistryApi, partitions: i32, copies_late: bool) -> Result<Self> {
        let pipeline = TestPipeline::on(kafka, registry, "state-probe", partitions)?;
        let late = late_topic(&pipeline);
        let formats = if copies_late {
            pipeline.kafka.create_topic(&late, partitions, &[])?;
            format!("key: text, value: avro, event_time: {{ late: {{ topic: {late} }} }}")
        } else {
            "key: text, value: avro".to_owned()
        };
        let pipeline = pipeline
            .input("commands", &formats)?
            .output("answers", "key: text, value: avro, partition_by: source-partition")?;
        let subject = format!("{}-value", pipeline.in_topic("commands"));
        let schema = pipeline.registry.register_avro(&subject, COMMAND_SCHEMA)?;
        Ok(Self { pipeline, schema, copies_late })
    }

    /// Adds lines to the pipeline file.
    #[must_use]
    pub fn with(self, lines: &str) -> Self {
        Self { pipeline: self.pipeline.with(lines), ..self }
    }

    /// Writes commands to a partition, in order.
    ///
    /// # Errors
    /// When the broker does not take them.
    pub fn feed(&self, partition: i32, commands: impl IntoIterator<Item = Command>) -> Result<()> {
        let records = commands.into_iter().map(|command| command.record(self.schema, partition));
        self.pipeline.kafka.produce(&self.pipeline.in_topic("commands"), records)
    }

    /// The model of every partition, after all that lies in the topic.
    ///
    /// # Errors
    /// When the topic cannot be read.
    pub fn models(&self) -> Result<Vec<Model>> {
        let mut models: Vec<Model> =
            (0..self.pipeline.partitions).map(|_| Model::new(self.copies_late)).collect();
        for record in self.pipeline.kafka.read_uncommitted(&self.pipeline.in_topic("commands"))? {
            let model = models.get_mut(usize::try_from(record.partition)?).context("a partition too many")?;
            model.apply(&Command::of(&record)?);
        }
        Ok(models)
    }

    /// How many answers are committed.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub fn answered(&self) -> Result<usize> {
        Ok(self.pipeline.kafka.read_committed_now(&self.pipeline.out_topic("answers"))?.len())
    }

    /// Fails with the first difference between what is committed and the models: outputs by partition and
    /// order, dead letters, late commands, and the state as the changelogs have it.
    ///
    /// # Errors
    /// When they differ.
    pub fn compare(&self, models: &[Model]) -> Result<()> {
        let mut found = vec![Vec::new(); models.len()];
        for record in self.pipeline.kafka.read_committed(&self.pipeline.out_topic("answers"))? {
            let of = found.get_mut(usize::try_from(record.partition)?).context("a partition too many")?;
            of.push(Answer::of(&record)?);
        }
        for (partition, (model, found)) in models.iter().zip(&found).enumerate() {
            let differs = model.answers.iter().zip(found).position(|(expected, found)| expected != found);
            let shown = |answers: &[Answer], at: usize| format!("{:#?}", answers.get(at));
            if let Some(at) = differs {
                anyhow::bail!(
                    "answer {at} of partition {partition} is {}\nexpected {}",
                    shown(found, at),
                    shown(&model.answers, at)
                );
            }
            ensure!(
                found.len() == model.answers.len(),
                "partition {partition} has {} answers, expected {}",
                found.len(),
                model.answers.len()
            );
        }
        self.compare_copies(&self.pipeline.letters(), models, |model| &model.rejected)?;
        if self.copies_late {
            self.compare_copies(&late_topic(&self.pipeline), models, |model| &model.late)?;
        }
        changelogs::compare(&self.pipeline, models)
    }

    /// Whether a topic holds exactly these commands, in any order.
    fn compare_copies(&self, topic: &str, models: &[Model], of: impl Fn(&Model) -> &[Command]) -> Result<()> {
        let found = self.pipeline.kafka.read_committed(topic)?;
        let mut found: Vec<_> =
            found.into_iter().map(|ConsumedRecord { key, value, .. }| (key, value)).collect();
        let expected = models.iter().flat_map(&of).map(|command| command.record(self.schema, 0));
        let mut expected: Vec<_> = expected.map(|record| (record.key, record.value)).collect();
        found.sort();
        expected.sort();
        let differs = expected.iter().zip(&found).find(|(expected, found)| expected != found);
        ensure!(
            differs.is_none() && found.len() == expected.len(),
            "{topic} has {} records, expected {}; the first that differ: {differs:?}",
            found.len(),
            expected.len()
        );
        Ok(())
    }
}

fn late_topic(pipeline: &TestPipeline) -> String {
    format!("{}-late", pipeline.name)
}
