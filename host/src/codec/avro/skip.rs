//! Passing over what the reader does not have.

use std::sync::Arc;

use crate::codec::avro::plan::Op;
use crate::codec::avro::plan::Plan;
use crate::model::avro_type::AvroType;
use crate::model::avro_type::DecimalRepr;
use crate::model::avro_type::UuidRepr;

/// Appends the steps that pass over a value of `ty`.
pub(super) fn compile(ty: &AvroType, label: &Arc<str>, out: &mut Plan) {
    let op = match ty {
        AvroType::Null => return,
        AvroType::Boolean => Op::SkipFixed(1),
        AvroType::Float => Op::SkipFixed(4),
        AvroType::Double => Op::SkipFixed(8),
        AvroType::Int
        | AvroType::Date
        | AvroType::TimeMillis
        | AvroType::Long
        | AvroType::TimeMicros
        | AvroType::Timestamp(_)
        | AvroType::LocalTimestamp(_)
        | AvroType::Enum(_) => Op::SkipNumber,
        AvroType::Bytes
        | AvroType::String
        | AvroType::Decimal { repr: DecimalRepr::Bytes, .. }
        | AvroType::Uuid(UuidRepr::String) => Op::SkipBytes,
        AvroType::Fixed { size, .. } | AvroType::Decimal { repr: DecimalRepr::Fixed { size, .. }, .. } => {
            Op::SkipFixed(*size)
        }
        AvroType::Uuid(UuidRepr::Fixed { .. }) => Op::SkipFixed(16),
        AvroType::Duration { .. } => Op::SkipFixed(12),
        AvroType::Array(item) => Op::SkipArray(Box::new(plan(item, label))),
        AvroType::Map(item) => Op::SkipMap(Box::new(plan(item, label))),
        AvroType::Union(branches) => {
            Op::SkipUnion(branches.iter().map(|branch| plan(branch, label)).collect())
        }
        AvroType::Record(record) => {
            for field in &record.fields {
                compile(&field.ty, label, out);
            }
            return;
        }
    };
    out.push(op, label);
}

fn plan(ty: &AvroType, label: &Arc<str>) -> Plan {
    let mut plan = Plan { bytes_min: bytes_min(ty), ..Plan::default() };
    compile(ty, label, &mut plan);
    plan
}

/// Fewest bytes that a value of `ty` takes.
pub(super) fn bytes_min(ty: &AvroType) -> usize {
    match ty {
        AvroType::Null => 0,
        AvroType::Float => 4,
        AvroType::Double => 8,
        AvroType::Fixed { size, .. } | AvroType::Decimal { repr: DecimalRepr::Fixed { size, .. }, .. } => {
            *size
        }
        AvroType::Uuid(UuidRepr::Fixed { .. }) => 16,
        AvroType::Duration { .. } => 12,
        AvroType::Record(record) => {
            record.fields.iter().fold(0, |sum, field| sum.saturating_add(bytes_min(&field.ty)))
        }
        AvroType::Union(branches) => branches.iter().map(bytes_min).min().unwrap_or(0).saturating_add(1),
        // Booleans, numbers, and everything that begins with a length or count.
        _ => 1,
    }
}
