//! Columns to JSON text.

use arrow_array::types::Decimal128Type;
use arrow_array::types::Decimal256Type;
use arrow_array::types::DecimalType;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use uuid::Uuid;

use crate::codec::avro::encode::Cells;
use crate::codec::avro::encode::at;
use crate::codec::avro::encode::duration_parts;
use crate::codec::avro::encode::range;
use crate::codec::avro::encode::room;
use crate::codec::fault::Fault;
use crate::codec::json::text_form;
use crate::model::avro_type::AvroType;
use crate::model::avro_type::TimeUnit;
use crate::model::avro_type::UuidRepr;

/// Appends the JSON text of a row. After a fault the text is unfinished: truncate.
pub(crate) fn write(ty: &AvroType, cells: &Cells<'_>, row: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
    match (ty, cells) {
        (_, Cells::Nullable { nulls, some, .. }) => {
            if nulls.is_some_and(|nulls| nulls.is_null(row)) {
                out.extend_from_slice(b"null");
                return Ok(());
            }
            let inner = ty.as_nullable().map_or(ty, |(inner, _)| inner);
            write(inner, some, row, out)?;
        }
        (_, Cells::Required { nulls, some }) => {
            if nulls.is_null(row) {
                return Err(Fault::EncodeNull);
            }
            write(ty, some, row, out)?;
        }
        (_, Cells::Null) => out.extend_from_slice(b"null"),
        (_, Cells::Boolean(values)) => {
            if row >= values.len() {
                return Err(Fault::Internal);
            }
            out.extend_from_slice(if values.value(row) { b"true" } else { b"false" });
        }
        (AvroType::Date, Cells::Int(values)) => text(text_form::write_date(at(values, row)?), out)?,
        (AvroType::TimeMillis, Cells::Int(values)) => {
            text(text_form::write_time(at(values, row)?.into(), TimeUnit::Millis), out)?;
        }
        (AvroType::TimeMicros, Cells::Long(values)) => {
            text(text_form::write_time(at(values, row)?, TimeUnit::Micros), out)?;
        }
        (AvroType::Timestamp(unit), Cells::Long(values)) => {
            text(text_form::write_timestamp(at(values, row)?, *unit, false), out)?;
        }
        (AvroType::LocalTimestamp(unit), Cells::Long(values)) => {
            text(text_form::write_timestamp(at(values, row)?, *unit, true), out)?;
        }
        (_, Cells::Int(values)) => json(&at(values, row)?, out)?,
        (_, Cells::Long(values)) => json(&at(values, row)?, out)?,
        (_, Cells::Float(values)) => {
            let value = at(values, row)?;
            if value.is_finite() {
                json(&value, out)?;
            } else {
                not_finite(value.into(), out);
            }
        }
        (_, Cells::Double(values)) => {
            let value = at(values, row)?;
            if value.is_finite() {
                json(&value, out)?;
            } else {
                not_finite(value, out);
            }
        }
        (AvroType::String, Cells::Bytes(values)) => string(values.get(row)?, out)?,
        (_, Cells::Bytes(values)) => base64(values.get(row)?, out)?,
        (AvroType::Uuid(UuidRepr::Fixed { .. }), Cells::Fixed { data, .. }) | (_, Cells::Uuid(data)) => {
            let bytes =
                data.get(row * 16..).and_then(|rest| rest.first_chunk::<16>()).ok_or(Fault::Internal)?;
            let mut buffer = [0; 36];
            string(Uuid::from_bytes(*bytes).hyphenated().encode_lower(&mut buffer).as_bytes(), out)?;
        }
        (_, Cells::Fixed { size, data }) => {
            let start = row * size;
            base64(data.get(start..start + size).ok_or(Fault::Internal)?, out)?;
        }
        (AvroType::Enum(ty), Cells::Enum { values, .. }) => {
            let index = usize::try_from(at(values, row)?).ok();
            let symbol = index.and_then(|index| ty.symbols.get(index)).ok_or(Fault::EncodeEnum)?;
            json(symbol, out)?;
        }
        (AvroType::Decimal { scale, .. }, Cells::Decimal128 { values, precision, .. }) => {
            let value = at(values, row)?;
            if !Decimal128Type::is_valid_decimal_precision(value, *precision) {
                return Err(Fault::EncodeDecimal);
            }
            text(Some(Decimal128Type::format_decimal(value, *precision, *scale as i8)), out)?;
        }
        (AvroType::Decimal { scale, .. }, Cells::Decimal256 { values, precision, .. }) => {
            let value = at(values, row)?;
            if !Decimal256Type::is_valid_decimal_precision(value, *precision) {
                return Err(Fault::EncodeDecimal);
            }
            text(Some(Decimal256Type::format_decimal(value, *precision, *scale as i8)), out)?;
        }
        (_, Cells::Duration(values)) => {
            text(Some(text_form::write_duration(duration_parts(at(values, row)?)?)), out)?;
        }
        (AvroType::Record(record), Cells::Record(fields)) => {
            out.push(b'{');
            for (index, (field, cells)) in record.fields.iter().zip(fields).enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                // A name has nothing to escape.
                out.push(b'"');
                out.extend_from_slice(field.name.as_bytes());
                out.extend_from_slice(b"\":");
                write(&field.ty, cells, row, out)?;
                room(out, 0)?;
            }
            out.push(b'}');
        }
        (AvroType::Array(ty), Cells::Array { offsets, item }) => {
            let (start, end) = range(offsets, row)?;
            out.push(b'[');
            for child in start..end {
                if child > start {
                    out.push(b',');
                }
                write(ty, item, child, out)?;
                room(out, 0)?;
            }
            out.push(b']');
        }
        (AvroType::Map(ty), Cells::Map { offsets, keys, item }) => {
            let (start, end) = range(offsets, row)?;
            out.push(b'{');
            for child in start..end {
                if child > start {
                    out.push(b',');
                }
                string(keys.get(child)?, out)?;
                out.push(b':');
                write(ty, item, child, out)?;
                room(out, 0)?;
            }
            out.push(b'}');
        }
        (AvroType::Union(types), Cells::Union { type_ids, offsets, branches }) => {
            let branch = usize::try_from(at(type_ids, row)?).map_err(|_| Fault::EncodeUnion)?;
            let (Some(ty), Some(cells)) = (types.get(branch), branches.get(branch)) else {
                return Err(Fault::EncodeUnion);
            };
            write(ty, cells, at(offsets, row)? as usize, out)?;
        }
        _ => return Err(Fault::Internal),
    }
    Ok(())
}

fn json(value: &impl serde::Serialize, out: &mut Vec<u8>) -> Result<(), Fault> {
    serde_json::to_writer(out, value).map_err(|_| Fault::Internal)
}

fn string(value: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    room(out, value.len())?;
    json(&std::str::from_utf8(value).map_err(|_| Fault::Internal)?, out)
}

/// Text with nothing to escape; none where the value has no text form.
fn text(value: Option<String>, out: &mut Vec<u8>) -> Result<(), Fault> {
    let value = value.ok_or(Fault::EncodeTime)?;
    out.push(b'"');
    out.extend_from_slice(value.as_bytes());
    out.push(b'"');
    Ok(())
}

fn base64(value: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    room(out, value.len())?;
    out.push(b'"');
    out.extend_from_slice(STANDARD.encode(value).as_bytes());
    out.push(b'"');
    Ok(())
}

fn not_finite(value: f64, out: &mut Vec<u8>) {
    out.extend_from_slice(match value {
        f64::INFINITY => b"\"Infinity\"",
        f64::NEG_INFINITY => b"\"-Infinity\"",
        _ => b"\"NaN\"",
    });
}
