//! The output ports of a running pipeline: emissions in, encoded keys and values out.

use crate::model::failure::BadRecord;
use crate::model::failure::Code;
use crate::model::failure::Stage;
use crate::model::failure::Stop;
use crate::model::limits::ENCODED_BYTES_PER_BATCH_MAX;
use crate::model::record_batch::Emission;
use crate::pipeline::inherited;
use crate::pipeline::ports::EncodeFailure;
use crate::pipeline::ports::EncodedPart;
use crate::pipeline::ports::Encoder;
use crate::pipeline::ports::TopicIndex;
use crate::pipeline::sending::Sources;

/// Buffers that have grown beyond this together, in bytes, are given back before the next batch.
const KEPT_BYTES_MAX: usize = 32 << 20;
/// Most bad rows of one batch that are noted one by one: each takes a message.
const BAD_ROWS_MAX: usize = 10_000;

/// One output port with its encoders.
pub struct Output {
    pub topic: TopicIndex,
    /// Absent when the port never emits keys.
    pub key: Option<Box<dyn Encoder>>,
    pub value: Box<dyn Encoder>,
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output").field("topic", &self.topic).finish_non_exhaustive()
    }
}

/// Key and value bytes of one emission.
#[derive(Debug, Default)]
pub struct EncodedEmission {
    /// Meaningful only when the emission has a key root.
    pub key: EncodedPart,
    pub value: EncodedPart,
}

impl EncodedEmission {
    fn clear(&mut self) {
        self.key.clear();
        self.value.clear();
    }

    fn bytes(&self) -> usize {
        self.key.bytes.len() + self.value.bytes.len()
    }

    fn capacity(&self) -> usize {
        self.key.capacity() + self.value.capacity()
    }
}

/// An emitted row that could not be encoded.
#[derive(Debug)]
pub struct BadEmittedRow {
    pub emission: usize,
    pub row: u32,
    pub cause: BadRecord,
}

impl BadEmittedRow {
    /// Stands for everything that was emitted for the only source of a batch.
    #[must_use]
    pub fn of_lone_source(cause: BadRecord) -> Self {
        Self { emission: 0, row: 0, cause }
    }
}

/// Every output port, by index, with buffers that are used again batch after batch.
#[derive(Debug)]
pub struct Outputs {
    ports: Vec<Output>,
    encoded: Vec<EncodedEmission>,
    inherited_bytes_max: u64,
}

impl Outputs {
    /// `inherited_bytes_max`: most bytes of keys and headers that the outputs of one batch may take
    /// over from their sources.
    #[must_use]
    pub fn new(ports: Vec<Output>, inherited_bytes_max: u64) -> Self {
        Self { ports, encoded: Vec::new(), inherited_bytes_max }
    }

    /// Encodes every emission; afterwards [`Self::encoded`] has one entry for each.
    ///
    /// # Errors
    /// When an encoder cannot work now, an emission names a port that is not bound, or there is more
    /// than one batch may write: nothing of it may be sent then.
    pub fn encode<S: Sources>(
        &mut self,
        emissions: &[Emission],
        sources: &S,
    ) -> Result<Vec<BadEmittedRow>, EncodeFailure> {
        inherited::check(emissions, sources, self.inherited_bytes_max)
            .map_err(|cause| EncodeFailure::TooLarge(*cause))?;
        self.give_back();
        let mut bad = Vec::new();
        let mut bytes = 0_usize;
        if self.encoded.len() < emissions.len() {
            self.encoded.resize_with(emissions.len(), EncodedEmission::default);
        }
        for (index, (emission, encoded)) in emissions.iter().zip(&mut self.encoded).enumerate() {
            encoded.clear();
            let Some(port) = self.ports.get_mut(emission.port.as_usize()) else {
                return Err(unbound(emission).into());
            };
            let (Some(value), rows) = (&emission.rows.value, &emission.rows) else {
                return Err(unbound(emission).into());
            };
            let mut note = |rows: Vec<(u32, BadRecord)>| {
                bad.extend(rows.into_iter().map(|(row, cause)| BadEmittedRow {
                    emission: index,
                    row,
                    cause,
                }));
            };
            if let Some(key) = &rows.key {
                let Some(encoder) = &mut port.key else {
                    return Err(unbound(emission).into());
                };
                note(encoder.encode(key, None, &mut encoded.key)?);
            }
            note(port.value.encode(value, emission.schema, &mut encoded.value)?);
            bytes = bytes.saturating_add(encoded.bytes());
            if bytes > ENCODED_BYTES_PER_BATCH_MAX {
                return Err(EncodeFailure::TooLarge(too_large(bytes)));
            }
            if bad.len() > BAD_ROWS_MAX
                && let Some(last) = bad.pop()
            {
                return Err(EncodeFailure::TooLarge(last.cause));
            }
        }
        Ok(bad)
    }

    /// A buffer is as large as the largest emission that had its place: in the course of time all
    /// could be as large as one batch may be.
    fn give_back(&mut self) {
        if self.encoded.iter().map(EncodedEmission::capacity).sum::<usize>() > KEPT_BYTES_MAX {
            self.encoded = Vec::new();
        }
    }

    #[must_use]
    pub fn encoded(&self) -> &[EncodedEmission] {
        &self.encoded
    }

    #[must_use]
    pub fn topic(&self, emission: &Emission) -> Option<TopicIndex> {
        self.ports.get(emission.port.as_usize()).map(|port| port.topic)
    }
}

fn too_large(bytes: usize) -> BadRecord {
    BadRecord {
        code: Code("encode-too-large"),
        stage: Stage::ValueEncode,
        message: format!(
            "what was emitted takes {bytes} bytes or more in the formats of its topics; expected at most {ENCODED_BYTES_PER_BATCH_MAX}"
        ),
        trace: String::new(),
    }
}

/// The boundary lets no such emission through; it is an error here so that a mistake there stops
/// the pipeline instead of losing a record.
fn unbound(emission: &Emission) -> Stop {
    Stop::new(
        "internal-unbound-port",
        format!("the transform emitted to output port {} a part that is not bound", emission.port.0),
        "This is a mistake in Wasmill: please report it with the transform's manifest",
    )
}
