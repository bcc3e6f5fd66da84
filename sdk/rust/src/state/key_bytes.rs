//! The bytes of a record's key, by which its state is kept: those of the topic formats `text`, `raw`,
//! `boolean`, `int32`, `int64`, `float32` and `float64`, and the Avro body of everything else.

use crate::avro_type::Kind;
use crate::avro_type::Read;
use crate::avro_type::Write;
use crate::binaries::Binaries;
use crate::body;
use crate::body::Body;
use crate::body::BodyError;
use crate::body::Encode;
use crate::body::Form;
use crate::body::Stored;
use crate::builder;
use crate::builder::Builder;
use crate::builder::Nulls;
use crate::columns;
use crate::columns::BytesReader;
use crate::columns::Columns;
use crate::columns::Pass;
use crate::columns::Validity;
use crate::error::Error;
use crate::error::Result;
use crate::manifest::InputPort;
use crate::state::keys::Keys;
use crate::state::scope::Scope;
use crate::wire::Batch;
use crate::wire::Column;

/// How a key becomes bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// As they lie in the column.
    Bytes,
    /// Big-endian, of so many bytes; a column has them little-endian.
    Number(usize),
    /// An Avro body, without the length at its beginning.
    Text,
    /// An Avro body.
    Body,
}

const fn layout(kind: Kind) -> Layout {
    match kind {
        Kind::String | Kind::Bytes | Kind::Raw => Layout::Bytes,
        Kind::Int | Kind::Float => Layout::Number(4),
        Kind::Long | Kind::Double => Layout::Number(8),
        Kind::Uuid | Kind::Decimal128 | Kind::Decimal256 => Layout::Text,
        _ => Layout::Body,
    }
}

/// Gives the scope the keys of a batch.
///
/// # Errors
/// When the key column does not have the shape of its type.
pub fn scope_batch<K: Stored>(scope: &Scope, batch: &Batch, port: &'static InputPort) -> Result<()> {
    let rows = &batch.rows;
    let count = rows.count as usize;
    let Some(root) = rows.key else {
        return Err(Error::fatal(format!("the host left out the declared key column of `{}`", port.name)));
    };
    let columns = Columns::new(&rows.columns, Pass::All);
    scope.fill(count, |keys| {
        let nulls = if K::KIND.has_validity() { columns.validity(root, count)? } else { Validity::none() };
        match const { layout(K::KIND) } {
            Layout::Bytes => {
                let reader = BytesReader::new(columns, root, count)?;
                fill(keys, count, nulls, |keys, row| {
                    let range = reader.range(row)?;
                    keys.push_part(reader.bytes(), range.start, range.len());
                    Ok(())
                })
            }
            Layout::Number(4) => {
                let values = columns::values::<4>(columns.get(root, 2, 0)?, 1, count)?;
                fill(keys, count, nulls, |keys, row| {
                    keys.push(
                        &columns::value(values, row, |bytes| u32::from_le_bytes(*bytes))?.to_be_bytes(),
                    );
                    Ok(())
                })
            }
            Layout::Number(_) => {
                let values = columns::values::<8>(columns.get(root, 2, 0)?, 1, count)?;
                fill(keys, count, nulls, |keys, row| {
                    keys.push(
                        &columns::value(values, row, |bytes| u64::from_le_bytes(*bytes))?.to_be_bytes(),
                    );
                    Ok(())
                })
            }
            Layout::Text | Layout::Body => {
                let reader = K::Of::reader(columns, root, count)?;
                let mut key = Vec::new();
                fill(keys, count, nulls, |keys, row| {
                    key.clear();
                    put(&K::Of::read(&reader, row)?, &mut key)?;
                    keys.push(&key);
                    Ok(())
                })
            }
        }
    })
}

#[inline(always)]
fn fill(
    keys: &mut Keys,
    rows: usize,
    nulls: Validity<'_>,
    mut push: impl FnMut(&mut Keys, usize) -> Result<()>,
) -> Result<()> {
    for row in 0..rows {
        if nulls.is_null(row) {
            keys.push_null();
        } else {
            push(keys, row)?;
        }
    }
    Ok(())
}

/// Appends the bytes of a key.
pub(crate) fn put<K: Encode>(key: &K, out: &mut Vec<u8>) -> Result<(), BodyError> {
    let start = out.len();
    key.encode(Form::PLAIN, out)?;
    let body = out.get(start..).unwrap_or_default();
    match layout(K::KIND) {
        Layout::Body => {}
        Layout::Bytes | Layout::Text => {
            let mut rest = Body::new(body);
            let len = rest.bytes()?.len();
            let prefix = body.len() - len;
            out.drain(start..start + prefix);
        }
        Layout::Number(_) if matches!(K::KIND, Kind::Float | Kind::Double) => {
            out.get_mut(start..).unwrap_or_default().reverse();
        }
        Layout::Number(width) => {
            let number = Body::new(body).long()?;
            out.truncate(start);
            out.extend_from_slice(number.to_be_bytes().get(8 - width..).unwrap_or_default());
        }
    }
    Ok(())
}

/// The key column of bytes that [`put`] wrote.
///
/// # Errors
/// When they are no keys of the type.
pub(crate) fn column<K: Stored>(keys: Binaries, columns: &mut Vec<Column>) -> Result<u32> {
    let texts = |keys: Binaries| {
        // A column without rows has its first offset too.
        let offsets = if keys.is_empty() { vec![0; 4] } else { keys.offsets };
        vec![Vec::new(), offsets, keys.data]
    };
    let buffers = match const { layout(K::KIND) } {
        Layout::Bytes => texts(keys),
        Layout::Number(width) => {
            let mut values = Vec::with_capacity(keys.len() * width);
            for key in keys.iter() {
                let key = key
                    .filter(|key| key.len() == width)
                    .ok_or_else(|| no_key(BodyError::new("its length")))?;
                values.extend(key.iter().rev());
            }
            vec![Vec::new(), values]
        }
        Layout::Text | Layout::Body => {
            let mut builder = K::Column::default();
            let mut body = Vec::new();
            for key in keys.iter() {
                body.clear();
                let key = key.unwrap_or_default();
                if matches!(const { layout(K::KIND) }, Layout::Text) {
                    body::put_bytes(key, &mut body);
                } else {
                    body.extend_from_slice(key);
                }
                body::decode_all::<K>(&body).map_err(no_key)?.write(&mut builder);
            }
            return builder.finish(Nulls::default(), columns);
        }
    };
    Ok(builder::append(columns, buffers, 0))
}

#[cold]
fn no_key(error: BodyError) -> Error {
    Error::fatal(format!("the key of a timer is none of the declared type: {error}"))
}
