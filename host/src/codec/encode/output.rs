//! The encoder of an output port's key or value.

#![allow(clippy::result_large_err, reason = "a refusal is made once, at deploy")]

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_buffer::NullBuffer;

use crate::codec::avro::cells;
use crate::codec::avro::cells::Mismatch;
use crate::codec::avro::encode::Cells;
use crate::codec::encode::plain;
use crate::codec::fault::Fault;
use crate::codec::fault::Trail;
use crate::codec::formats::Carried;
use crate::codec::formats::Direction;
use crate::codec::formats::carry;
use crate::codec::json;
use crate::codec::wire_format;
use crate::model::avro_type::AvroType;
use crate::model::failure::BadRecord;
use crate::model::failure::Code;
use crate::model::failure::Refusal;
use crate::model::failure::Stage;
use crate::model::failure::Stop;
use crate::model::ids::RegistryId;
use crate::model::ids::SchemaId;
use crate::model::limits::ENCODED_BYTES_PER_BATCH_MAX;
use crate::model::manifest::PartType;
use crate::model::pipeline_spec::Format;
use crate::model::schema_table::SchemaTable;
use crate::model::schema_table::TableEntry;
use crate::pipeline::ports::EncodeFailure;
use crate::pipeline::ports::EncodedPart;
use crate::pipeline::ports::Encoder;

/// Most bad rows of one column that are noted one by one. Each takes a message, so that a guest which
/// emits nothing else would fill the host's memory with them.
const BAD_ROWS_MAX: usize = 10_000;

/// Finds the registry's id of a schema that a guest writes on a dynamic port. Called once for
/// each schema; a failure is asked again at the next batch.
pub type RegisterSchema = Box<dyn FnMut(&TableEntry) -> Result<RegistryId, EncodeFailure>>;

/// Where the schema id of Avro records comes from.
pub enum Registration {
    /// Not an Avro format.
    None,
    /// A typed part: the id that the registry gave at deploy.
    Id(RegistryId),
    /// A dynamic part.
    Dynamic { table: Arc<SchemaTable>, register: RegisterSchema },
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Id(id) => f.debug_tuple("Id").field(id).finish(),
            Self::Dynamic { .. } => f.write_str("Dynamic"),
        }
    }
}

/// Encodes the key or the value of one output port.
#[derive(Debug)]
pub struct PartEncoder {
    stage: Stage,
    /// Of the part, for messages.
    field: String,
    form: Form,
    /// Avro form of a row on its way to another.
    datum: Vec<u8>,
    trail: Trail,
}

enum Form {
    Raw,
    Avro { ty: AvroType, header: [u8; 5] },
    Json { ty: AvroType },
    Plain { ty: AvroType, format: Format },
    Dynamic { table: Arc<SchemaTable>, register: RegisterSchema, known: HashMap<SchemaId, Known> },
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Raw => "Raw",
            Self::Avro { .. } => "Avro",
            Self::Json { .. } => "Json",
            Self::Plain { .. } => "Plain",
            Self::Dynamic { .. } => "Dynamic",
        })
    }
}

#[derive(Clone)]
struct Known {
    entry: Arc<TableEntry>,
    header: [u8; 5],
}

impl PartEncoder {
    /// `field` is the part's path for messages, like `outputs.alerts.value`.
    ///
    /// # Errors
    /// When the part cannot be carried in the format (see [`formats`](crate::codec::formats)), or
    /// an Avro part comes without the id of its schema.
    pub fn new(
        part: &PartType,
        format: Format,
        stage: Stage,
        field: &str,
        registration: Registration,
    ) -> Result<Self, Refusal> {
        let form = match (carry(part, format, Direction::Output, field)?, registration) {
            (Carried::Raw, _) => Form::Raw,
            (Carried::Json(ty), _) => Form::Json { ty },
            (Carried::Plain { reader: ty, .. }, _) => Form::Plain { ty, format },
            (Carried::Avro(ty), Registration::Id(id)) => Form::Avro { ty, header: wire_format::header(id) },
            (Carried::Dynamic, Registration::Dynamic { table, register }) => {
                Form::Dynamic { table, register, known: HashMap::new() }
            }
            (Carried::Avro(_) | Carried::Dynamic, _) => {
                return Err(Refusal {
                    code: Code("schema-unregistered"),
                    field: field.to_owned(),
                    message: "records in Avro carry the id of their schema".to_owned(),
                    found: "no id of the schema in a registry".to_owned(),
                    expected: "a schema registry that has the schema".to_owned(),
                    remedy: "Configure a schema registry, or choose a format without schema ids.".to_owned(),
                });
            }
        };
        Ok(Self { stage, field: field.to_owned(), form, datum: Vec::new(), trail: Trail::default() })
    }
}

