//! Defaults: from Avro's JSON form to Avro's binary form.

use serde_json::Value as Json;

use crate::model::avro_type::AvroType;
use crate::model::avro_type::DecimalRepr;
use crate::model::avro_type::UuidRepr;

/// Appends the encoding of `json` as a value of `ty`.
pub(super) fn encode(ty: &AvroType, json: &Json, out: &mut Vec<u8>) -> Result<(), String> {
    match ty {
        AvroType::Null => match json {
            Json::Null => {}
            _ => return Err(mismatch("null", json)),
        },
        AvroType::Boolean => out.push(u8::from(json.as_bool().ok_or_else(|| mismatch("boolean", json))?)),
        AvroType::Int | AvroType::Date | AvroType::TimeMillis => {
            let value = json.as_i64().and_then(|v| i32::try_from(v).ok());
            long(value.ok_or_else(|| mismatch("int", json))?.into(), out);
        }
        AvroType::Long | AvroType::TimeMicros | AvroType::Timestamp(_) | AvroType::LocalTimestamp(_) => {
            long(json.as_i64().ok_or_else(|| mismatch("long", json))?, out);
        }
        AvroType::Float => {
            let value = json.as_f64().ok_or_else(|| mismatch("float", json))?;
            out.extend_from_slice(&(value as f32).to_le_bytes());
        }
        AvroType::Double => {
            let value = json.as_f64().ok_or_else(|| mismatch("double", json))?;
            out.extend_from_slice(&value.to_le_bytes());
        }
        AvroType::Bytes | AvroType::Decimal { repr: DecimalRepr::Bytes, .. } => {
            let bytes = code_points(json)?;
            long(bytes.len() as i64, out);
            out.extend_from_slice(&bytes);
        }
        AvroType::Fixed { size, .. } | AvroType::Decimal { repr: DecimalRepr::Fixed { size, .. }, .. } => {
            fixed(json, *size, out)?;
        }
        AvroType::Duration { .. } => fixed(json, 12, out)?,
        AvroType::Uuid(UuidRepr::Fixed { .. }) => fixed(json, 16, out)?,
        AvroType::Uuid(UuidRepr::String) => {
            let value = text("a UUID", json)?;
            uuid::Uuid::parse_str(value).map_err(|_| mismatch("a UUID", json))?;
            string(value, out);
        }
        AvroType::String => string(text("string", json)?, out),
        AvroType::Enum(ty) => {
            let symbol = text("a symbol", json)?;
            let index = ty.symbols.iter().position(|s| s == symbol);
            long(index.ok_or_else(|| mismatch("a symbol of the enum", json))? as i64, out);
        }
        AvroType::Array(item) => {
            let items = json.as_array().ok_or_else(|| mismatch("array", json))?;
            if !items.is_empty() {
                long(items.len() as i64, out);
                for value in items {
                    encode(item, value, out)?;
                }
            }
            out.push(0);
        }
        AvroType::Map(item) => {
            let entries = json.as_object().ok_or_else(|| mismatch("an object (map)", json))?;
            if !entries.is_empty() {
                long(entries.len() as i64, out);
                for (key, value) in entries {
                    string(key, out);
                    encode(item, value, out)?;
                }
            }
            out.push(0);
        }
        AvroType::Record(record) => {
            let object = json.as_object().ok_or_else(|| mismatch("an object (record)", json))?;
            for field in &record.fields {
                let value = object.get(&field.name).or(field.default.as_ref());
                let value = value.ok_or_else(|| format!("found no value for the field `{}`", field.name))?;
                encode(&field.ty, value, out)?;
            }
        }
        AvroType::Union(branches) => union(branches, json, out)?,
    }
    Ok(())
}

/// The first branch that the value fits. Avro 1.11 asks for the first branch, 1.12 for any.
fn union(branches: &[AvroType], json: &Json, out: &mut Vec<u8>) -> Result<(), String> {
    let start = out.len();
    for (index, branch) in branches.iter().enumerate() {
        long(index as i64, out);
        if encode(branch, json, out).is_ok() {
            return Ok(());
        }
        out.truncate(start);
    }
    Err(mismatch("a value of one of the union's branches", json))
}

fn fixed(json: &Json, size: usize, out: &mut Vec<u8>) -> Result<(), String> {
    let bytes = code_points(json)?;
    if bytes.len() != size {
        return Err(format!("found {} bytes, expected {size}", bytes.len()));
    }
    out.extend_from_slice(&bytes);
    Ok(())
}

/// Bytes stand in JSON as a string of the code points 0 to 255.
fn code_points(json: &Json) -> Result<Vec<u8>, String> {
    let text = text("bytes", json)?;
    text.chars()
        .map(u8::try_from)
        .collect::<Result<_, _>>()
        .map_err(|_| "found a character over U+00FF, expected bytes as characters up to U+00FF".to_owned())
}

fn text<'a>(expected: &str, json: &'a Json) -> Result<&'a str, String> {
    json.as_str().ok_or_else(|| mismatch(expected, json))
}

fn string(value: &str, out: &mut Vec<u8>) {
    long(value.len() as i64, out);
    out.extend_from_slice(value.as_bytes());
}

/// Avro's zigzag variable-length integer.
fn long(value: i64, out: &mut Vec<u8>) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn mismatch(expected: &str, found: &Json) -> String {
    let mut found = found.to_string();
    if found.chars().count() > 40 {
        found = found.chars().take(40).chain("...".chars()).collect();
    }
    format!("found {found}, expected {expected}")
}
