//! `wasmill:transform/output`.

use std::sync::Arc;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use wasmtime::StoreContextMut;
use wasmtime::component::ComponentType;
use wasmtime::component::Linker;
use wasmtime::component::Lower;
use wasmtime::component::WasmList;

use crate::model::ids::PortIndex;
use crate::model::ids::SchemaId;
use crate::model::record_batch::Emission;
use crate::model::record_batch::Rows;
use crate::wasm::columns::arena::Arena;
use crate::wasm::columns::column_error::ColumnError;
use crate::wasm::columns::columns_in::ColumnsFailure;
use crate::wasm::columns::columns_in::ColumnsIn;
use crate::wasm::columns::columns_in::Extent;
use crate::wasm::columns::lift::lift;
use crate::wasm::columns::shape::ColumnShape;
use crate::wasm::columns::wire::RowsIn;
use crate::wasm::imports::interface;
use crate::wasm::output_shape::ValueShape;
use crate::wasm::row_indexes::row_indexes;
use crate::wasm::state::GuestState;
use crate::wasm::state::OutputExceeded;

#[derive(Debug, ComponentType, Lower)]
#[component(variant)]
enum EmitErrorOut {
    #[component(name = "unknown-port")]
    UnknownPort,
    #[component(name = "invalid-column")]
    InvalidColumn(String),
    #[component(name = "invalid-sources")]
    InvalidSources(String),
    #[component(name = "invalid-schema")]
    InvalidSchema(String),
    #[component(name = "limit-exceeded")]
    LimitExceeded(u64),
}

/// A refusal is the guest's to handle; a trap ends the call.
enum Stop {
    Refused(EmitErrorOut),
    Trap(wasmtime::Error),
}

impl From<EmitErrorOut> for Stop {
    fn from(error: EmitErrorOut) -> Self {
        Self::Refused(error)
    }
}

impl From<ColumnsFailure> for Stop {
    fn from(fault: ColumnsFailure) -> Self {
        match fault {
            ColumnsFailure::Refused(error) => error.into(),
            fault @ (ColumnsFailure::OutOfBounds | ColumnsFailure::NotAligned) => {
                Self::Trap(wasmtime::Error::msg(fault.to_string()))
            }
        }
    }
}

impl From<ColumnError> for Stop {
    fn from(error: ColumnError) -> Self {
        Self::Refused(EmitErrorOut::InvalidColumn(error.to_string()))
    }
}

type EmitParams = (u32, Option<u32>, RowsIn, WasmList<u8>);

pub(super) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    linker.instance(&interface("output"))?.func_wrap("emit", |store, params: EmitParams| {
        match emit(store, &params) {
            Ok(()) => Ok((Ok(()),)),
            Err(Stop::Refused(error)) => Ok((Err(error),)),
            Err(Stop::Trap(error)) => Err(error),
        }
    })
}

fn emit(
    mut store: StoreContextMut<'_, GuestState>,
    (port, schema, rows, sources): &EmitParams,
) -> Result<(), Stop> {
    let shapes = Shapes::find(store.data_mut(), *port, *schema)?;
    let count = rows.count as usize;
    let ColumnsIn { list, memory } = &rows.columns;
    let extent = Extent::of(*list, memory.as_le_slice(&store))?;
    let bytes = extent.host_bytes().saturating_add(sources.len() as u64);
    let state = store.data_mut();
    let limit = state.context.limits.output_bytes_per_batch_max;
    let exceeded = |OutputExceeded| EmitErrorOut::LimitExceeded(limit);
    state.invocation.take_output(count, bytes).map_err(exceeded)?;

    let sources = read_sources(sources.as_le_slice(&store), count, store.data().invocation.rows)?;
    let mut arena = extent.copy(*list, memory.as_le_slice(&store))?;
    let rows = shapes.rows(store.data(), &mut arena, rows)?;
    let headers = rows.headers.as_ref().and_then(|headers| headers.as_list_opt::<i32>());
    let headers = headers.map_or(0, |headers| headers.values().len());
    store.data_mut().invocation.take_contents(arena.weightless_rows(), headers).map_err(exceeded)?;
    let emission = Emission { port: PortIndex(*port), schema: schema.map(SchemaId), rows, sources };
    store.data_mut().invocation.stage(emission);
    Ok(())
}

