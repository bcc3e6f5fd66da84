//! Schemas of dynamic ports.

use std::fmt;

use crate::avro_type::Kind;
use crate::json::Json;

/// An Avro type as a transform of dynamic ports sees it: what each column is.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    /// The column that carries the type.
    pub kind: Kind,
    /// Whether the type is a union of null and another, which [`kind`](Self::kind) is then.
    pub nullable: bool,
    /// The full name of a record, enum or fixed.
    pub name: Option<String>,
    /// The logical type.
    pub logical: Option<String>,
    /// The symbols of an enum.
    pub symbols: Vec<String>,
    /// The size of a fixed, in bytes.
    pub size: usize,
    /// The fields of a record, the items of an array, the values of a map, or the branches of a
    /// union.
    pub children: Vec<SchemaChild>,
}

/// A type within a type.
#[derive(Debug, Clone, PartialEq)]
pub struct SchemaChild {
    /// The name of a field; empty for items, values and branches.
    pub name: String,
    /// Its type.
    pub schema: Schema,
}

/// Why a text is no schema that columns can carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaParseError(String);

impl fmt::Display for SchemaParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this is no Avro schema: {}", self.0)
    }
}

impl std::error::Error for SchemaParseError {}

impl Schema {
    /// Parses a schema text, as [`Context::schema_text`](crate::Context::schema_text) gives it.
    ///
    /// # Errors
    /// When the text is no Avro schema, or a recursive one.
    pub fn parse(text: &str) -> Result<Self, SchemaParseError> {
        let json = Json::parse(text).map_err(|error| SchemaParseError(error.to_string()))?;
        let mut names = Names::default();
        names.parse(&json, "")
    }

    /// Where the column of each child stands, given the column of this type and all columns: the
    /// children of a map are found behind its entries.
    #[must_use]
    pub fn child_columns(&self, columns: &[crate::wire::Column], index: u32) -> Vec<u32> {
        let children = |index: u32| columns.get(index as usize).map(|column| column.children.as_slice());
        match self.kind {
            Kind::Map => {
                let entries = children(index).and_then(|children| children.first().copied());
                let of_entries = entries.and_then(children).unwrap_or_default();
                of_entries.get(1).copied().into_iter().collect()
            }
            _ => children(index).unwrap_or_default().to_vec(),
        }
    }

    pub(crate) fn of(kind: Kind) -> Self {
        Self {
            kind,
            nullable: false,
            name: None,
            logical: None,
            symbols: Vec::new(),
            size: 0,
            children: Vec::new(),
        }
    }
}

/// The named types defined so far; none while one is being defined.
#[derive(Default)]
struct Names(Vec<(String, Option<Schema>)>);

fn wrong<T>(message: impl Into<String>) -> Result<T, SchemaParseError> {
    Err(SchemaParseError(message.into()))
}

impl Names {
    fn parse(&mut self, json: &Json, namespace: &str) -> Result<Schema, SchemaParseError> {
        match json {
            Json::String(name) => self.named(name, namespace),
            Json::Array(branches) => self.union(branches, namespace),
            Json::Object(_) => self.object(json, namespace),
            _ => wrong("a type is a name, a list or an object"),
        }
    }

    fn named(&self, name: &str, namespace: &str) -> Result<Schema, SchemaParseError> {
        let kind = match name {
            "null" => Kind::Null,
            "boolean" => Kind::Boolean,
            "int" => Kind::Int,
            "long" => Kind::Long,
            "float" => Kind::Float,
            "double" => Kind::Double,
            "bytes" => Kind::Bytes,
            "string" => Kind::String,
            _ => {
                let full = full_name(name, namespace);
                return match self.0.iter().find(|(known, _)| *known == full || known == name) {
                    Some((_, Some(schema))) => Ok(schema.clone()),
                    Some((_, None)) => wrong(format!("the type `{full}` contains itself")),
                    None => wrong(format!("the type `{full}` is not defined")),
                };
            }
        };
        Ok(Schema::of(kind))
    }

    fn union(&mut self, branches: &[Json], namespace: &str) -> Result<Schema, SchemaParseError> {
        let mut schemas = Vec::new();
        for branch in branches {
            schemas.push(self.parse(branch, namespace)?);
        }
        let null = |schema: &Schema| schema.kind == Kind::Null;
        if schemas.len() == 2 && schemas.iter().filter(|schema| null(schema)).count() == 1 {
            schemas.retain(|schema| !null(schema));
            let Some(other) = schemas.pop() else {
                return wrong("a union is empty");
            };
            return Ok(Schema { nullable: true, ..other });
        }
        let children =
            schemas.into_iter().map(|schema| SchemaChild { name: String::new(), schema }).collect();
        Ok(Schema { children, ..Schema::of(Kind::Union) })
    }

    fn object(&mut self, json: &Json, namespace: &str) -> Result<Schema, SchemaParseError> {
        let Some(ty) = json.get("type") else {
            return wrong("an object has no `type`");
        };
        let logical = json.get("logicalType").and_then(Json::str);
        let mut schema = match ty.str() {
            Some("record" | "error") => self.record(json, namespace)?,
            Some("enum") => {
                let Some(Json::Array(symbols)) = json.get("symbols") else {
                    return wrong("an enum has no symbols");
                };
                let symbols = symbols.iter().filter_map(Json::str).map(str::to_owned).collect();
                self.define(json, namespace, Schema { symbols, ..Schema::of(Kind::Enum) })?
            }
            Some("fixed") => {
                let size = match json.get("size") {
                    Some(Json::Number(size)) => size.parse().ok(),
                    _ => None,
                };
                let Some(size) = size else {
                    return wrong("a fixed has no size");
                };
                let kind = logical_kind(Kind::Fixed, logical, size, json);
                let logical = logical.map(str::to_owned);
                self.define(json, namespace, Schema { size, logical, ..Schema::of(kind) })?
            }
            Some("array") => self.container(Kind::Array, json, "items", namespace)?,
            Some("map") => self.container(Kind::Map, json, "values", namespace)?,
            _ => self.parse(ty, namespace)?,
        };
        if schema.name.is_none() && logical.is_some() {
            schema.kind = logical_kind(schema.kind, logical, 0, json);
            schema.logical = logical.map(str::to_owned);
        }
        Ok(schema)
    }

