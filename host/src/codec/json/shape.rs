//! A schema compiled for reading JSON into columns.

use std::collections::HashMap;
use std::sync::Arc;

use crate::codec::avro::plan::Plan;
use crate::codec::avro::resolve::DEFAULTS_BYTES_MAX;
use crate::codec::avro::resolve::Strictness;
use crate::codec::avro::resolve::compile_at;
use crate::codec::columns::Layout;
use crate::codec::columns::NodeId;
use crate::codec::columns::Shape;
use crate::codec::fault::Fault;
use crate::model::avro_type::AvroType;
use crate::model::avro_type::RecordType;
use crate::model::avro_type::TimeUnit;

/// What JSON distinguishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JsonKind {
    Null,
    Boolean,
    Number,
    String,
    Array,
    Object,
}

fn kind(ty: &AvroType) -> Option<JsonKind> {
    Some(match ty {
        AvroType::Null => JsonKind::Null,
        AvroType::Boolean => JsonKind::Boolean,
        AvroType::Int | AvroType::Long | AvroType::Float | AvroType::Double => JsonKind::Number,
        AvroType::Array(_) => JsonKind::Array,
        AvroType::Map(_) | AvroType::Record(_) => JsonKind::Object,
        AvroType::Union(_) => return None,
        _ => JsonKind::String,
    })
}

/// A union whose branches JSON cannot tell apart.
#[derive(Debug)]
pub(crate) struct Ambiguity {
    /// In quotes; `the root` for the root itself.
    pub(crate) path: String,
    /// The branches, by name.
    pub(crate) branches: String,
}

/// The first ambiguous union of a schema.
pub(crate) fn ambiguity(ty: &AvroType) -> Option<Ambiguity> {
    fn find(ty: &AvroType, path: &mut Vec<String>) -> Option<Ambiguity> {
        match ty {
            AvroType::Union(branches) => {
                let kinds: Vec<_> = branches.iter().map(kind).collect();
                let twice =
                    kinds.iter().enumerate().any(|(index, kind)| kinds.iter().take(index).any(|k| k == kind));
                if twice {
                    let path =
                        if path.is_empty() { "the root".to_owned() } else { format!("`{}`", path.join(".")) };
                    let names: Vec<&str> = branches.iter().map(AvroType::label).collect();
                    return Some(Ambiguity { path, branches: names.join(", ") });
                }
                branches.iter().find_map(|branch| find(branch, path))
            }
            AvroType::Array(item) | AvroType::Map(item) => find(item, path),
            AvroType::Record(record) => record.fields.iter().find_map(|field| {
                path.push(field.name.clone());
                let found = find(&field.ty, path);
                path.pop();
                found
            }),
            _ => None,
        }
    }
    find(ty, &mut Vec::new())
}

/// One value's place.
#[derive(Debug)]
pub(super) struct JsonNode {
    pub(super) id: NodeId,
    /// Whether JSON's null is a value here.
    pub(super) nullable: bool,
    pub(super) nulls: Option<u32>,
    pub(super) form: Form,
    /// For messages.
    pub(super) label: Arc<str>,
}

/// What is expected, with the column to write.
#[derive(Debug)]
pub(super) enum Form {
    Null,
    Boolean(u32),
    Int(u32),
    Long(u32),
    Float(u32),
    Double(u32),
    Text(u32),
    Bytes(u32),
    Fixed(u32),
    Uuid(u32),
    Enum { column: u32, symbols: HashMap<String, i32> },
    Decimal { column: u32, wide: bool, precision: u8, scale: usize },
    Date(u32),
    TimeMillis(u32),
    TimeMicros(u32),
    Timestamp { column: u32, unit: TimeUnit, local: bool },
    Duration(u32),
    Record { len: u32, fields: Vec<JsonField>, index: HashMap<String, usize> },
    Array { list: u32, item: Box<JsonNode> },
    Map { list: u32, key: u32, item: Box<JsonNode> },
    Union { union: u32, branches: Vec<(JsonKind, JsonNode)> },
}

#[derive(Debug)]
pub(super) struct JsonField {
    pub(super) name: String,
    pub(super) node: JsonNode,
    /// The default as Avro bytes, with the plan that reads them.
    pub(super) default: Option<(Plan, Vec<u8>)>,
}

/// Compiles a schema; `layout` is the layout of its columns.
///
/// # Errors
/// When a default is ill-typed.
pub(super) fn compile(ty: &AvroType, layout: &Layout) -> Result<JsonNode, String> {
    Compiler { layout, defaults_bytes_left: DEFAULTS_BYTES_MAX }.node(ty, layout.root, "")
}

struct Compiler<'a> {
    layout: &'a Layout,
    defaults_bytes_left: usize,
}

