//! Defaults: from Avro's JSON form to Avro's binary form.

use std::fmt;

use serde_json::Value as Json;

use crate::model::avro_type::AvroType;
use crate::model::avro_type::DecimalRepr;
use crate::model::avro_type::UuidRepr;

/// Most values of one default, those of other defaults that it calls for included. A short text can
/// ask for very many: `[{}, {}, ...]` where each record's fields have long defaults of their own.
const VALUES_MAX: usize = 10_000;
/// Most bytes of one default, but for its last value.
const BYTES_MAX: usize = 1 << 20;
/// How much of a default stands in a message, in characters.
const SHOWN_CHARS_MAX: usize = 40;

/// Appends the encoding of `json` as a value of `ty`.
pub(super) fn encode(ty: &AvroType, json: &Json, out: &mut Vec<u8>) -> Result<(), String> {
    Writer { bytes_max: out.len().saturating_add(BYTES_MAX), out, values_left: VALUES_MAX }.value(ty, json)
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    bytes_max: usize,
    values_left: usize,
}

impl Writer<'_> {
    fn value(&mut self, ty: &AvroType, json: &Json) -> Result<(), String> {
        if self.values_left == 0 || self.out.len() > self.bytes_max {
            return Err(format!("found a default of more than {VALUES_MAX} values or {BYTES_MAX} bytes"));
        }
        self.values_left -= 1;
        match ty {
            AvroType::Null => match json {
                Json::Null => {}
                _ => return Err(mismatch("null", json)),
            },
            AvroType::Boolean => {
                self.out.push(u8::from(json.as_bool().ok_or_else(|| mismatch("boolean", json))?));
            }
            AvroType::Int | AvroType::Date | AvroType::TimeMillis => {
                let value = json.as_i64().and_then(|v| i32::try_from(v).ok());
                long(value.ok_or_else(|| mismatch("int", json))?.into(), self.out);
            }
            AvroType::Long | AvroType::TimeMicros | AvroType::Timestamp(_) | AvroType::LocalTimestamp(_) => {
                long(json.as_i64().ok_or_else(|| mismatch("long", json))?, self.out);
            }
            AvroType::Float => {
                let value = json.as_f64().ok_or_else(|| mismatch("float", json))?;
                self.out.extend_from_slice(&(value as f32).to_le_bytes());
            }
            AvroType::Double => {
                let value = json.as_f64().ok_or_else(|| mismatch("double", json))?;
                self.out.extend_from_slice(&value.to_le_bytes());
            }
            AvroType::Bytes | AvroType::Decimal { repr: DecimalRepr::Bytes, .. } => {
                let bytes = code_points(json)?;
                long(bytes.len() as i64, self.out);
                self.out.extend_from_slice(&bytes);
            }
            AvroType::Fixed { size, .. }
            | AvroType::Decimal { repr: DecimalRepr::Fixed { size, .. }, .. } => {
                fixed(json, *size, self.out)?;
            }
            AvroType::Duration { .. } => fixed(json, 12, self.out)?,
            AvroType::Uuid(UuidRepr::Fixed { .. }) => fixed(json, 16, self.out)?,
            AvroType::Uuid(UuidRepr::String) => {
                let value = text("a UUID", json)?;
                uuid::Uuid::parse_str(value).map_err(|_| mismatch("a UUID", json))?;
                string(value, self.out);
            }
            AvroType::String => string(text("string", json)?, self.out),
            AvroType::Enum(ty) => {
                let symbol = text("a symbol", json)?;
                let index = ty.symbols.iter().position(|s| s == symbol);
                long(index.ok_or_else(|| mismatch("a symbol of the enum", json))? as i64, self.out);
            }
            AvroType::Array(item) => {
                let items = json.as_array().ok_or_else(|| mismatch("array", json))?;
                if !items.is_empty() {
                    long(items.len() as i64, self.out);
                    for value in items {
                        self.value(item, value)?;
                    }
                }
                self.out.push(0);
            }
            AvroType::Map(item) => {
                let entries = json.as_object().ok_or_else(|| mismatch("an object (map)", json))?;
                if !entries.is_empty() {
                    long(entries.len() as i64, self.out);
                    for (key, value) in entries {
                        string(key, self.out);
                        self.value(item, value)?;
                    }
                }
                self.out.push(0);
            }
            AvroType::Record(record) => {
                let object = json.as_object().ok_or_else(|| mismatch("an object (record)", json))?;
                for field in &record.fields {
                    let value = object.get(&field.name).or(field.default.as_ref());
                    let value =
                        value.ok_or_else(|| format!("found no value for the field `{}`", field.name))?;
                    self.value(&field.ty, value)?;
                }
            }
            AvroType::Union(branches) => self.union(branches, json)?,
        }
        Ok(())
    }

    /// The first branch that the value fits. Avro 1.11 asks for the first branch, 1.12 for any.
    fn union(&mut self, branches: &[AvroType], json: &Json) -> Result<(), String> {
        let start = self.out.len();
        for (index, branch) in branches.iter().enumerate() {
            long(index as i64, self.out);
            if self.value(branch, json).is_ok() {
                return Ok(());
            }
            self.out.truncate(start);
        }
        Err(mismatch("a value of one of the union's branches", json))
    }
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
    let mut shown = Shown { text: String::new(), chars_left: SHOWN_CHARS_MAX };
    let whole = fmt::write(&mut shown, format_args!("{found}")).is_ok();
    format!("found {}{}, expected {expected}", shown.text, if whole { "" } else { "..." })
}

/// Takes the beginning of a text, and then no more: a union writes one for each of its branches.
struct Shown {
    text: String,
    chars_left: usize,
}

impl fmt::Write for Shown {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        for char in part.chars() {
            self.chars_left = self.chars_left.checked_sub(1).ok_or(fmt::Error)?;
            self.text.push(char);
        }
        Ok(())
    }
}
