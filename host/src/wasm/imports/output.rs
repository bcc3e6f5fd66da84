//! `wasmill:transform/output`.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use smallvec::SmallVec;
use wasmtime::AsContextMut;
use wasmtime::StoreContextMut;
use wasmtime::component::ComponentType;
use wasmtime::component::Linker;
use wasmtime::component::Lower;
use wasmtime::component::WasmList;

use crate::model::ids::PortIndex;
use crate::model::ids::SchemaId;
use crate::model::limits::COLUMNS_MAX;
use crate::model::record_batch::Emission;
use crate::model::record_batch::Rows;
use crate::wasm::columns::arena::Arena;
use crate::wasm::columns::arena::ArenaBuilder;
use crate::wasm::columns::arena::BUFFERS_MAX;
use crate::wasm::columns::column_error::ColumnError;
use crate::wasm::columns::lift::lift;
use crate::wasm::columns::shape::ColumnShape;
use crate::wasm::columns::wire::RowsIn;
use crate::wasm::imports::interface;
use crate::wasm::output_shape::ValueShape;
use crate::wasm::row_indexes::row_indexes;
use crate::wasm::state::GuestState;

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
    let mut buffers = std::mem::take(&mut store.data_mut().emitted_buffers);
    buffers.clear();
    let emission = stage(&mut store, &shapes, &mut buffers, rows, sources);
    let state = store.data_mut();
    state.emitted_buffers = buffers;
    let (rows, sources) = emission?;
    state.invocation.stage(Emission { port: PortIndex(*port), schema: schema.map(SchemaId), rows, sources });
    Ok(())
}

/// Reads, counts, copies and checks.
fn stage(
    store: &mut StoreContextMut<'_, GuestState>,
    shapes: &Shapes,
    buffers: &mut Vec<WasmList<u8>>,
    rows: &RowsIn,
    sources: &WasmList<u8>,
) -> Result<(Rows, Vec<u32>), Stop> {
    let count = rows.count as usize;
    let columns = read_columns(store, rows, buffers)?;
    let bytes = buffers.iter().fold(0_u64, |sum, buffer| sum.saturating_add(buffer.len() as u64));
    let state = store.data_mut();
    let limit = state.context.limits.output_bytes_per_batch_max;
    state
        .invocation
        .take_output(count, bytes.saturating_add(sources.len() as u64))
        .map_err(|_| EmitErrorOut::LimitExceeded(limit))?;

    // From here on the guest's memory is only read.
    let store = &*store;
    let sources = read_sources(sources.as_le_slice(store), count, store.data().invocation.rows)?;
    let mut arena = ArenaBuilder::new(buffers.len(), usize::try_from(bytes).unwrap_or_default());
    let mut buffers = buffers.iter();
    for column in &columns {
        for buffer in buffers.by_ref().take(column.buffers) {
            arena.buffer(buffer.as_le_slice(store));
        }
        if let Some(children) = &column.children {
            for child in children.as_le_slice(store) {
                arena.child(u32::from_le(*child));
            }
        }
        arena.end_column(column.null_count);
    }
    Ok((shapes.rows(store.data(), &mut arena.finish(), rows)?, sources))
}

/// A column's description: not yet what is in its buffers.
struct ColumnHead {
    /// How many of the emission's buffers are its own.
    buffers: usize,
    children: Option<WasmList<u32>>,
    null_count: u32,
}

/// Reads the columns' descriptions, and where all their buffers are.
fn read_columns(
    store: &mut StoreContextMut<'_, GuestState>,
    rows: &RowsIn,
    all_buffers: &mut Vec<WasmList<u8>>,
) -> Result<SmallVec<[ColumnHead; 16]>, Stop> {
    let count = rows.columns.len();
    if count > COLUMNS_MAX {
        return Err(Stop::Refused(EmitErrorOut::InvalidColumn(format!(
            "there are {count} columns; expected at most {COLUMNS_MAX}"
        ))));
    }
    let mut heads = SmallVec::with_capacity(count);
    let mut buffer_lists: SmallVec<[WasmList<WasmList<u8>>; 16]> = SmallVec::with_capacity(count);
    // Every child is a column with one parent, so that there are more columns than children.
    let mut children_left = count;
    for (index, column) in rows.columns.iter(store.as_context_mut()).map_err(Stop::Trap)?.enumerate() {
        let column = column.map_err(Stop::Trap)?;
        let (buffers, children) = (column.buffers.len(), column.children.len());
        if buffers > BUFFERS_MAX || children > children_left {
            return Err(Stop::Refused(EmitErrorOut::InvalidColumn(format!(
                "column {index} has {buffers} buffers and {children} children; expected at most {BUFFERS_MAX} buffers, and no more children than columns"
            ))));
        }
        children_left -= children;
        heads.push(ColumnHead {
            buffers,
            children: (children > 0).then_some(column.children),
            null_count: column.null_count,
        });
        buffer_lists.push(column.buffers);
    }
    for list in &buffer_lists {
        for buffer in list.iter(store.as_context_mut()).map_err(Stop::Trap)? {
            all_buffers.push(buffer.map_err(Stop::Trap)?);
        }
    }
    Ok(heads)
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
