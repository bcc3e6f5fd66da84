//! From schema texts to the tree.

use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Map;
use serde_json::Value as Json;

use crate::model::avro_type::AvroType;
use crate::model::avro_type::DecimalRepr;
use crate::model::avro_type::EnumType;
use crate::model::avro_type::Field;
use crate::model::avro_type::Name;
use crate::model::avro_type::RecordType;
use crate::model::avro_type::SchemaError;
use crate::model::avro_type::TimeUnit;
use crate::model::avro_type::UuidRepr;
use crate::model::avro_type::terms::decimal;
use crate::model::avro_type::terms::full_name;
use crate::model::avro_type::terms::is_name;
use crate::model::avro_type::terms::primitive;
use crate::model::avro_type::terms::qualify;
use crate::model::limits::COLUMNS_MAX;
use crate::model::limits::FIXED_BYTES_MAX;
use crate::model::limits::SCHEMA_DEPTH_MAX;

/// Most digits of a decimal that a column can hold.
const DECIMAL_PRECISION_MAX: usize = 76;
/// Most branches of a union: Arrow's type ids are signed bytes.
const UNION_BRANCHES_MAX: usize = 127;

/// Longest full name, in bytes: the canonical text repeats it wherever the type is referred to.
const NAME_BYTES_MAX: usize = 1 << 10;
/// Most bytes of full names and full aliases of one schema. A short text could make many of them, all
/// with one long namespace.
const NAMES_BYTES_MAX: usize = 4 << 20;

/// What happens to a default that is no value of its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Defaults {
    Checked,
    IllTypedDropped,
}

pub(super) fn parse(text: &str, references: &[String], defaults: Defaults) -> Result<AvroType, SchemaError> {
    let texts = references.iter().map(|text| read_json(text)).collect::<Result<Vec<_>, _>>()?;
    let root = read_json(text)?;
    let mut parser = Parser {
        named: HashMap::new(),
        pending: HashMap::new(),
        path: Vec::new(),
        names_bytes_left: NAMES_BYTES_MAX,
        defaults,
    };
    for text in &texts {
        if let Some(name) = text.as_object().and_then(|object| full_name(object, "").ok()) {
            parser.pending.insert(name, text);
        }
    }
    for text in &texts {
        let known = text.as_object().and_then(|object| full_name(object, "").ok());
        if known.is_none_or(|name| parser.pending.remove(&name).is_some()) {
            parser.ty(text, "", 1)?;
        }
    }
    Ok(parser.ty(&root, "", 1)?.ty)
}

fn read_json(text: &str) -> Result<Json, SchemaError> {
    serde_json::from_str(text).map_err(|error| match error.to_string() {
        // The reader's own bound, which keeps this recursion bounded too.
        message if message.starts_with("recursion limit") => SchemaError::TooDeep,
        message => SchemaError::Invalid(format!("not JSON: {message}")),
    })
}

/// A parsed type with its size as columns.
#[derive(Clone)]
struct Node {
    ty: AvroType,
    /// Levels, from 1.
    height: usize,
    columns: usize,
}

impl Node {
    fn leaf(ty: AvroType) -> Self {
        Self { ty, height: 1, columns: 1 }
    }
}

enum Named {
    InWork,
    Done(Node),
}

struct Parser<'a> {
    named: HashMap<String, Named>,
    /// Reference texts not yet parsed, by the name they define.
    pending: HashMap<String, &'a Json>,
    /// Field names down to the type in work.
    path: Vec<String>,
    /// What full names and aliases may still take.
    names_bytes_left: usize,
    defaults: Defaults,
}

impl<'a> Parser<'a> {
    fn ty(&mut self, json: &Json, namespace: &str, depth: usize) -> Result<Node, SchemaError> {
        if depth > SCHEMA_DEPTH_MAX {
            return Err(SchemaError::TooDeep);
        }
        let node = match json {
            Json::String(name) => self.named_or_primitive(name, namespace, depth)?,
            Json::Array(branches) => self.union(branches, namespace, depth)?,
            Json::Object(object) => self.object(object, namespace, depth)?,
            other => return Err(self.invalid(format!("found {other}, expected a type"))),
        };
        if depth + node.height > SCHEMA_DEPTH_MAX + 1 {
            return Err(SchemaError::TooDeep);
        }
        self.with_columns(0, node.columns)?;
        Ok(node)
    }

    /// Columns of a type so far, and of one more part of it. To be asked for each part, so that no
    /// more of a schema is looked at than can be carried.
    fn with_columns(&self, so_far: usize, more: usize) -> Result<usize, SchemaError> {
        match so_far.saturating_add(more) {
            sum @ ..=COLUMNS_MAX => Ok(sum),
            _ => Err(self.unsupported(format!("a schema of more than {COLUMNS_MAX} columns"))),
        }
    }

