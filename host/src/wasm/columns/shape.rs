//! What a column must look like: its Arrow type, and what Avro demands beyond it.

use std::sync::Arc;

use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::FieldRef;
use arrow_schema::Fields;
use arrow_schema::IntervalUnit;
use arrow_schema::TimeUnit;
use arrow_schema::UnionFields;
use arrow_schema::UnionMode;

use crate::model::arrow_type::data_type;
use crate::model::avro_type::AvroType;
use crate::model::avro_type::SchemaError;

/// The shape of one column and of its children.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnShape {
    pub(super) data_type: DataType,
    /// Whether a row may be null.
    pub(super) nullable: bool,
    pub(super) node: Node,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Null,
    Boolean,
    /// Values of `width` bytes each.
    Primitive {
        width: usize,
        values: Values,
    },
    FixedSizeBinary(usize),
    Binary,
    Utf8,
    List {
        item: Box<ColumnShape>,
        field: FieldRef,
    },
    Map {
        entries: Box<ColumnShape>,
        field: FieldRef,
    },
    Struct {
        columns: Vec<ColumnShape>,
        fields: Fields,
    },
    /// Dense; a child's type id is its index.
    Union {
        columns: Vec<ColumnShape>,
        fields: UnionFields,
    },
}

/// Which values a primitive column may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Values {
    Any,
    /// Indexes below this count of symbols.
    Symbols(usize),
    /// Numbers of at most this many decimal digits.
    Digits(u8),
}

impl ColumnShape {
    /// The shape of a root that carries values of `avro`. A root may always be null: a null key, a
    /// tombstone.
    ///
    /// # Errors
    /// When the type cannot be carried as columns.
    pub fn typed(avro: &AvroType) -> Result<Self, SchemaError> {
        Self::of(&data_type(avro)?, Some(avro), true)
    }

    /// The shape of bytes as they are: Binary.
    #[must_use]
    pub fn raw() -> Self {
        Self { data_type: DataType::Binary, nullable: true, node: Node::Binary }
    }

    /// The shape of the `timestamp` root: Int64 milliseconds.
    #[must_use]
    pub fn timestamp() -> Self {
        Self {
            data_type: DataType::Int64,
            nullable: true,
            node: Node::Primitive { width: 8, values: Values::Any },
        }
    }

    /// The shape of the `headers` root: `List<Struct<key: Utf8, value: Binary nullable>>`.
    #[must_use]
    pub fn headers() -> Self {
        let leaf = |data_type: DataType, nullable, node| Self { data_type, nullable, node };
        let fields = Fields::from(vec![
            Field::new("key", DataType::Utf8, false),
            Field::new("value", DataType::Binary, true),
        ]);
        let item = Self {
            data_type: DataType::Struct(fields.clone()),
            nullable: false,
            node: Node::Struct {
                columns: vec![
                    leaf(DataType::Utf8, false, Node::Utf8),
                    leaf(DataType::Binary, true, Node::Binary),
                ],
                fields,
            },
        };
        let field = Arc::new(Field::new("item", item.data_type.clone(), false));
        Self {
            data_type: DataType::List(Arc::clone(&field)),
            nullable: true,
            node: Node::List { item: Box::new(item), field },
        }
    }

    /// The shape of a root of this Arrow type, without what only Avro knows (symbols).
    ///
    /// # Errors
    /// When no Avro type has this Arrow type.
    pub fn untyped(data_type: &DataType) -> Result<Self, SchemaError> {
        Self::of(data_type, None, true)
    }

    /// The Arrow type of the column.
    #[must_use]
    pub fn data_type(&self) -> &DataType {
        &self.data_type
    }

