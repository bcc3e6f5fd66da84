//! Bytes as they are.

use crate::codec::columns::Columns;
use crate::codec::columns::Shape;
use crate::codec::columns::slot;
use crate::codec::decode::part::PushFailure;
use crate::codec::decode::part::Typed;
use crate::codec::fault::Fault;
use crate::model::avro_type::AvroType;
use crate::model::avro_type::SchemaError;
use crate::model::failure::Stage;

#[derive(Debug)]
pub(crate) struct RawPart {
    pub(super) typed: Typed,
}

impl RawPart {
    /// # Errors
    /// Never in practice: a Binary column always has a type.
    pub(crate) fn new(stage: Stage) -> Result<Self, SchemaError> {
        Ok(Self { typed: Typed::new(Columns::new(&AvroType::Bytes)?, stage) })
    }

    pub(super) fn push(&mut self, payload: Option<&[u8]>) -> Result<(), PushFailure> {
        let Some(payload) = payload else {
            return self.typed.push_null();
        };
        let rows = self.typed.columns.len();
        append(&mut self.typed.columns, payload).map_err(|fault| self.typed.fail(rows, fault, None))
    }
}

fn append(columns: &mut Columns, payload: &[u8]) -> Result<(), Fault> {
    let node = columns.layout.node(columns.layout.root)?;
    let (Shape::Bytes(column), Some(nulls)) = (&node.shape, node.nulls) else {
        return Err(Fault::Internal);
    };
    slot(&mut columns.store.nulls, nulls)?.valid();
    slot(&mut columns.store.bytes, *column)?.push(payload)
}
