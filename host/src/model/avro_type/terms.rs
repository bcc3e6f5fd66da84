//! Names, primitive types, and attributes of schema texts.

use serde_json::Map;
use serde_json::Value as Json;

use crate::model::avro_type::AvroType;

pub(super) fn primitive(name: &str) -> Option<AvroType> {
    Some(match name {
        "null" => AvroType::Null,
        "boolean" => AvroType::Boolean,
        "int" => AvroType::Int,
        "long" => AvroType::Long,
        "float" => AvroType::Float,
        "double" => AvroType::Double,
        "bytes" => AvroType::Bytes,
        "string" => AvroType::String,
        _ => return None,
    })
}

/// Precision and scale where they are well-formed and fit the type's size.
pub(super) fn decimal(object: &Map<String, Json>, ty: &AvroType) -> Option<(usize, usize)> {
    let number = |json: &Json| json.as_u64().and_then(|n| usize::try_from(n).ok());
    let precision = object.get("precision").and_then(number)?;
    let scale = object.get("scale").map_or(Some(0), number)?;
    let fits = match ty {
        // floor(log10(2^(8n - 1) - 1))
        AvroType::Fixed { size, .. } => {
            *size > 0 && precision as f64 <= ((8 * size - 1) as f64 * std::f64::consts::LOG10_2).floor()
        }
        _ => true,
    };
    (precision > 0 && scale <= precision && fits).then_some((precision, scale))
}

pub(super) fn full_name(object: &Map<String, Json>, namespace: &str) -> Result<String, String> {
    let Some(name) = object.get("name").and_then(Json::as_str) else {
        return Err("found a named type without a `name`".to_owned());
    };
    let full = match object.get("namespace").and_then(Json::as_str) {
        Some(own) => qualify(name, own),
        None => qualify(name, namespace),
    };
    if full.split('.').all(is_name) {
        Ok(full)
    } else {
        Err(format!("found the name `{full}`, expected parts of [A-Za-z_][A-Za-z0-9_]* with dots between"))
    }
}

pub(super) fn qualify(name: &str, namespace: &str) -> String {
    if name.contains('.') || namespace.is_empty() { name.to_owned() } else { format!("{namespace}.{name}") }
}

pub(super) fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
