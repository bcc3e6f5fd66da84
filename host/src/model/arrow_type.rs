//! The Arrow type of each column, fixed by its Avro type.
//!
//! | Avro | Arrow |
//! |---|---|
//! | null | Null |
//! | boolean, int, long, float, double | Boolean, Int32, Int64, Float32, Float64 |
//! | bytes, string | Binary, Utf8 |
//! | fixed | FixedSizeBinary |
//! | enum | Int32, the index into the schema's symbols |
//! | array | List, its child field named `item` |
//! | map | Map of `entries` (`key`: Utf8, `value`), unsorted |
//! | record | Struct |
//! | `[null, T]`, `[T, null]` | T, nullable |
//! | other unions | dense Union; a type id is the branch's index |
//! | decimal | Decimal128 up to 38 digits, else Decimal256 |
//! | date, time-millis, time-micros | Date32, Time32(ms), Time64(µs) |
//! | timestamp-*, local-timestamp-* | Timestamp with the zone `+00:00`, without a zone |
//! | uuid (string or fixed) | FixedSizeBinary(16) |
//! | duration | Interval(MonthDayNano) |

use std::sync::Arc;

use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::FieldRef;
use arrow_schema::Fields;
use arrow_schema::IntervalUnit;
use arrow_schema::TimeUnit as ArrowTimeUnit;
use arrow_schema::UnionFields;
use arrow_schema::UnionMode;

use crate::model::avro_type::AvroType;
use crate::model::avro_type::SchemaError;
use crate::model::avro_type::TimeUnit;

/// Most digits of a Decimal128.
const DECIMAL128_PRECISION_MAX: usize = 38;

/// The type of a column that carries values of `avro`. Whether it is nullable is
/// [`nullable`]'s matter; a root is nullable always.
///
/// # Errors
/// When the type cannot be carried (a union over 127 branches, a decimal over 76 digits).
pub fn data_type(avro: &AvroType) -> Result<DataType, SchemaError> {
    Ok(match avro {
        AvroType::Null => DataType::Null,
        AvroType::Boolean => DataType::Boolean,
        AvroType::Int | AvroType::Enum(_) => DataType::Int32,
        AvroType::Long => DataType::Int64,
        AvroType::Float => DataType::Float32,
        AvroType::Double => DataType::Float64,
        AvroType::Bytes => DataType::Binary,
        AvroType::String => DataType::Utf8,
        AvroType::Fixed { name, size } => match i32::try_from(*size) {
            Ok(size) => DataType::FixedSizeBinary(size),
            Err(_) => return Err(unsupported(&name.full, format!("a fixed of {size} bytes"))),
        },
        AvroType::Array(item) => DataType::List(field("item", item)?),
        AvroType::Map(item) => {
            let key = Arc::new(Field::new("key", DataType::Utf8, false));
            let entries = DataType::Struct(Fields::from(vec![key, field("value", item)?]));
            DataType::Map(Arc::new(Field::new("entries", entries, false)), false)
        }
        AvroType::Record(record) => DataType::Struct(
            record.fields.iter().map(|f| field(&f.name, &f.ty)).collect::<Result<Vec<_>, _>>()?.into(),
        ),
        AvroType::Union(branches) => match avro.as_nullable() {
            Some((inner, _)) => data_type(inner)?,
            None => union(branches)?,
        },
        AvroType::Decimal { precision, scale, .. } => decimal(*precision, *scale)?,
        AvroType::Date => DataType::Date32,
        AvroType::TimeMillis => DataType::Time32(ArrowTimeUnit::Millisecond),
        AvroType::TimeMicros => DataType::Time64(ArrowTimeUnit::Microsecond),
        AvroType::Timestamp(unit) => DataType::Timestamp(time_unit(*unit), Some("+00:00".into())),
        AvroType::LocalTimestamp(unit) => DataType::Timestamp(time_unit(*unit), None),
        AvroType::Uuid(_) => DataType::FixedSizeBinary(16),
        AvroType::Duration { .. } => DataType::Interval(IntervalUnit::MonthDayNano),
    })
}

/// The field of a column that carries values of `avro`.
///
/// # Errors
/// As [`data_type`].
pub fn field(name: &str, avro: &AvroType) -> Result<FieldRef, SchemaError> {
    Ok(Arc::new(Field::new(name, data_type(avro)?, nullable(avro))))
}

/// How many columns a type has, itself included.
#[must_use]
pub fn columns(data_type: &DataType) -> usize {
    1 + match data_type {
        DataType::List(item) | DataType::Map(item, _) => columns(item.data_type()),
        DataType::Struct(fields) => fields.iter().map(|field| columns(field.data_type())).sum(),
        DataType::Union(fields, _) => fields.iter().map(|(_, field)| columns(field.data_type())).sum(),
        _ => 0,
    }
}