impl Compiler<'_> {
    fn node(&mut self, ty: &AvroType, id: NodeId, label: &str) -> Result<JsonNode, String> {
        let inner = ty.as_nullable().map_or(ty, |(inner, _)| inner);
        let found = self.layout.node(id).map_err(|fault| fault.text().to_owned())?;
        let form = self.form(inner, &found.shape, label)?;
        let nullable = ty.as_nullable().is_some();
        Ok(JsonNode { id, nullable, nulls: found.nulls, form, label: label.into() })
    }

    fn form(&mut self, ty: &AvroType, shape: &Shape, label: &str) -> Result<Form, String> {
        Ok(match (ty, shape) {
            (AvroType::Null, Shape::Null(_)) => Form::Null,
            (AvroType::Boolean, Shape::Boolean(column)) => Form::Boolean(*column),
            (AvroType::Int, Shape::Int32(column)) => Form::Int(*column),
            (AvroType::Long, Shape::Int64(column)) => Form::Long(*column),
            (AvroType::Float, Shape::Float32(column)) => Form::Float(*column),
            (AvroType::Double, Shape::Float64(column)) => Form::Double(*column),
            (AvroType::String, Shape::Bytes(column)) => Form::Text(*column),
            (AvroType::Bytes, Shape::Bytes(column)) => Form::Bytes(*column),
            (AvroType::Fixed { .. }, Shape::Fixed(column)) => Form::Fixed(*column),
            (AvroType::Uuid(_), Shape::Fixed(column)) => Form::Uuid(*column),
            (AvroType::Enum(ty), Shape::Int32(column)) => {
                Form::Enum { column: *column, symbols: ty.symbols.iter().cloned().zip(0..).collect() }
            }
            (
                AvroType::Decimal { precision, scale, .. },
                Shape::Decimal128(column) | Shape::Decimal256(column),
            ) => {
                let wide = matches!(shape, Shape::Decimal256(_));
                Form::Decimal { column: *column, wide, precision: *precision as u8, scale: *scale }
            }
            (AvroType::Date, Shape::Int32(column)) => Form::Date(*column),
            (AvroType::TimeMillis, Shape::Int32(column)) => Form::TimeMillis(*column),
            (AvroType::TimeMicros, Shape::Int64(column)) => Form::TimeMicros(*column),
            (AvroType::Timestamp(unit), Shape::Int64(column)) => {
                Form::Timestamp { column: *column, unit: *unit, local: false }
            }
            (AvroType::LocalTimestamp(unit), Shape::Int64(column)) => {
                Form::Timestamp { column: *column, unit: *unit, local: true }
            }
            (AvroType::Duration { .. }, Shape::Interval(column)) => Form::Duration(*column),
            (AvroType::Record(record), Shape::Struct { len, children }) => {
                let fields = self.fields(record, children, label)?;
                let index = record.fields.iter().map(|field| field.name.clone()).zip(0..).collect();
                Form::Record { len: *len, fields, index }
            }
            (AvroType::Array(item), Shape::List { list, item: child }) => {
                Form::Array { list: *list, item: Box::new(self.node(item, *child, &format!("{label}[]"))?) }
            }
            (AvroType::Map(item), Shape::Map { list, key, value }) => {
                let item = Box::new(self.node(item, *value, &format!("{label}{{}}"))?);
                Form::Map { list: *list, key: *key, item }
            }
            (AvroType::Union(branches), Shape::Union { union, children, .. }) => {
                let mut forms = Vec::with_capacity(branches.len());
                for (branch, child) in branches.iter().zip(children) {
                    let Some(kind) = kind(branch) else {
                        return Err("a union directly in a union".to_owned());
                    };
                    forms.push((kind, self.node(branch, *child, label)?));
                }
                Form::Union { union: *union, branches: forms }
            }
            _ => return Err(Fault::Internal.text().to_owned()),
        })
    }

    fn fields(
        &mut self,
        record: &RecordType,
        children: &[NodeId],
        label: &str,
    ) -> Result<Vec<JsonField>, String> {
        let mut fields = Vec::with_capacity(children.len());
        for (field, child) in record.fields.iter().zip(children) {
            let label = if label.is_empty() { field.name.clone() } else { format!("{label}.{}", field.name) };
            let default = match &field.default {
                None => None,
                Some(default) => {
                    let bytes =
                        field.ty.encode_default(default).map_err(|why| format!("at `{label}`: {why}"))?;
                    self.defaults_bytes_left = self.defaults_bytes_left.checked_sub(bytes.len()).ok_or_else(|| {
                    format!("at `{label}`: with this one, the defaults take more than {DEFAULTS_BYTES_MAX} bytes")
                })?;
                    let plan = compile_at(&field.ty, &field.ty, self.layout, *child, Strictness::Whole);
                    Some((plan.map_err(|error| error.to_string())?, bytes))
                }
            };
            fields.push(JsonField {
                name: field.name.clone(),
                node: self.node(&field.ty, *child, &label)?,
                default,
            });
        }
        Ok(fields)
    }
}