    fn named_or_primitive(&mut self, name: &str, namespace: &str, depth: usize) -> Result<Node, SchemaError> {
        if let Some(ty) = primitive(name) {
            return Ok(Node::leaf(ty));
        }
        // As the Java library: the namespace around it first, then none.
        let inside = qualify(name, namespace);
        for full in [inside.as_str(), name] {
            match self.named.get(full) {
                Some(Named::Done(node)) => return Ok(node.clone()),
                Some(Named::InWork) => return Err(SchemaError::Recursive(full.to_owned())),
                None => {}
            }
            if let Some(text) = self.pending.remove(full) {
                return self.ty(text, "", depth + 1);
            }
        }
        Err(self.invalid(format!("the type `{inside}` is not defined")))
    }

    fn union(&mut self, branches: &[Json], namespace: &str, depth: usize) -> Result<Node, SchemaError> {
        if branches.len() > UNION_BRANCHES_MAX {
            return Err(self.unsupported(format!(
                "a union of {} branches (at most {UNION_BRANCHES_MAX})",
                branches.len()
            )));
        }
        if branches.is_empty() {
            return Err(self.invalid("found a union without branches".to_owned()));
        }
        let mut types: Vec<AvroType> = Vec::with_capacity(branches.len());
        let (mut height, mut columns) = (0, 0);
        for branch in branches {
            let node = self.ty(branch, namespace, depth + 1)?;
            if matches!(node.ty, AvroType::Union(_)) {
                return Err(self.invalid("found a union directly in a union".to_owned()));
            }
            if types.iter().any(|other| other.label() == node.ty.label()) {
                return Err(self.invalid(format!("found `{}` twice in a union", node.ty.label())));
            }
            height = height.max(node.height);
            columns = self.with_columns(columns, node.columns)?;
            types.push(node.ty);
        }
        Ok(Node { ty: AvroType::Union(types), height: height + 1, columns: columns + 1 })
    }

    fn object(
        &mut self,
        object: &Map<String, Json>,
        namespace: &str,
        depth: usize,
    ) -> Result<Node, SchemaError> {
        let node = match object.get("type") {
            Some(Json::String(kind)) => match kind.as_str() {
                "record" | "error" => self.record(object, namespace, depth)?,
                "enum" => self.enumeration(object, namespace)?,
                "fixed" => return self.fixed(object, namespace),
                "array" => {
                    let item = self.child(object, "items", namespace, depth)?;
                    Node {
                        ty: AvroType::Array(Box::new(item.ty)),
                        height: item.height + 1,
                        columns: item.columns + 1,
                    }
                }
                "map" => {
                    let item = self.child(object, "values", namespace, depth)?;
                    Node {
                        ty: AvroType::Map(Box::new(item.ty)),
                        height: item.height + 1,
                        columns: item.columns + 3,
                    }
                }
                name => self.named_or_primitive(name, namespace, depth)?,
            },
            // Not in the specification, but other libraries take it.
            Some(inner @ (Json::Object(_) | Json::Array(_))) => self.ty(inner, namespace, depth + 1)?,
            Some(other) => return Err(self.invalid(format!("found `\"type\": {other}`, expected a type"))),
            None => return Err(self.invalid("found an object without `type`".to_owned())),
        };
        let Some(logical) = object.get("logicalType").and_then(Json::as_str) else {
            return Ok(node);
        };
        if !matches!(node.ty, AvroType::Int | AvroType::Long | AvroType::Bytes | AvroType::String) {
            // A logical type belongs to a fixed's definition, not to references.
            return Ok(node);
        }
        let ty = self.logical(logical, object, node.ty)?;
        Ok(Node { ty, ..node })
    }

    fn child(
        &mut self,
        object: &Map<String, Json>,
        key: &str,
        namespace: &str,
        depth: usize,
    ) -> Result<Node, SchemaError> {
        let Some(json) = object.get(key) else {
            return Err(self.invalid(format!("found no `{key}`")));
        };
        self.ty(json, namespace, depth + 1)
    }