impl Encoder for PartEncoder {
    fn encode(
        &mut self,
        column: &ArrayRef,
        schema: Option<SchemaId>,
        out: &mut EncodedPart,
    ) -> Result<Vec<(u32, BadRecord)>, EncodeFailure> {
        out.ends.reserve(column.len());
        let Self { stage, field, form, datum, trail } = self;
        let mut rows = Rows { column, out, bad: Vec::new(), stage: *stage, trail };
        let written = match form {
            Form::Raw => cells::bare_root(&AvroType::Bytes, column).map(|cells| {
                rows.write(&AvroType::Bytes, |row, out| plain::write(Format::Raw, &cells, row, datum, out))
            }),
            Form::Avro { ty, header } => avro(&mut rows, ty, *header),
            Form::Json { ty } => cells::bare_root(ty, column).map(|cells| {
                let inner = ty.as_nullable().map_or(&*ty, |(inner, _)| inner);
                rows.write(ty, |row, out| json::write(inner, &cells, row, out))
            }),
            Form::Plain { ty, format } => cells::bare_root(ty, column)
                .map(|cells| rows.write(ty, |row, out| plain::write(*format, &cells, row, datum, out))),
            Form::Dynamic { table, register, known } => {
                let schema = schema.ok_or_else(|| stop(field, "rows without a schema id, expected one"))?;
                let known = match known.get(&schema) {
                    Some(known) => known.clone(),
                    None => {
                        let entry = table.get(schema);
                        let entry =
                            entry.ok_or_else(|| stop(field, "a schema id that was never declared"))?;
                        let header = wire_format::header(register(&entry)?);
                        known.entry(schema).or_insert(Known { entry, header }).clone()
                    }
                };
                avro(&mut rows, &known.entry.avro, known.header)
            }
        };
        match written {
            Ok(Ok(())) => Ok(rows.bad),
            Ok(Err(cause)) => Err(EncodeFailure::TooLarge(cause)),
            Err(Mismatch { expected, found }) => Err(EncodeFailure::Stop(stop(
                field,
                &format!("a column of {found}, expected one of {expected}"),
            ))),
        }
    }
}

#[cold]
fn stop(field: &str, what: &str) -> Stop {
    Stop::new(
        "codec-internal",
        format!("{field}: the transform's output was accepted with {what}"),
        "Report this as a fault of Wasmill.",
    )
}

fn avro(rows: &mut Rows<'_>, ty: &AvroType, header: [u8; 5]) -> Result<Result<(), BadRecord>, Mismatch> {
    let column = rows.column;
    let cells = cells::root(ty, column)?;
    Ok(rows.write(ty, |row, out| write_framed(&cells, header, row, out)))
}

#[inline]
fn write_framed(cells: &Cells<'_>, header: [u8; 5], row: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
    out.extend_from_slice(&header);
    cells.write(row, out)
}

struct Rows<'a> {
    column: &'a ArrayRef,
    out: &'a mut EncodedPart,
    bad: Vec<(u32, BadRecord)>,
    stage: Stage,
    trail: &'a mut Trail,
}

impl Rows<'_> {
    /// Writes every row: null rows as null entries, bad ones too.
    ///
    /// # Errors
    /// When there are too many bytes, or too many bad rows; what was written is incomplete then.
    fn write(
        &mut self,
        ty: &AvroType,
        mut write: impl FnMut(usize, &mut Vec<u8>) -> Result<(), Fault>,
    ) -> Result<(), BadRecord> {
        let nulls = RootNulls::of(ty, self.column);
        for row in 0..self.column.len() {
            if nulls.is_null(row) {
                self.out.end_entry(true);
                continue;
            }
            let start = self.out.bytes.len();
            let result = write(row, &mut self.out.bytes);
            let fits = self.out.bytes.len() <= ENCODED_BYTES_PER_BATCH_MAX;
            match result {
                Ok(()) if fits => self.out.end_entry(false),
                Ok(()) => return Err(self.cause(Fault::EncodeTooLarge)),
                Err(fault) => self.refuse(row, start, fault)?,
            }
        }
        Ok(())
    }

    #[cold]
    fn refuse(&mut self, row: usize, start: usize, fault: Fault) -> Result<(), BadRecord> {
        let cause = self.cause(fault);
        if fault == Fault::EncodeTooLarge || self.bad.len() >= BAD_ROWS_MAX {
            return Err(cause);
        }
        self.out.bytes.truncate(start);
        self.out.end_entry(true);
        self.bad.push((row as u32, cause));
        Ok(())
    }

    fn cause(&self, fault: Fault) -> BadRecord {
        self.trail.bad_record(fault, self.stage, None)
    }
}

/// Which rows of a root are null: null keys and tombstones.
enum RootNulls<'a> {
    None,
    All,
    Bitmap(&'a NullBuffer),
    /// A union has no bitmap; its null branch says it.
    Branch {
        type_ids: &'a [i8],
        null: i8,
    },
}

impl<'a> RootNulls<'a> {
    fn of(ty: &AvroType, column: &'a ArrayRef) -> Self {
        if *ty == AvroType::Null {
            return Self::All;
        }
        if let (AvroType::Union(branches), None, Some(union)) = (ty, ty.as_nullable(), column.as_union_opt())
        {
            let null = branches.iter().position(|branch| *branch == AvroType::Null);
            return null
                .map_or(Self::None, |null| Self::Branch { type_ids: union.type_ids(), null: null as i8 });
        }
        column.nulls().filter(|nulls| nulls.null_count() > 0).map_or(Self::None, Self::Bitmap)
    }

    #[inline]
    fn is_null(&self, row: usize) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Bitmap(nulls) => nulls.is_null(row),
            Self::Branch { type_ids, null } => type_ids.get(row) == Some(null),
        }
    }
}
