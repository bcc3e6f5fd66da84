//! A compiled (writer schema, reader schema) pair: what to do with each value of a datum, in the
//! writer's order.

use std::sync::Arc;

use crate::codec::columns::NodeId;

/// Steps that read one value. Plain records within records are laid out flat.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) ops: Vec<Op>,
    /// The field path of each step, for messages.
    pub(crate) labels: Vec<Arc<str>>,
    /// Fewest bytes that a value takes, by which block counts are bounded.
    pub(crate) bytes_min: usize,
}

/// One step. Numbers are indexes of columns of the step's physical type.
#[derive(Debug)]
pub(crate) enum Op {
    /// A row of this validity is not null.
    Valid(u32),
    /// A null row, or a placeholder; nothing is read.
    NullRow(NodeId),
    /// A row of a Null column, or of a Struct whose fields come apart.
    Row(u32),
    Boolean(u32),
    Int(u32),
    Long(u32),
    Float(u32),
    Double(u32),
    IntToLong(u32),
    IntToFloat(u32),
    IntToDouble(u32),
    LongToFloat(u32),
    LongToDouble(u32),
    FloatToDouble(u32),
    Bytes(u32),
    /// Bytes into a Utf8 column.
    Text(u32),
    Fixed {
        column: u32,
        size: usize,
    },
    /// The reader's symbols begin with the writer's: only the bound is checked.
    Enum {
        column: u32,
        symbols: i32,
    },
    /// The reader's index of each of the writer's symbols; negative where it has none.
    EnumMap {
        column: u32,
        symbols: Box<[i32]>,
    },
    /// `size` of a fixed; none for bytes.
    Decimal128 {
        column: u32,
        precision: u8,
        size: Option<usize>,
    },
    Decimal256 {
        column: u32,
        precision: u8,
        size: Option<usize>,
    },
    UuidText(u32),
    Duration(u32),
    Array {
        list: u32,
        child: NodeId,
        item: Box<Plan>,
    },
    Map {
        list: u32,
        key: u32,
        child: NodeId,
        item: Box<Plan>,
    },
    /// A writer's `[null, T]` into a nullable column.
    Nullable {
        nulls: u32,
        null_branch: u8,
        node: NodeId,
        some: Box<Plan>,
    },
    /// Any other writer's union; none where the reader cannot take the branch.
    WriterUnion(Box<[Option<Plan>]>),
    /// The reader's union: the steps that follow write into the branch.
    Branch {
        union: u32,
        type_id: i8,
        child: NodeId,
    },
    /// A field that the writer does not have: its default, as Avro bytes.
    Default {
        plan: Box<Plan>,
        bytes: Box<[u8]>,
    },
    /// Nothing is written: what the reader does not have.
    SkipFixed(usize),
    SkipNumber,
    SkipBytes,
    SkipArray(Box<Plan>),
    SkipMap(Box<Plan>),
    SkipUnion(Box<[Plan]>),
}

impl Plan {
    pub(super) fn push(&mut self, op: Op, label: &Arc<str>) {
        if let (Op::SkipFixed(more), Some(Op::SkipFixed(size))) = (&op, self.ops.last_mut()) {
            *size = size.saturating_add(*more);
            return;
        }
        self.ops.push(op);
        self.labels.push(label.clone());
    }

    pub(super) fn truncate(&mut self, len: usize) {
        self.ops.truncate(len);
        self.labels.truncate(len);
    }
}
