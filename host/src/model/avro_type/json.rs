//! From the tree back to Avro's JSON.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value as Json;
use serde_json::json;

use crate::model::avro_type::AvroType;
use crate::model::avro_type::DecimalRepr;
use crate::model::avro_type::EnumType;
use crate::model::avro_type::Field;
use crate::model::avro_type::Name;
use crate::model::avro_type::RecordType;
use crate::model::avro_type::TimeUnit;
use crate::model::avro_type::UuidRepr;

pub(super) fn to_json(ty: &AvroType) -> Json {
    Writer::default().ty(ty, "")
}

#[derive(Default)]
struct Writer {
    defined: HashSet<Arc<str>>,
}

impl Writer {
    fn ty(&mut self, ty: &AvroType, namespace: &str) -> Json {
        match ty {
            AvroType::Null
            | AvroType::Boolean
            | AvroType::Int
            | AvroType::Long
            | AvroType::Float
            | AvroType::Double
            | AvroType::Bytes
            | AvroType::String => json!(ty.label()),
            AvroType::Fixed { name, size } => self.fixed(name, *size, namespace),
            AvroType::Enum(ty) => self.enumeration(ty, namespace),
            AvroType::Array(item) => json!({ "type": "array", "items": self.ty(item, namespace) }),
            AvroType::Map(item) => json!({ "type": "map", "values": self.ty(item, namespace) }),
            AvroType::Record(record) => self.record(record, namespace),
            AvroType::Union(branches) => branches.iter().map(|b| self.ty(b, namespace)).collect(),
            AvroType::Decimal { precision, scale, repr } => {
                let base = match repr {
                    DecimalRepr::Bytes => json!({ "type": "bytes" }),
                    DecimalRepr::Fixed { name, size } => self.fixed(name, *size, namespace),
                };
                with(
                    base,
                    [
                        ("logicalType", json!("decimal")),
                        ("precision", json!(precision)),
                        ("scale", json!(scale)),
                    ],
                )
            }
            AvroType::Date => logical("int", "date"),
            AvroType::TimeMillis => logical("int", "time-millis"),
            AvroType::TimeMicros => logical("long", "time-micros"),
            AvroType::Timestamp(TimeUnit::Millis) => logical("long", "timestamp-millis"),
            AvroType::Timestamp(TimeUnit::Micros) => logical("long", "timestamp-micros"),
            AvroType::Timestamp(TimeUnit::Nanos) => logical("long", "timestamp-nanos"),
            AvroType::LocalTimestamp(TimeUnit::Millis) => logical("long", "local-timestamp-millis"),
            AvroType::LocalTimestamp(TimeUnit::Micros) => logical("long", "local-timestamp-micros"),
            AvroType::LocalTimestamp(TimeUnit::Nanos) => logical("long", "local-timestamp-nanos"),
            AvroType::Uuid(UuidRepr::String) => logical("string", "uuid"),
            AvroType::Uuid(UuidRepr::Fixed { name }) => {
                with(self.fixed(name, 16, namespace), [("logicalType", json!("uuid"))])
            }
            AvroType::Duration { name } => {
                with(self.fixed(name, 12, namespace), [("logicalType", json!("duration"))])
            }
        }
    }

    fn fixed(&mut self, name: &Name, size: usize, namespace: &str) -> Json {
        self.define(name, namespace, "fixed", |_| vec![("size", json!(size))])
    }

    fn enumeration(&mut self, ty: &EnumType, namespace: &str) -> Json {
        self.define(&ty.name, namespace, "enum", |_| {
            let mut entries = vec![("symbols", json!(ty.symbols))];
            entries.extend(ty.default.iter().map(|symbol| ("default", json!(symbol))));
            entries
        })
    }

    fn record(&mut self, ty: &RecordType, namespace: &str) -> Json {
        let inner = ty.name.namespace();
        self.define(&ty.name, namespace, "record", |writer| {
            let fields: Vec<Json> = ty.fields.iter().map(|field| writer.field(field, inner)).collect();
            vec![("fields", json!(fields))]
        })
    }

    fn field(&mut self, field: &Field, namespace: &str) -> Json {
        let base = json!({ "name": field.name, "type": self.ty(&field.ty, namespace) });
        let aliases = (!field.aliases.is_empty()).then(|| ("aliases", json!(field.aliases)));
        let default = field.default.clone().map(|default| ("default", default));
        with(base, aliases.into_iter().chain(default))
    }

    /// A definition at the first use of a name, a reference afterwards.
    fn define(
        &mut self,
        name: &Name,
        namespace: &str,
        kind: &str,
        entries: impl FnOnce(&mut Self) -> Vec<(&'static str, Json)>,
    ) -> Json {
        if !self.defined.insert(name.full.clone()) {
            return json!(&*name.full);
        }
        // A name without a namespace would be taken to be in the one around it.
        let outside = name.namespace().is_empty() && !namespace.is_empty();
        let base = json!({ "type": kind, "name": &*name.full });
        let base = with(base, outside.then(|| ("namespace", json!(""))));
        let aliases = (!name.aliases.is_empty())
            .then(|| ("aliases", name.aliases.iter().map(|alias| json!(&**alias)).collect()));
        with(base, aliases.into_iter().chain(entries(self)))
    }
}

fn logical(base: &str, name: &str) -> Json {
    json!({ "type": base, "logicalType": name })
}

/// Adds entries. A reference to a named type stands as it is: its definition has them.
fn with(mut base: Json, entries: impl IntoIterator<Item = (&'static str, Json)>) -> Json {
    if let Json::Object(map) = &mut base {
        map.extend(entries.into_iter().map(|(key, value)| (key.to_owned(), value)));
    }
    base
}
