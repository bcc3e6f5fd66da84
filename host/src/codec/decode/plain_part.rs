//! Formats without a schema of their own: text, bytes, and Kafka's primitive serializers. Each is
//! read as the Avro type that it stands for, and resolved to the port's schema like any other.

use crate::codec::avro::cursor::write_long;
use crate::codec::avro::decode::datum;
use crate::codec::avro::plan::Plan;
use crate::codec::avro::resolve::ResolveError;
use crate::codec::avro::resolve::Strictness;
use crate::codec::avro::resolve::compile;
use crate::codec::columns::Columns;
use crate::codec::decode::part::PushFailure;
use crate::codec::decode::part::Typed;
use crate::codec::fault::Fault;
use crate::model::avro_type::AvroType;
use crate::model::failure::Stage;
use crate::model::pipeline_spec::Format;

#[derive(Debug)]
pub(crate) struct PlainPart {
    pub(super) typed: Typed,
    format: Format,
    plan: Plan,
    /// The payload in Avro's form.
    datum: Vec<u8>,
}

impl PlainPart {
    /// # Errors
    /// When the format's type cannot be read as the port's.
    pub(crate) fn new(
        format: Format,
        writer: &AvroType,
        reader: &AvroType,
        columns: Columns,
        stage: Stage,
    ) -> Result<Self, ResolveError> {
        let plan = compile(writer, reader, &columns.layout, Strictness::Whole)?;
        Ok(Self { typed: Typed::new(columns, stage), format, plan, datum: Vec::new() })
    }

    pub(super) fn push(&mut self, payload: Option<&[u8]>) -> Result<(), PushFailure> {
        let Some(payload) = payload else {
            return self.typed.push_null();
        };
        let rows = self.typed.columns.len();
        self.datum.clear();
        if let Err(fault) = to_avro(self.format, payload, &mut self.datum) {
            self.typed.trail.found(format_args!("{} bytes", payload.len()));
            return Err(self.typed.fail(rows, fault, None));
        }
        let Typed { columns, utf8, trail, .. } = &mut self.typed;
        match datum(&self.plan, &self.datum, columns, *utf8, trail) {
            Ok(()) => Ok(()),
            Err((Fault::AvroUtf8, _)) => Err(self.typed.fail(rows, Fault::TextUtf8, None)),
            Err((fault, _)) => Err(self.typed.fail(rows, fault, None)),
        }
    }
}

fn to_avro(format: Format, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    match format {
        Format::Text | Format::Raw => {
            write_long(payload.len() as i64, out);
            out.extend_from_slice(payload);
        }
        Format::Boolean => match sized::<1>(payload)? {
            [byte @ (0 | 1)] => out.push(byte),
            _ => return Err(Fault::PrimitiveValue),
        },
        Format::Int16 => write_long(i16::from_be_bytes(sized(payload)?).into(), out),
        Format::Int32 => write_long(i32::from_be_bytes(sized(payload)?).into(), out),
        Format::Int64 => write_long(i64::from_be_bytes(sized(payload)?), out),
        Format::Float32 => out.extend_from_slice(&u32::from_be_bytes(sized(payload)?).to_le_bytes()),
        Format::Float64 => out.extend_from_slice(&u64::from_be_bytes(sized(payload)?).to_le_bytes()),
        Format::Avro | Format::Json => return Err(Fault::Internal),
    }
    Ok(())
}

fn sized<const N: usize>(payload: &[u8]) -> Result<[u8; N], Fault> {
    payload.try_into().map_err(|_| Fault::PrimitiveSize)
}
