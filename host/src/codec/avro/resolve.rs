//! Schema resolution by the rules of the Avro specification, compiled into a [`Plan`].
//!
//! - int reads as long, float, double; long as float, double; float as double; string and bytes as
//!   each other.
//! - Records, enums and fixed types match by their unqualified name or a reader's alias; fixed
//!   types also by size. Record fields match by name, then by a reader's alias.
//! - A reader's field that the writer lacks takes its default; without one the pair is refused.
//! - A writer's symbol that the reader lacks becomes the reader's default symbol; without one, a
//!   record that holds it is bad.
//! - A writer's union is resolved branch by branch; a record with a branch that the reader cannot
//!   take is bad. A reader's union takes the first branch of the same type (and full name), else
//!   the first of the same type, else the first that the value can be promoted to.
//! - Decimals match if their scales are equal and the reader's precision is no less. Other
//!   logical types match themselves or their plain type, never each other: timestamps of another
//!   unit would change their meaning in silence.

use std::sync::Arc;

use crate::codec::avro::plan::Op;
use crate::codec::avro::plan::Plan;
use crate::codec::avro::promote;
use crate::codec::avro::skip;
use crate::codec::columns::Layout;
use crate::codec::columns::Node;
use crate::codec::columns::NodeId;
use crate::codec::columns::Shape;
use crate::codec::fault::Fault;
use crate::model::avro_type::AvroType;
use crate::model::avro_type::EnumType;
use crate::model::avro_type::Field;
use crate::model::avro_type::Name;
use crate::model::avro_type::RecordType;

/// Most bytes of the defaults in one plan. A record that is referred to often brings its defaults as
/// often, so that a schema's text does not bound them.
pub(crate) const DEFAULTS_BYTES_MAX: usize = 16 << 20;

/// Why a writer schema cannot be read as a reader schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at {path}: {rule}")]
pub struct ResolveError {
    /// Field names from the root; `the root` for the root itself.
    pub path: String,
    /// What was found, and what rule it breaks.
    pub rule: String,
}

/// How to treat pairs of which only some values can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// A record with such a value is bad; the others are read.
    ByValue,
    /// Refused, as registries do when they check compatibility.
    Whole,
}

/// Compiles a pair. `layout` is the layout of the reader's columns.
///
/// # Errors
/// When no value (or under [`Strictness::Whole`]: not every value) of the writer's can be read.
pub(crate) fn compile(
    writer: &AvroType,
    reader: &AvroType,
    layout: &Layout,
    strictness: Strictness,
) -> Result<Plan, ResolveError> {
    compile_at(writer, reader, layout, layout.root, strictness)
}

/// Like [`compile`], for a column within the layout.
pub(crate) fn compile_at(
    writer: &AvroType,
    reader: &AvroType,
    layout: &Layout,
    node: NodeId,
    strictness: Strictness,
) -> Result<Plan, ResolveError> {
    let mut compiler = Compiler {
        layout,
        strictness,
        path: Vec::new(),
        label: "".into(),
        defaults_bytes_left: DEFAULTS_BYTES_MAX,
    };
    compiler.plan(writer, reader, node)
}

struct Compiler<'a> {
    layout: &'a Layout,
    strictness: Strictness,
    path: Vec<String>,
    /// The path as text.
    label: Arc<str>,
    defaults_bytes_left: usize,
}

impl<'a> Compiler<'a> {
    /// A plan of its own for a value that is read apart: an item, a branch, a default.
    fn plan(&mut self, writer: &AvroType, reader: &AvroType, node: NodeId) -> Result<Plan, ResolveError> {
        let mut plan = Plan { bytes_min: skip::bytes_min(writer), ..Plan::default() };
        self.any(writer, reader, node, &mut plan)?;
        Ok(plan)
    }

    fn any(&mut self, w: &AvroType, r: &AvroType, node: NodeId, out: &mut Plan) -> Result<(), ResolveError> {
        if let AvroType::Union(branches) = w {
            return self.writer_union(w, branches, r, node, out);
        }
        if let Some((inner, _)) = r.as_nullable() {
            if *w == AvroType::Null {
                self.push(Op::NullRow(node), out);
                return Ok(());
            }
            self.valid(node, out)?;
            return self.value(w, inner, node, out);
        }
        self.valid(node, out)?;
        match r {
            AvroType::Union(branches) => self.reader_union(w, branches, node, out),
            _ => self.value(w, r, node, out),
        }
    }

