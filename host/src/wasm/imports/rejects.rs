//! `wasmill:transform/rejects`.

use wasmtime::StoreContextMut;
use wasmtime::component::ComponentType;
use wasmtime::component::Linker;
use wasmtime::component::Lower;
use wasmtime::component::WasmList;
use wasmtime::component::WasmStr;

use crate::model::limits::REJECT_REASON_BYTES_MAX;
use crate::model::record_batch::Rejection;
use crate::wasm::cut::cut;
use crate::wasm::imports::interface;
use crate::wasm::row_indexes::row_indexes;
use crate::wasm::state::GuestState;
use crate::wasm::state::OutputExceeded;

#[derive(ComponentType, Lower)]
#[component(variant)]
enum RejectErrorOut {
    #[component(name = "invalid-rows")]
    InvalidRows(String),
}

pub(super) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    linker
        .instance(&interface("rejects"))?
        .func_wrap("reject", |store, (rows, reason): (WasmList<u8>, WasmStr)| {
            Ok((reject(store, &rows, &reason)?,))
        })
}

fn reject(
    mut store: StoreContextMut<'_, GuestState>,
    rows: &WasmList<u8>,
    reason: &WasmStr,
) -> wasmtime::Result<Result<(), RejectErrorOut>> {
    let reason = cut(&reason.to_str(&store)?, REJECT_REASON_BYTES_MAX).to_owned();
    let invocation = &mut store.data_mut().invocation;
    let count = invocation.rows;
    if let Err(OutputExceeded) = invocation.take_rejection(rows.len() / 4, reason.len()) {
        return Ok(Err(RejectErrorOut::InvalidRows(
            "the output limit of the invocation is used up".to_owned(),
        )));
    }
    let indexes = match row_indexes(rows.as_le_slice(&store), count) {
        Ok(indexes) => indexes,
        Err(error) => return Ok(Err(RejectErrorOut::InvalidRows(error.to_string()))),
    };
    if !indexes.is_empty() {
        store.data_mut().invocation.reject(Rejection { rows: indexes, reason });
    }
    Ok(Ok(()))
}