/// Whether a column of values of `avro` may hold nulls: where a value may be Avro's null.
#[must_use]
pub fn nullable(avro: &AvroType) -> bool {
    match avro {
        AvroType::Null => true,
        AvroType::Union(branches) => branches.contains(&AvroType::Null),
        _ => false,
    }
}

fn union(branches: &[AvroType]) -> Result<DataType, SchemaError> {
    let fields =
        branches.iter().map(|branch| field(branch.label(), branch)).collect::<Result<Vec<_>, _>>()?;
    if fields.len() > usize::from(i8::MAX.unsigned_abs()) {
        return Err(unsupported("a union", format!("{} branches", fields.len())));
    }
    UnionFields::try_new(0..fields.len() as i8, fields)
        .map(|fields| DataType::Union(fields, UnionMode::Dense))
        .map_err(|error| unsupported("a union", error.to_string()))
}

fn decimal(precision: usize, scale: usize) -> Result<DataType, SchemaError> {
    let (Ok(digits), Ok(after_point)) = (u8::try_from(precision), i8::try_from(scale)) else {
        return Err(unsupported("a decimal", format!("{precision} digits")));
    };
    match precision {
        0..=DECIMAL128_PRECISION_MAX => Ok(DataType::Decimal128(digits, after_point)),
        39..=76 => Ok(DataType::Decimal256(digits, after_point)),
        _ => Err(unsupported("a decimal", format!("{precision} digits"))),
    }
}

fn time_unit(unit: TimeUnit) -> ArrowTimeUnit {
    match unit {
        TimeUnit::Millis => ArrowTimeUnit::Millisecond,
        TimeUnit::Micros => ArrowTimeUnit::Microsecond,
        TimeUnit::Nanos => ArrowTimeUnit::Nanosecond,
    }
}

fn unsupported(at: &str, what: String) -> SchemaError {
    SchemaError::Unsupported { at: at.to_owned(), what }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(schema: &str) -> DataType {
        data_type(&AvroType::parse(schema, &[]).expect("valid")).expect("carried")
    }

    #[test]
    fn nullable_unions_are_nullable_columns_and_others_dense_unions() {
        let text = r#"{"type":"record","name":"R","fields":[
            {"name":"a","type":["null","int"]}, {"name":"b","type":["string","null"]},
            {"name":"c","type":["null","int","string"]}, {"name":"d","type":["int"]}, {"name":"e","type":"null"}]}"#;
        let DataType::Struct(fields) = of(text) else { panic!("a struct") };
        let shape: Vec<(DataType, bool)> =
            fields.iter().map(|f| (f.data_type().clone(), f.is_nullable())).collect();
        assert_eq!(shape[0], (DataType::Int32, true));
        assert_eq!(shape[1], (DataType::Utf8, true));
        let (DataType::Union(union, UnionMode::Dense), true) = &shape[2] else {
            panic!("a nullable dense union")
        };
        assert_eq!(union.iter().map(|(id, _)| id).collect::<Vec<_>>(), [0, 1, 2]);
        assert!(matches!(shape[3], (DataType::Union(..), false)));
        assert_eq!(shape[4], (DataType::Null, true));
    }

    #[test]
    fn logical_types_have_their_columns() {
        for (schema, expected) in [
            (
                r#"{"type":"bytes","logicalType":"decimal","precision":38,"scale":2}"#,
                DataType::Decimal128(38, 2),
            ),
            (
                r#"{"type":"bytes","logicalType":"decimal","precision":39,"scale":0}"#,
                DataType::Decimal256(39, 0),
            ),
            (r#"{"type":"enum","name":"E","symbols":["A"]}"#, DataType::Int32),
            (r#"{"type":"string","logicalType":"uuid"}"#, DataType::FixedSizeBinary(16)),
            (
                r#"{"type":"fixed","name":"D","size":12,"logicalType":"duration"}"#,
                DataType::Interval(IntervalUnit::MonthDayNano),
            ),
            (
                r#"{"type":"long","logicalType":"timestamp-micros"}"#,
                DataType::Timestamp(ArrowTimeUnit::Microsecond, Some("+00:00".into())),
            ),
            (
                r#"{"type":"long","logicalType":"local-timestamp-millis"}"#,
                DataType::Timestamp(ArrowTimeUnit::Millisecond, None),
            ),
        ] {
            assert_eq!(of(schema), expected, "{schema}");
        }
    }
}