    fn of(data_type: &DataType, avro: Option<&AvroType>, nullable: bool) -> Result<Self, SchemaError> {
        let avro = avro.map(inside_nullable);
        let primitive = |width| Node::Primitive { width, values: Values::Any };
        let digits = |width, precision| Node::Primitive { width, values: Values::Digits(precision) };
        let node = match data_type {
            DataType::Null => Node::Null,
            DataType::Boolean => Node::Boolean,
            DataType::Int32 => match avro {
                Some(AvroType::Enum(symbols)) => {
                    Node::Primitive { width: 4, values: Values::Symbols(symbols.symbols.len()) }
                }
                _ => primitive(4),
            },
            DataType::Float32 | DataType::Date32 | DataType::Time32(TimeUnit::Millisecond) => primitive(4),
            DataType::Int64
            | DataType::Float64
            | DataType::Time64(TimeUnit::Microsecond)
            | DataType::Timestamp(TimeUnit::Millisecond | TimeUnit::Microsecond | TimeUnit::Nanosecond, _) => {
                primitive(8)
            }
            DataType::Interval(IntervalUnit::MonthDayNano) => primitive(16),
            DataType::Decimal128(precision, _) => digits(16, *precision),
            DataType::Decimal256(precision, _) => digits(32, *precision),
            DataType::FixedSizeBinary(size) => match usize::try_from(*size) {
                Ok(size) => Node::FixedSizeBinary(size),
                Err(_) => return Err(unsupported(data_type)),
            },
            DataType::Binary => Node::Binary,
            DataType::Utf8 => Node::Utf8,
            DataType::List(field) => Node::List {
                item: Box::new(Self::child(field, avro.and_then(item_type))?),
                field: Arc::clone(field),
            },
            DataType::Map(field, false) => Node::Map {
                entries: Box::new(Self::entries(field, avro.and_then(item_type))?),
                field: Arc::clone(field),
            },
            DataType::Struct(fields) => Node::Struct {
                columns: fields
                    .iter()
                    .enumerate()
                    .map(|(index, field)| Self::child(field, avro.and_then(|a| field_type(a, index))))
                    .collect::<Result<_, _>>()?,
                fields: fields.clone(),
            },
            DataType::Union(fields, UnionMode::Dense)
                if fields.iter().zip(0_i8..).all(|((id, _), index)| id == index) =>
            {
                Node::Union {
                    columns: fields
                        .iter()
                        .enumerate()
                        .map(|(index, (_, field))| {
                            Self::child(field, avro.and_then(|a| branch_type(a, index)))
                        })
                        .collect::<Result<_, _>>()?,
                    fields: fields.clone(),
                }
            }
            _ => return Err(unsupported(data_type)),
        };
        Ok(Self { data_type: data_type.clone(), nullable, node })
    }

    fn child(field: &FieldRef, avro: Option<&AvroType>) -> Result<Self, SchemaError> {
        Self::of(field.data_type(), avro, field.is_nullable())
    }

    fn entries(field: &FieldRef, value: Option<&AvroType>) -> Result<Self, SchemaError> {
        let DataType::Struct(fields) = field.data_type() else {
            return Err(unsupported(field.data_type()));
        };
        let [key, item] = fields.as_ref() else {
            return Err(unsupported(field.data_type()));
        };
        Ok(Self {
            data_type: field.data_type().clone(),
            nullable: false,
            node: Node::Struct {
                columns: vec![Self::child(key, None)?, Self::child(item, value)?],
                fields: fields.clone(),
            },
        })
    }
}

/// `T` of `[null, T]` and `[T, null]`, which is no union in Arrow.
fn inside_nullable(avro: &AvroType) -> &AvroType {
    match avro {
        AvroType::Union(branches) => match branches.as_slice() {
            [AvroType::Null, inner] | [inner, AvroType::Null] => inner,
            _ => avro,
        },
        _ => avro,
    }
}

fn item_type(avro: &AvroType) -> Option<&AvroType> {
    match avro {
        AvroType::Array(item) | AvroType::Map(item) => Some(item),
        _ => None,
    }
}

fn field_type(avro: &AvroType, index: usize) -> Option<&AvroType> {
    match avro {
        AvroType::Record(record) => record.fields.get(index).map(|field| &field.ty),
        _ => None,
    }
}

fn branch_type(avro: &AvroType, index: usize) -> Option<&AvroType> {
    match avro {
        AvroType::Union(branches) => branches.get(index),
        _ => None,
    }
}

fn unsupported(data_type: &DataType) -> SchemaError {
    SchemaError::Unsupported { at: "a column".to_owned(), what: format!("the Arrow type {data_type}") }
}