fn read_sources(bytes: &[u8], count: usize, batch_rows: usize) -> Result<Vec<u32>, EmitErrorOut> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    if Some(bytes.len()) != count.checked_mul(4) {
        return Err(EmitErrorOut::InvalidSources(format!(
            "`sources` has {} bytes; expected none, or 4 for each of the {count} rows",
            bytes.len()
        )));
    }
    row_indexes(bytes, batch_rows).map_err(|error| EmitErrorOut::InvalidSources(error.to_string()))
}

/// The shapes of one emission's key and value.
struct Shapes {
    key: Option<Arc<ColumnShape>>,
    value: Arc<ColumnShape>,
}

impl Shapes {
    fn find(state: &mut GuestState, port: u32, schema: Option<u32>) -> Result<Self, EmitErrorOut> {
        let context = Arc::clone(&state.context);
        let output = context.outputs.get(port as usize).ok_or(EmitErrorOut::UnknownPort)?;
        let value = match (&output.value, schema) {
            (ValueShape::Fixed(shape), None) => Arc::clone(shape),
            (ValueShape::Dynamic, Some(id)) => dynamic_shape(state, SchemaId(id))?,
            (ValueShape::Fixed(_), Some(id)) => {
                return Err(EmitErrorOut::InvalidSchema(format!(
                    "the port `{}` is not dynamic, but schema {id} is given; expected none",
                    output.name
                )));
            }
            (ValueShape::Dynamic, None) => {
                return Err(EmitErrorOut::InvalidSchema(format!(
                    "the port `{}` is dynamic, but no schema is given",
                    output.name
                )));
            }
        };
        Ok(Self { key: output.key.clone(), value })
    }

    fn rows(&self, state: &GuestState, arena: &mut Arena, rows: &RowsIn) -> Result<Rows, ColumnError> {
        let count = rows.count as usize;
        let context = &state.context;
        if rows.offset.is_some() {
            return Err(ColumnError::new("is only for input; expected none").under("offset"));
        }
        let Some(value) = rows.value else {
            return Err(ColumnError::new("is absent; expected a column").under("value"));
        };
        let mut root = |index: Option<u32>,
                        shape: &ColumnShape,
                        name: &str|
         -> Result<Option<ArrayRef>, ColumnError> {
            index.map(|index| lift(arena, shape, index, count).map_err(|error| error.under(name))).transpose()
        };
        let value = root(Some(value), &self.value, "value")?;
        let key = match (&self.key, rows.key) {
            (Some(shape), index) => root(index, shape, "key")?,
            (None, None) => None,
            (None, Some(_)) => {
                return Err(
                    ColumnError::new("is present, but the port declares none; expected none").under("key")
                );
            }
        };
        let timestamp = root(rows.timestamp, &context.timestamp_shape, "timestamp")?
            .map(|array| Arc::new(array.as_primitive::<Int64Type>().clone()));
        let headers = root(rows.headers, &context.headers_shape, "headers")?;
        Ok(Rows { count, key, value, timestamp, headers, offset: None })
    }
}

fn dynamic_shape(state: &mut GuestState, id: SchemaId) -> Result<Arc<ColumnShape>, EmitErrorOut> {
    if let Some((_, shape)) = state.dynamic_shapes.iter().find(|(known, _)| *known == id) {
        return Ok(Arc::clone(shape));
    }
    let entry = state
        .context
        .schemas
        .get(id)
        .ok_or_else(|| EmitErrorOut::InvalidSchema(format!("no schema has the id {}", id.0)))?;
    let shape =
        ColumnShape::typed(&entry.avro).map_err(|error| EmitErrorOut::InvalidSchema(error.to_string()))?;
    let shape = Arc::new(shape);
    state.dynamic_shapes.push((id, Arc::clone(&shape)));
    Ok(shape)
}
