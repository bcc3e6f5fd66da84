//! The output ports of a running pipeline: emissions in, encoded keys and values out.

use crate::model::failure::BadRecord;
use crate::model::failure::Stop;
use crate::model::record_batch::Emission;
use crate::pipeline::ports::EncodeFailure;
use crate::pipeline::ports::EncodedPart;
use crate::pipeline::ports::Encoder;
use crate::pipeline::ports::TopicIndex;

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

/// An emitted row that could not be encoded.
#[derive(Debug)]
pub struct BadEmittedRow {
    pub emission: usize,
    pub row: u32,
    pub cause: BadRecord,
}

/// Every output port, by index, with buffers that are used again batch after batch.
#[derive(Debug)]
pub struct Outputs {
    ports: Vec<Output>,
    encoded: Vec<EncodedEmission>,
}

impl Outputs {
    #[must_use]
    pub fn new(ports: Vec<Output>) -> Self {
        Self { ports, encoded: Vec::new() }
    }

    /// Encodes every emission; afterwards [`Self::encoded`] has one entry for each.
    ///
    /// # Errors
    /// When an encoder cannot work now, or an emission names a port that is not bound.
    pub fn encode(&mut self, emissions: &[Emission]) -> Result<Vec<BadEmittedRow>, EncodeFailure> {
        let mut bad = Vec::new();
        if self.encoded.len() < emissions.len() {
            self.encoded.resize_with(emissions.len(), EncodedEmission::default);
        }
        for (index, (emission, encoded)) in emissions.iter().zip(&mut self.encoded).enumerate() {
            encoded.key.clear();
            encoded.value.clear();
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
        }
        Ok(bad)
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

/// The boundary lets no such emission through; it is an error here so that a mistake there stops
/// the pipeline instead of losing a record.
fn unbound(emission: &Emission) -> Stop {
    Stop::new(
        "internal-unbound-port",
        format!("the transform emitted to output port {} a part that is not bound", emission.port.0),
        "This is a mistake in Wasmill: please report it with the transform's manifest",
    )
}