    fn writer_union(
        &mut self,
        w: &AvroType,
        branches: &[AvroType],
        r: &AvroType,
        node: NodeId,
        out: &mut Plan,
    ) -> Result<(), ResolveError> {
        let mut known = None;
        if let (Some((w_inner, null_branch)), Some((r_inner, _)), Some(nulls)) =
            (w.as_nullable(), r.as_nullable(), self.node(node)?.nulls)
        {
            let mut some = Plan { bytes_min: skip::bytes_min(w_inner), ..Plan::default() };
            match self.value(w_inner, r_inner, node, &mut some) {
                Ok(()) => {
                    let null_branch = null_branch as u8;
                    self.push(Op::Nullable { nulls, null_branch, node, some: Box::new(some) }, out);
                    return Ok(());
                }
                Err(error) => known = Some((w_inner, error)),
            }
        }
        let mut plans = Vec::with_capacity(branches.len());
        let mut refused = None;
        for branch in branches {
            // Not tried twice: on every level of a deep schema that would double the work below it.
            let plan = match known.take_if(|(inner, _)| std::ptr::eq(*inner, branch)) {
                Some((_, error)) => Err(error),
                None => self.plan(branch, r, node),
            };
            match plan {
                Ok(plan) => plans.push(Some(plan)),
                Err(error) => {
                    refused.get_or_insert(error);
                    plans.push(None);
                }
            }
        }
        match refused {
            Some(error) if self.strictness == Strictness::Whole || plans.iter().all(Option::is_none) => {
                Err(error)
            }
            _ => {
                self.push(Op::WriterUnion(plans.into()), out);
                Ok(())
            }
        }
    }

    fn reader_union(
        &mut self,
        w: &AvroType,
        branches: &[AvroType],
        node: NodeId,
        out: &mut Plan,
    ) -> Result<(), ResolveError> {
        let Shape::Union { union, children, .. } = &self.node(node)?.shape else {
            return Err(self.internal());
        };
        let mut order: Vec<usize> = (0..branches.len()).collect();
        // Stable: within one rank the first branch wins.
        order.sort_by_key(|index| branches.get(*index).map_or(u8::MAX, |branch| rank(w, branch)));
        let start = out.ops.len();
        for index in order {
            let (Some(branch), Some(child)) = (branches.get(index), children.get(index)) else {
                continue;
            };
            self.push(Op::Branch { union: *union, type_id: index as i8, child: *child }, out);
            if self.any(w, branch, *child, out).is_ok() {
                return Ok(());
            }
            out.truncate(start);
        }
        let names: Vec<&str> = branches.iter().map(AvroType::label).collect();
        Err(self.refuse(format!(
            "the writer's {} fits no branch of the union [{}]",
            w.label(),
            names.join(", ")
        )))
    }

    /// Neither side is a union.
    fn value(
        &mut self,
        w: &AvroType,
        r: &AvroType,
        node: NodeId,
        out: &mut Plan,
    ) -> Result<(), ResolveError> {
        match (w, r) {
            (AvroType::Record(w), AvroType::Record(r)) => self.record(w, r, node, out),
            (AvroType::Enum(w), AvroType::Enum(r)) => self.enumeration(w, r, node, out),
            (AvroType::Array(w), AvroType::Array(r)) => {
                let Shape::List { list, item } = self.node(node)?.shape else {
                    return Err(self.internal());
                };
                let plan = self.within("[]", |this| this.plan(w, r, item))?;
                self.push(Op::Array { list, child: item, item: Box::new(plan) }, out);
                Ok(())
            }
            (AvroType::Map(w), AvroType::Map(r)) => {
                let Shape::Map { list, key, value } = self.node(node)?.shape else {
                    return Err(self.internal());
                };
                let plan = self.within("{}", |this| this.plan(w, r, value))?;
                self.push(Op::Map { list, key, child: value, item: Box::new(plan) }, out);
                Ok(())
            }
            _ => {
                let op = promote::op(w, r, &self.node(node)?.shape).map_err(|rule| self.refuse(rule))?;
                self.push(op, out);
                Ok(())
            }
        }
    }

    fn record(
        &mut self,
        w: &RecordType,
        r: &RecordType,
        node: NodeId,
        out: &mut Plan,
    ) -> Result<(), ResolveError> {
        self.same_name("record", &w.name, &r.name)?;
        let Shape::Struct { len, children } = &self.node(node)?.shape else {
            return Err(self.internal());
        };
        // The reader's field of each of the writer's: by name first, then by alias.
        let mut readers: Vec<Option<usize>> =
            w.fields.iter().map(|f| r.fields.iter().position(|other| other.name == f.name)).collect();
        for (index, field) in r.fields.iter().enumerate() {
            if readers.contains(&Some(index)) {
                continue;
            }
            let mut unclaimed = readers.iter_mut().zip(&w.fields).filter(|(reader, _)| reader.is_none());
            if let Some((reader, _)) = unclaimed.find(|(_, f)| field.aliases.contains(&f.name)) {
                *reader = Some(index);
            }
        }
        for (field, reader) in w.fields.iter().zip(&readers) {
            let target = reader.and_then(|index| Some((r.fields.get(index)?, *children.get(index)?)));
            self.within(&field.name, |this| match target {
                Some((target, child)) => this.any(&field.ty, &target.ty, child, out),
                None => {
                    skip::compile(&field.ty, &this.label, out);
                    Ok(())
                }
            })?;
        }
        for (index, (field, child)) in r.fields.iter().zip(children).enumerate() {
            if !readers.contains(&Some(index)) {
                self.within(&field.name, |this| this.default(field, *child, out))?;
            }
        }
        self.push(Op::Row(*len), out);
        Ok(())
    }

