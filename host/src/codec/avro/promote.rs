//! Which plain and logical types read as which, and the step that does it.

use crate::codec::avro::plan::Op;
use crate::codec::avro::resolve::names_match;
use crate::codec::columns::Shape;
use crate::model::avro_type::AvroType;
use crate::model::avro_type::DecimalRepr;
use crate::model::avro_type::Name;
use crate::model::avro_type::TimeUnit;
use crate::model::avro_type::UuidRepr;

/// How a type's values stand in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Base<'a> {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    Fixed(&'a Name, usize),
    /// Record, enum, array, map, union: not for this module.
    Other,
}

fn base(ty: &AvroType) -> Base<'_> {
    match ty {
        AvroType::Null => Base::Null,
        AvroType::Boolean => Base::Boolean,
        AvroType::Int | AvroType::Date | AvroType::TimeMillis => Base::Int,
        AvroType::Long | AvroType::TimeMicros | AvroType::Timestamp(_) | AvroType::LocalTimestamp(_) => {
            Base::Long
        }
        AvroType::Float => Base::Float,
        AvroType::Double => Base::Double,
        AvroType::Bytes | AvroType::Decimal { repr: DecimalRepr::Bytes, .. } => Base::Bytes,
        AvroType::String | AvroType::Uuid(UuidRepr::String) => Base::String,
        AvroType::Fixed { name, size }
        | AvroType::Decimal { repr: DecimalRepr::Fixed { name, size }, .. } => Base::Fixed(name, *size),
        AvroType::Uuid(UuidRepr::Fixed { name }) => Base::Fixed(name, 16),
        AvroType::Duration { name } => Base::Fixed(name, 12),
        AvroType::Enum(_)
        | AvroType::Array(_)
        | AvroType::Map(_)
        | AvroType::Record(_)
        | AvroType::Union(_) => Base::Other,
    }
}

/// The plain type's name.
pub(crate) fn base_label(ty: &AvroType) -> &'static str {
    match base(ty) {
        Base::Null => "null",
        Base::Boolean => "boolean",
        Base::Int => "int",
        Base::Long => "long",
        Base::Float => "float",
        Base::Double => "double",
        Base::Bytes => "bytes",
        Base::String => "string",
        Base::Fixed(..) => "fixed",
        Base::Other => match ty {
            AvroType::Enum(_) => "enum",
            AvroType::Array(_) => "array",
            AvroType::Map(_) => "map",
            AvroType::Record(_) => "record",
            _ => "union",
        },
    }
}

/// The logical type's name, if it has one.
fn logical(ty: &AvroType) -> Option<&'static str> {
    Some(match ty {
        AvroType::Decimal { .. } => "decimal",
        AvroType::Date => "date",
        AvroType::TimeMillis => "time-millis",
        AvroType::TimeMicros => "time-micros",
        AvroType::Timestamp(TimeUnit::Millis) => "timestamp-millis",
        AvroType::Timestamp(TimeUnit::Micros) => "timestamp-micros",
        AvroType::Timestamp(TimeUnit::Nanos) => "timestamp-nanos",
        AvroType::LocalTimestamp(TimeUnit::Millis) => "local-timestamp-millis",
        AvroType::LocalTimestamp(TimeUnit::Micros) => "local-timestamp-micros",
        AvroType::LocalTimestamp(TimeUnit::Nanos) => "local-timestamp-nanos",
        AvroType::Uuid(_) => "uuid",
        AvroType::Duration { .. } => "duration",
        _ => return None,
    })
}

fn describe(ty: &AvroType) -> String {
    match (ty, logical(ty)) {
        (AvroType::Decimal { precision, scale, .. }, _) => format!("decimal({precision}, {scale})"),
        (_, Some(logical)) => logical.to_owned(),
        (AvroType::Fixed { name, size }, None) => format!("fixed `{}` of {size} bytes", name.full),
        (AvroType::Record(_) | AvroType::Enum(_), None) => format!("{} `{}`", base_label(ty), ty.label()),
        _ => base_label(ty).to_owned(),
    }
}