    /// The logical type, or the type as it was where the logical type does not apply to it.
    fn logical(
        &self,
        logical: &str,
        object: &Map<String, Json>,
        ty: AvroType,
    ) -> Result<AvroType, SchemaError> {
        Ok(match (logical, ty) {
            ("date", AvroType::Int) => AvroType::Date,
            ("time-millis", AvroType::Int) => AvroType::TimeMillis,
            ("time-micros", AvroType::Long) => AvroType::TimeMicros,
            ("timestamp-millis", AvroType::Long) => AvroType::Timestamp(TimeUnit::Millis),
            ("timestamp-micros", AvroType::Long) => AvroType::Timestamp(TimeUnit::Micros),
            ("timestamp-nanos", AvroType::Long) => AvroType::Timestamp(TimeUnit::Nanos),
            ("local-timestamp-millis", AvroType::Long) => AvroType::LocalTimestamp(TimeUnit::Millis),
            ("local-timestamp-micros", AvroType::Long) => AvroType::LocalTimestamp(TimeUnit::Micros),
            ("local-timestamp-nanos", AvroType::Long) => AvroType::LocalTimestamp(TimeUnit::Nanos),
            ("uuid", AvroType::String) => AvroType::Uuid(UuidRepr::String),
            ("uuid", AvroType::Fixed { name, size: 16 }) => AvroType::Uuid(UuidRepr::Fixed { name }),
            ("duration", AvroType::Fixed { name, size: 12 }) => AvroType::Duration { name },
            ("decimal", ty @ (AvroType::Bytes | AvroType::Fixed { .. })) => {
                let Some((precision, scale)) = decimal(object, &ty) else {
                    return Ok(ty);
                };
                if precision > DECIMAL_PRECISION_MAX {
                    return Err(self.unsupported(format!(
                        "a decimal of {precision} digits (at most {DECIMAL_PRECISION_MAX})"
                    )));
                }
                let repr = match ty {
                    AvroType::Fixed { name, size } => DecimalRepr::Fixed { name, size },
                    _ => DecimalRepr::Bytes,
                };
                AvroType::Decimal { precision, scale, repr }
            }
            (_, ty) => ty,
        })
    }

    fn record(
        &mut self,
        object: &Map<String, Json>,
        namespace: &str,
        depth: usize,
    ) -> Result<Node, SchemaError> {
        let name = self.name(object, namespace)?;
        let full = name.full.to_string();
        let Some(Json::Array(list)) = object.get("fields") else {
            return Err(self.invalid(format!("found no `fields` in the record `{full}`")));
        };
        let known = match self.named.insert(full.clone(), Named::InWork) {
            Some(Named::InWork) => return Err(SchemaError::Recursive(full)),
            Some(Named::Done(node)) => Some(node),
            None => None,
        };
        let mut fields: Vec<Field> = Vec::with_capacity(list.len());
        let (mut height, mut columns) = (0, 1);
        for json in list {
            let (field, node_height, node_columns) = self.field(json, name.namespace(), depth)?;
            if fields.iter().any(|other| other.name == field.name) {
                return Err(self.invalid(format!("found the field `{}` twice in `{full}`", field.name)));
            }
            height = height.max(node_height);
            columns = self.with_columns(columns, node_columns)?;
            fields.push(field);
        }
        let ty = AvroType::Record(Arc::new(RecordType { name, fields }));
        self.define(full, known, Node { ty, height: height + 1, columns })
    }

    fn field(
        &mut self,
        json: &Json,
        namespace: &str,
        depth: usize,
    ) -> Result<(Field, usize, usize), SchemaError> {
        let Some((object, name)) = json.as_object().and_then(|o| Some((o, o.get("name")?.as_str()?))) else {
            return Err(self.invalid("found a field that is no object with a `name`".to_owned()));
        };
        if !is_name(name) {
            return Err(
                self.invalid(format!("found the field name `{name}`, expected [A-Za-z_][A-Za-z0-9_]*"))
            );
        }
        self.path.push(name.to_owned());
        let node = self.child(object, "type", namespace, depth)?;
        let mut default = object.get("default").cloned();
        if let Some(Err(why)) = default.as_ref().map(|default| node.ty.encode_default(default)) {
            match self.defaults {
                Defaults::Checked => return Err(self.invalid(format!("the default is ill-typed: {why}"))),
                Defaults::IllTypedDropped => default = None,
            }
        }
        let aliases = self.strings(object, "aliases")?;
        self.path.pop();
        Ok((Field { name: name.to_owned(), aliases, ty: node.ty, default }, node.height, node.columns))
    }