    fn container(
        &mut self,
        kind: Kind,
        json: &Json,
        key: &str,
        namespace: &str,
    ) -> Result<Schema, SchemaParseError> {
        let Some(inner) = json.get(key) else {
            return wrong(format!("an array or map has no `{key}`"));
        };
        let child = SchemaChild { name: String::new(), schema: self.parse(inner, namespace)? };
        Ok(Schema { children: vec![child], ..Schema::of(kind) })
    }

    fn record(&mut self, json: &Json, namespace: &str) -> Result<Schema, SchemaParseError> {
        let full = name_of(json, namespace)?;
        let inner = full.rsplit_once('.').map_or("", |(namespace, _)| namespace).to_owned();
        self.0.push((full.clone(), None));
        let Some(Json::Array(fields)) = json.get("fields") else {
            return wrong("a record has no fields");
        };
        let mut children = Vec::new();
        for field in fields {
            let (Some(name), Some(ty)) = (field.get("name").and_then(Json::str), field.get("type")) else {
                return wrong(format!("a field of `{full}` has no name or no type"));
            };
            children.push(SchemaChild { name: name.to_owned(), schema: self.parse(ty, &inner)? });
        }
        self.0.retain(|(name, _)| *name != full);
        self.define(json, namespace, Schema { children, ..Schema::of(Kind::Record) })
    }

    fn define(&mut self, json: &Json, namespace: &str, schema: Schema) -> Result<Schema, SchemaParseError> {
        let full = name_of(json, namespace)?;
        let schema = Schema { name: Some(full.clone()), ..schema };
        self.0.push((full, Some(schema.clone())));
        Ok(schema)
    }
}

/// The column of a logical type. An unknown logical type is ignored, as Avro has it.
fn logical_kind(kind: Kind, logical: Option<&str>, size: usize, json: &Json) -> Kind {
    match (kind, logical) {
        (Kind::Bytes | Kind::Fixed, Some("decimal")) => match json.get("precision") {
            Some(Json::Number(digits)) if digits.parse::<u32>().is_ok_and(|digits| digits <= 38) => {
                Kind::Decimal128
            }
            _ => Kind::Decimal256,
        },
        (Kind::String, Some("uuid")) => Kind::Uuid,
        (Kind::Fixed, Some("uuid")) if size == 16 => Kind::Uuid,
        (Kind::Fixed, Some("duration")) if size == 12 => Kind::Duration,
        _ => kind,
    }
}

fn name_of(json: &Json, namespace: &str) -> Result<String, SchemaParseError> {
    let Some(name) = json.get("name").and_then(Json::str) else {
        return wrong("a named type has no name");
    };
    Ok(full_name(name, json.get("namespace").and_then(Json::str).unwrap_or(namespace)))
}

fn full_name(name: &str, namespace: &str) -> String {
    if name.contains('.') || namespace.is_empty() { name.to_owned() } else { format!("{namespace}.{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_told_apart() {
        let text = r#"{"type":"record","name":"R","namespace":"n","fields":[
            {"name":"a","type":["null","string"]},
            {"name":"b","type":{"type":"map","values":{"type":"array","items":"int"}}},
            {"name":"c","type":{"type":"fixed","name":"F","size":16,"logicalType":"uuid"}},
            {"name":"d","type":["F","null","long"]},
            {"name":"e","type":{"type":"bytes","logicalType":"decimal","precision":40,"scale":2}},
            {"name":"f","type":{"type":"long","logicalType":"timestamp-millis"}},
            {"name":"g","type":{"type":"enum","name":"E","symbols":["A","B"]}}]}"#;
        let schema = Schema::parse(text).expect("a schema");
        assert_eq!(schema.name.as_deref(), Some("n.R"));
        let kinds: Vec<_> = schema.children.iter().map(|child| child.schema.kind).collect();
        use Kind::{Decimal256, Enum, Long, Map, String, Union, Uuid};
        assert_eq!(kinds, [String, Map, Uuid, Union, Decimal256, Long, Enum]);
        assert!(schema.children[0].schema.nullable);
        assert_eq!(schema.children[3].schema.children[0].schema.name.as_deref(), Some("n.F"));
        assert_eq!(schema.children[5].schema.logical.as_deref(), Some("timestamp-millis"));
        assert_eq!(schema.children[6].schema.symbols, ["A", "B"]);
    }

    #[test]
    fn broken_schemas_are_refused() {
        for (text, reason) in [
            ("{}", "no `type`"),
            ("\"Unknown\"", "not defined"),
            (
                r#"{"type":"record","name":"R","fields":[{"name":"a","type":["null","R"]}]}"#,
                "contains itself",
            ),
            (r#"{"type":"fixed","name":"F"}"#, "no size"),
        ] {
            let error = Schema::parse(text).expect_err(text).to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
