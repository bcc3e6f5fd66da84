//! Random Avro schemas and values, from a seed: those of the codec's own property tests.

use apache_avro::types::Value;
use wasmill::model::avro_type::AvroType;

use crate::generate::Generator;

/// The same seed gives the same schemas and values.
pub struct RandomAvro(Generator);

impl std::fmt::Debug for RandomAvro {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RandomAvro")
    }
}

/// A schema from which random values can be made.
#[derive(Debug)]
pub struct RandomAvroSchema {
    /// As registries take it.
    pub text: String,
    ty: AvroType,
}

impl RandomAvroSchema {
    /// # Errors
    /// When the text is no Avro schema that columns can carry.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let ty = AvroType::parse(text, &[]).map_err(|error| anyhow::anyhow!("{error}"))?;
        Ok(Self { text: text.to_owned(), ty })
    }
}

impl RandomAvro {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut generator = Generator::new(seed);
        generator.any_time = true;
        Self(generator)
    }

    /// A schema of a few fields of any type, nested up to `depth` levels.
    ///
    /// # Errors
    /// Never: a record is a schema.
    pub fn record(&mut self, depth: u32) -> anyhow::Result<RandomAvroSchema> {
        RandomAvroSchema::parse(&self.0.record(depth).to_string())
    }

    /// A value of the schema, whose maps have at most `entries_max` entries.
    pub fn value(&mut self, schema: &RandomAvroSchema, entries_max: usize) -> Value {
        self.0.entries_max = entries_max;
        self.0.value(&schema.ty)
    }
}
