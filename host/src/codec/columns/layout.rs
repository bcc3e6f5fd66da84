//! The shape of a column tree.

use arrow_schema::DataType;

use crate::codec::columns::BytesColumn;
use crate::codec::columns::FixedColumn;
use crate::codec::columns::Store;
use crate::codec::columns::UnionColumn;
use crate::codec::columns::Validity;
use crate::codec::fault::Fault;
use crate::model::avro_type::AvroType;
use crate::model::avro_type::DecimalRepr;

/// Index of a column in its layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NodeId(u32);

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) shape: Shape,
    /// Index of the validity; none where no row can be null, or the type has no validity.
    pub(crate) nulls: Option<u32>,
    /// Whether the column has one entry for each row of the batch.
    pub(crate) by_row: bool,
}

/// The physical type with the index of its column among those of the type.
#[derive(Debug)]
pub(crate) enum Shape {
    Null(u32),
    Boolean(u32),
    Int32(u32),
    Int64(u32),
    Float32(u32),
    Float64(u32),
    Bytes(u32),
    Fixed(u32),
    Decimal128(u32),
    Decimal256(u32),
    Interval(u32),
    Struct { len: u32, children: Box<[NodeId]> },
    List { list: u32, item: NodeId },
    Map { list: u32, key: u32, value: NodeId },
    Union { union: u32, children: Box<[NodeId]>, null_branch: Option<i8> },
}

#[derive(Debug)]
pub(crate) struct Layout {
    nodes: Vec<Node>,
    pub(crate) root: NodeId,
    pub(crate) data_type: DataType,
}

impl Layout {
    /// Lays out `avro` and adds its columns to `store`.
    pub(super) fn new(avro: &AvroType, data_type: DataType, store: &mut Store) -> Self {
        let mut nodes = Vec::new();
        let root = Planner { nodes: &mut nodes, store }.add(avro, true, true);
        Self { nodes, root, data_type }
    }

    #[inline]
    pub(crate) fn node(&self, id: NodeId) -> Result<&Node, Fault> {
        self.nodes.get(id.0 as usize).ok_or(Fault::Internal)
    }

    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }
}

struct Planner<'a> {
    nodes: &'a mut Vec<Node>,
    store: &'a mut Store,
}

/// Adds a column, returns its index.
fn add<T>(columns: &mut Vec<T>, column: T) -> u32 {
    columns.push(column);
    columns.len() as u32 - 1
}

impl Planner<'_> {
    fn add(&mut self, ty: &AvroType, by_row: bool, root: bool) -> NodeId {
        let nullable = root || ty.as_nullable().is_some();
        let shape = self.shape(ty.as_nullable().map_or(ty, |(inner, _)| inner), by_row);
        let has_validity = !matches!(shape, Shape::Null(_) | Shape::Union { .. });
        let nulls = (nullable && has_validity).then(|| add(&mut self.store.nulls, Validity::new()));
        NodeId(add(self.nodes, Node { shape, nulls, by_row }))
    }

    fn shape(&mut self, ty: &AvroType, by_row: bool) -> Shape {
        let store = &mut *self.store;
        match ty {
            AvroType::Null => Shape::Null(add(&mut store.lens, 0)),
            AvroType::Boolean => Shape::Boolean(add(&mut store.booleans, Vec::new())),
            AvroType::Int | AvroType::Enum(_) | AvroType::Date | AvroType::TimeMillis => {
                Shape::Int32(add(&mut store.int32, Vec::new()))
            }
            AvroType::Long | AvroType::TimeMicros | AvroType::Timestamp(_) | AvroType::LocalTimestamp(_) => {
                Shape::Int64(add(&mut store.int64, Vec::new()))
            }
            AvroType::Float => Shape::Float32(add(&mut store.float32, Vec::new())),
            AvroType::Double => Shape::Float64(add(&mut store.float64, Vec::new())),
            AvroType::Bytes | AvroType::String => Shape::Bytes(add(&mut store.bytes, BytesColumn::new())),
            AvroType::Fixed { size, .. } => fixed(store, *size),
            AvroType::Uuid(_) => fixed(store, 16),
            AvroType::Decimal { precision, repr: DecimalRepr::Bytes | DecimalRepr::Fixed { .. }, .. } => {
                if *precision <= 38 {
                    Shape::Decimal128(add(&mut store.decimal128, Vec::new()))
                } else {
                    Shape::Decimal256(add(&mut store.decimal256, Vec::new()))
                }
            }
            AvroType::Duration { .. } => Shape::Interval(add(&mut store.interval, Vec::new())),
            AvroType::Record(record) => {
                let len = add(&mut store.lens, 0);
                let children = record.fields.iter().map(|field| self.add(&field.ty, by_row, false)).collect();
                Shape::Struct { len, children }
            }
            AvroType::Array(item) => {
                let list = add(&mut store.lists, vec![0]);
                Shape::List { list, item: self.add(item, false, false) }
            }
            AvroType::Map(item) => {
                let list = add(&mut store.lists, vec![0]);
                let key = add(&mut store.bytes, BytesColumn::new());
                Shape::Map { list, key, value: self.add(item, false, false) }
            }
            AvroType::Union(branches) => {
                let union = add(&mut store.unions, UnionColumn::default());
                let null = branches.iter().position(|branch| *branch == AvroType::Null);
                let children = branches.iter().map(|branch| self.add(branch, false, false)).collect();
                Shape::Union { union, children, null_branch: null.map(|index| index as i8) }
            }
        }
    }
}

fn fixed(store: &mut Store, size: usize) -> Shape {
    Shape::Fixed(add(&mut store.fixed, FixedColumn { size, data: Vec::new(), len: 0 }))
}
