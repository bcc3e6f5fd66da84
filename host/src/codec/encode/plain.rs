//! Formats without a schema of their own: text, bytes, and Kafka's primitive serializers.

use crate::codec::avro::encode::Cells;
use crate::codec::avro::encode::at;
use crate::codec::fault::Fault;
use crate::model::pipeline_spec::Format;

/// Appends a row's payload. After a fault it is unfinished: truncate.
pub(super) fn write(
    format: Format,
    cells: &Cells<'_>,
    row: usize,
    datum: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    match (format, cells) {
        (_, Cells::Required { nulls, some }) => {
            if nulls.is_null(row) {
                return Err(Fault::EncodeNull);
            }
            return write(format, some, row, datum, out);
        }
        (Format::Text | Format::Raw, Cells::Bytes(values)) => out.extend_from_slice(values.get(row)?),
        (Format::Text | Format::Raw, _) => {
            // A logical type of text or bytes: its Avro form without the length before it.
            datum.clear();
            cells.write(row, datum)?;
            let mut cursor = crate::codec::avro::cursor::Cursor::new(datum);
            let len = cursor.length()?;
            out.extend_from_slice(cursor.take(len)?);
        }
        (Format::Boolean, Cells::Boolean(_)) => cells.write(row, out)?,
        (Format::Int16, Cells::Int(values)) => {
            let value = i16::try_from(at(values, row)?).map_err(|_| Fault::EncodeRange)?;
            out.extend_from_slice(&value.to_be_bytes());
        }
        (Format::Int32, Cells::Int(values)) => out.extend_from_slice(&at(values, row)?.to_be_bytes()),
        (Format::Int64, Cells::Long(values)) => out.extend_from_slice(&at(values, row)?.to_be_bytes()),
        (Format::Float32, Cells::Float(values)) => out.extend_from_slice(&at(values, row)?.to_be_bytes()),
        (Format::Float64, Cells::Double(values)) => out.extend_from_slice(&at(values, row)?.to_be_bytes()),
        _ => return Err(Fault::Internal),
    }
    Ok(())
}
