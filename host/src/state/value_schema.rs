//! The schema of a store's values, and the older ones that disk still has values of.

use std::collections::BTreeMap;

use crate::model::failure::Stop;
use crate::pipeline::state_ports::ValueCheck;
use crate::pipeline::state_ports::ValueSchemas;
use crate::pipeline::state_ports::ValueUpgrade;
use crate::state::entries::Slot;
use crate::state::format::StoredValue;
use crate::state::format::ValueHeader;

/// Why a stored value cannot be given out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a value of the store `{store}` {why}")]
pub struct UnreadableValue {
    pub store: String,
    pub why: String,
}

/// Why the stored values of a store cannot be read by a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueSchemaError {
    #[error("the schema that the manifest declares for the store `{store}` cannot be used: {why}")]
    Declared { store: String, why: String },
    #[error("the store `{store}` has values of schema {index} that the declared schema cannot read: {why}")]
    Stored { store: String, index: u32, why: String },
}

impl From<ValueSchemaError> for Stop {
    fn from(error: ValueSchemaError) -> Self {
        let remedy = "Give the new version's schema what Avro's schema resolution asks for (an alias, a default, \
                      a wider type), or use a store of another name";
        Self::new("state-schema-unresolvable", error.to_string(), remedy)
    }
}

/// See the module.
pub(super) struct ValueSchema {
    /// Of what is written.
    pub(super) index: u32,
    pub(super) text: String,
    /// Whether the meta store has it, by a committed transaction.
    pub(super) is_recorded: bool,
    check: Box<dyn ValueCheck>,
    /// By index, those of the others.
    upgrades: BTreeMap<u32, Box<dyn ValueUpgrade>>,
    upgraded: Vec<u8>,
}

impl ValueSchema {
    /// The declared schema among those that the store has seen, by index.
    pub(super) fn new(
        store: &str,
        declared: &serde_json::Value,
        seen: &BTreeMap<u32, String>,
        schemas: &dyn ValueSchemas,
    ) -> Result<Self, ValueSchemaError> {
        let unusable = |why: String| ValueSchemaError::Declared { store: store.to_owned(), why };
        let text = schemas.canonical(declared).map_err(unusable)?;
        let check = schemas.check(&text).map_err(unusable)?;
        let known = seen.iter().find(|(_, other)| **other == text).map(|(index, _)| *index);
        let next = seen.last_key_value().map_or(0, |(index, _)| index + 1);
        let mut upgrades = BTreeMap::new();
        for (index, writer) in seen.iter().filter(|(_, writer)| **writer != text) {
            let upgrade = schemas.upgrade(writer, &text).map_err(|why| ValueSchemaError::Stored {
                store: store.to_owned(),
                index: *index,
                why,
            })?;
            upgrades.insert(*index, upgrade);
        }
        let (index, is_recorded) = (known.unwrap_or(next), known.is_some());
        Ok(Self { index, text, is_recorded, check, upgrades, upgraded: Vec::new() })
    }

    #[inline]
    pub(super) fn check(&mut self, body: &[u8]) -> Result<(), String> {
        self.check.check(body)
    }

    /// A stored value as one of the declared schema, with the write time that it has.
    pub(super) fn admit(&mut self, bytes: &[u8], store: &str) -> Result<Slot, UnreadableValue> {
        let unreadable = |why: String| UnreadableValue { store: store.to_owned(), why };
        let value = StoredValue::parse(bytes).map_err(|error| unreadable(format!("is damaged: {error}")))?;
        if value.schema == self.index {
            return Ok(Slot::stored(Some(bytes)));
        }
        let Some(upgrade) = self.upgrades.get_mut(&value.schema) else {
            let why = format!("is of schema {}, which the meta store does not know", value.schema);
            return Err(unreadable(why));
        };
        self.upgraded.clear();
        let upgraded = upgrade.upgrade(value.body, &mut self.upgraded);
        upgraded.map_err(|why| unreadable(format!("of schema {} cannot be read: {why}", value.schema)))?;
        Ok(Slot::value(&ValueHeader::new(self.index, value.write_time), &self.upgraded))
    }
}