/// The step that reads a value of `w` into a column of `r`; else the rule that forbids it.
pub(super) fn op(w: &AvroType, r: &AvroType, shape: &Shape) -> Result<Op, String> {
    let refuse =
        |why: &str| Err(format!("the writer's {} cannot be read as {}{why}", describe(w), describe(r)));
    if let (Some(w_logical), Some(r_logical)) = (logical(w), logical(r))
        && w_logical != r_logical
    {
        return refuse(": the logical types differ");
    }
    if let (
        AvroType::Decimal { precision: wp, scale: ws, .. },
        AvroType::Decimal { precision: rp, scale: rs, .. },
    ) = (w, r)
    {
        if ws != rs || wp > rp {
            return refuse(": the scales must be equal and the reader's precision no less");
        }
    } else if let (Base::Fixed(w_name, w_size), Base::Fixed(r_name, r_size)) = (base(w), base(r))
        && (w_size != r_size || !names_match(w_name, r_name))
    {
        return refuse(": names without their namespaces (or an alias) and sizes must be equal");
    }
    let op = match (r, base(w), shape) {
        (AvroType::Null, Base::Null, Shape::Null(column)) => Op::Row(*column),
        (AvroType::Boolean, Base::Boolean, Shape::Boolean(column)) => Op::Boolean(*column),
        (AvroType::Decimal { precision, .. }, base, Shape::Decimal128(column)) => {
            Op::Decimal128 { column: *column, precision: *precision as u8, size: decimal_size(base, w, r)? }
        }
        (AvroType::Decimal { precision, .. }, base, Shape::Decimal256(column)) => {
            Op::Decimal256 { column: *column, precision: *precision as u8, size: decimal_size(base, w, r)? }
        }
        (AvroType::Uuid(_), Base::String | Base::Bytes, Shape::Fixed(column))
            if matches!(w, AvroType::Uuid(_)) || matches!(r, AvroType::Uuid(UuidRepr::String)) =>
        {
            Op::UuidText(*column)
        }
        (AvroType::Uuid(_), Base::Fixed(_, 16), Shape::Fixed(column))
            if matches!(w, AvroType::Uuid(_)) || matches!(r, AvroType::Uuid(UuidRepr::Fixed { .. })) =>
        {
            Op::Fixed { column: *column, size: 16 }
        }
        (AvroType::Duration { .. }, Base::Fixed(_, 12), Shape::Interval(column)) => Op::Duration(*column),
        (AvroType::Fixed { size, .. }, Base::Fixed(..), Shape::Fixed(column)) => {
            Op::Fixed { column: *column, size: *size }
        }
        (AvroType::String, Base::String | Base::Bytes, Shape::Bytes(column)) => Op::Text(*column),
        (AvroType::Bytes, Base::String | Base::Bytes, Shape::Bytes(column)) => Op::Bytes(*column),
        (_, Base::Int, Shape::Int32(column)) if base(r) == Base::Int => Op::Int(*column),
        (_, Base::Int, Shape::Int64(column)) => Op::IntToLong(*column),
        (_, Base::Int, Shape::Float32(column)) => Op::IntToFloat(*column),
        (_, Base::Int, Shape::Float64(column)) => Op::IntToDouble(*column),
        (_, Base::Long, Shape::Int64(column)) => Op::Long(*column),
        (_, Base::Long, Shape::Float32(column)) => Op::LongToFloat(*column),
        (_, Base::Long, Shape::Float64(column)) => Op::LongToDouble(*column),
        (_, Base::Float, Shape::Float32(column)) => Op::Float(*column),
        (_, Base::Float, Shape::Float64(column)) => Op::FloatToDouble(*column),
        (_, Base::Double, Shape::Float64(column)) => Op::Double(*column),
        _ => return refuse(": there is no such promotion"),
    };
    Ok(op)
}

/// The size of a decimal's fixed, or none for bytes.
fn decimal_size(base: Base<'_>, w: &AvroType, r: &AvroType) -> Result<Option<usize>, String> {
    let both = matches!(w, AvroType::Decimal { .. });
    let fixed_reader = matches!(r, AvroType::Decimal { repr: DecimalRepr::Fixed { .. }, .. });
    match base {
        Base::Bytes if both || !fixed_reader => Ok(None),
        Base::Fixed(_, size) if both || fixed_reader => Ok(Some(size)),
        _ => Err(format!(
            "the writer's {} cannot be read as {}: there is no such promotion",
            describe(w),
            describe(r)
        )),
    }
}