    fn default(&mut self, field: &Field, child: NodeId, out: &mut Plan) -> Result<(), ResolveError> {
        let Some(default) = &field.default else {
            return Err(
                self.refuse("the writer has no such field, and the reader's has no default".to_owned())
            );
        };
        let bytes = field.ty.encode_default(default).map_err(|why| {
            self.refuse(format!("the writer has no such field, and the reader's default is ill-typed: {why}"))
        })?;
        self.defaults_bytes_left = self.defaults_bytes_left.checked_sub(bytes.len()).ok_or_else(|| {
            self.refuse(format!("with this one, the defaults take more than {DEFAULTS_BYTES_MAX} bytes"))
        })?;
        let plan = self.plan(&field.ty, &field.ty, child)?;
        self.push(Op::Default { plan: Box::new(plan), bytes: bytes.into() }, out);
        Ok(())
    }

    fn enumeration(
        &mut self,
        w: &EnumType,
        r: &EnumType,
        node: NodeId,
        out: &mut Plan,
    ) -> Result<(), ResolveError> {
        self.same_name("enum", &w.name, &r.name)?;
        let Shape::Int32(column) = self.node(node)?.shape else {
            return Err(self.internal());
        };
        let position = |symbol: &String| r.symbols.iter().position(|other| other == symbol);
        let default = r.default.as_ref().and_then(position);
        let mut map = Vec::with_capacity(w.symbols.len());
        for symbol in &w.symbols {
            let index = position(symbol).or(default);
            if index.is_none() && self.strictness == Strictness::Whole {
                return Err(self.refuse(format!(
                    "the writer's symbol `{symbol}` is unknown to the reader's enum, which has no default"
                )));
            }
            map.push(index.map_or(-1, |index| index as i32));
        }
        let identity = map.iter().zip(0..).all(|(reader, writer)| *reader == writer);
        let op = if identity {
            Op::Enum { column, symbols: map.len() as i32 }
        } else {
            Op::EnumMap { column, symbols: map.into() }
        };
        self.push(op, out);
        Ok(())
    }

    fn same_name(&self, kind: &str, w: &Name, r: &Name) -> Result<(), ResolveError> {
        if names_match(w, r) {
            return Ok(());
        }
        Err(self.refuse(format!(
            "the writer's {kind} `{}` is not the reader's `{}`: the names must be equal without their \
             namespaces, or the writer's be an alias of the reader's",
            w.full, r.full
        )))
    }

    fn valid(&mut self, node: NodeId, out: &mut Plan) -> Result<(), ResolveError> {
        if let Some(nulls) = self.node(node)?.nulls {
            self.push(Op::Valid(nulls), out);
        }
        Ok(())
    }

    fn push(&self, op: Op, out: &mut Plan) {
        out.push(op, &self.label);
    }

    fn node(&self, id: NodeId) -> Result<&'a Node, ResolveError> {
        self.layout.node(id).map_err(|_| self.internal())
    }

    fn within<T>(
        &mut self,
        part: &str,
        work: impl FnOnce(&mut Self) -> Result<T, ResolveError>,
    ) -> Result<T, ResolveError> {
        let outer = self.label.clone();
        self.path.push(part.to_owned());
        self.label = join(&self.path).into();
        let result = work(self);
        self.path.pop();
        self.label = outer;
        result
    }

    fn refuse(&self, rule: String) -> ResolveError {
        let path = if self.path.is_empty() { "the root".to_owned() } else { format!("`{}`", self.label) };
        ResolveError { path, rule }
    }

    fn internal(&self) -> ResolveError {
        self.refuse(Fault::Internal.text().to_owned())
    }
}

/// `a.b[].c`
fn join(path: &[String]) -> String {
    let mut text = String::new();
    for part in path {
        if !text.is_empty() && part != "[]" && part != "{}" {
            text.push('.');
        }
        text.push_str(part);
    }
    text
}

/// How well a value of `w` fits the branch `r`, best first.
fn rank(w: &AvroType, r: &AvroType) -> u8 {
    let same = std::mem::discriminant(w) == std::mem::discriminant(r);
    if same && w.label() == r.label() {
        0
    } else if same {
        1
    } else if promote::base_label(w) == promote::base_label(r) {
        2
    } else {
        3
    }
}

/// Unqualified names are compared, as the specification says; of the reader also its aliases.
pub(super) fn names_match(w: &Name, r: &Name) -> bool {
    let alias = |alias: &Arc<str>| alias.rsplit('.').next() == Some(w.short());
    w.short() == r.short() || r.aliases.iter().any(alias)
}