    fn enumeration(&mut self, object: &Map<String, Json>, namespace: &str) -> Result<Node, SchemaError> {
        let name = self.name(object, namespace)?;
        let full = name.full.to_string();
        if !object.contains_key("symbols") {
            return Err(self.invalid(format!("found no `symbols` in the enum `{full}`")));
        }
        let symbols = self.strings(object, "symbols")?;
        let mut known_symbols = HashSet::with_capacity(symbols.len());
        for symbol in &symbols {
            if !is_name(symbol) {
                return Err(
                    self.invalid(format!("found the symbol `{symbol}`, expected [A-Za-z_][A-Za-z0-9_]*"))
                );
            }
            if !known_symbols.insert(symbol.as_str()) {
                return Err(self.invalid(format!("found the symbol `{symbol}` twice in `{full}`")));
            }
        }
        let default = match object.get("default") {
            Some(Json::String(symbol)) if symbols.contains(symbol) => Some(symbol.clone()),
            Some(other) if self.defaults == Defaults::Checked => {
                return Err(
                    self.invalid(format!("the default {other} of the enum `{full}` is none of its symbols"))
                );
            }
            _ => None,
        };
        let known = self.known(&full)?;
        self.define(full, known, Node::leaf(AvroType::Enum(Arc::new(EnumType { name, symbols, default }))))
    }

    fn fixed(&mut self, object: &Map<String, Json>, namespace: &str) -> Result<Node, SchemaError> {
        let name = self.name(object, namespace)?;
        let full = name.full.to_string();
        let size = object.get("size").and_then(Json::as_u64).and_then(|size| usize::try_from(size).ok());
        let Some(size) = size else {
            return Err(
                self.invalid(format!("found no `size` in the fixed `{full}`, expected a number of bytes"))
            );
        };
        if size > FIXED_BYTES_MAX {
            return Err(self.unsupported(format!("a fixed of {size} bytes (at most {FIXED_BYTES_MAX})")));
        }
        let mut ty = AvroType::Fixed { name, size };
        if let Some(logical) = object.get("logicalType").and_then(Json::as_str) {
            ty = self.logical(logical, object, ty)?;
        }
        let known = self.known(&full)?;
        self.define(full, known, Node::leaf(ty))
    }

    fn known(&self, full: &str) -> Result<Option<Node>, SchemaError> {
        match self.named.get(full) {
            None => Ok(None),
            Some(Named::Done(node)) => Ok(Some(node.clone())),
            Some(Named::InWork) => Err(self.invalid(format!("found the type `{full}` defined twice"))),
        }
    }

    /// Two texts may define a type alike; differing definitions are refused.
    fn define(&mut self, full: String, known: Option<Node>, node: Node) -> Result<Node, SchemaError> {
        if known.is_some_and(|known| known.ty != node.ty) {
            return Err(self.invalid(format!("found the type `{full}` defined twice, differently")));
        }
        self.named.insert(full, Named::Done(node.clone()));
        Ok(node)
    }

    fn name(&mut self, object: &Map<String, Json>, namespace: &str) -> Result<Name, SchemaError> {
        let full = full_name(object, namespace).map_err(|why| self.invalid(why))?;
        self.take_name(&full)?;
        if primitive(&full).is_some() {
            return Err(self.invalid(format!("found the name `{full}`, which is a primitive type")));
        }
        let own = full.rsplit_once('.').map_or("", |(namespace, _)| namespace).to_owned();
        let mut aliases = Vec::new();
        for alias in self.strings(object, "aliases")? {
            let alias = qualify(&alias, &own);
            self.take_name(&alias)?;
            aliases.push(alias.into());
        }
        Ok(Name { full: full.into(), aliases })
    }

    fn take_name(&mut self, full: &str) -> Result<(), SchemaError> {
        let len = full.len();
        if len > NAME_BYTES_MAX {
            return Err(self.unsupported(format!("a name of {len} bytes (at most {NAME_BYTES_MAX})")));
        }
        match self.names_bytes_left.checked_sub(len) {
            Some(left) => self.names_bytes_left = left,
            None => {
                let what = format!("a schema with more than {NAMES_BYTES_MAX} bytes of names and aliases");
                return Err(self.unsupported(what));
            }
        }
        Ok(())
    }

    fn strings(&self, object: &Map<String, Json>, key: &str) -> Result<Vec<String>, SchemaError> {
        let list = match object.get(key) {
            None => return Ok(Vec::new()),
            Some(Json::Array(list)) => list.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
            Some(_) => None,
        };
        list.ok_or_else(|| self.invalid(format!("found `{key}` that is no list of strings")))
    }

    fn at(&self) -> String {
        if self.path.is_empty() { "the root".to_owned() } else { format!("`{}`", self.path.join(".")) }
    }

    fn invalid(&self, what: String) -> SchemaError {
        SchemaError::Invalid(format!("at {}: {what}", self.at()))
    }

    fn unsupported(&self, what: String) -> SchemaError {
        SchemaError::Unsupported { at: self.at(), what }
    }
}
