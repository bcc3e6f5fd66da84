//! Whether a reader's schema reads what a writer's schema wrote, by the rules of Avro's schema
//! resolution, with the place and the reason where it does not.
//!
//! apache-avro has such a check, but it compares a name with a definition by their kind: a type that is
//! used twice and whose definition moved to the other place is refused there. It also passes schemas
//! that only some values survive, without saying which do not.

use std::collections::HashSet;

use apache_avro::Schema as Avro;
use apache_avro::schema::DecimalSchema;
use apache_avro::schema::EnumSchema;
use apache_avro::schema::FixedSchema;
use apache_avro::schema::InnerDecimalSchema;
use apache_avro::schema::Name;
use apache_avro::schema::RecordSchema;
use apache_avro::schema::UuidSchema;

use crate::memory::parsed::Names;
use crate::memory::parsed::Parsed;

/// Why `reader` cannot read all that `writer` may have written; empty when it can.
pub(super) fn obstacles(reader: &Parsed, writer: &Parsed) -> Vec<String> {
    let mut check = Check { readers: reader.names(), writers: writer.names(), seen: HashSet::new() };
    let mut obstacles = Vec::new();
    check.read(&reader.root, &writer.root, "", &mut obstacles);
    obstacles
}

struct Check<'a> {
    readers: Names<'a>,
    writers: Names<'a>,
    /// Pairs of named types that are being compared or were found to fit: types may be recursive.
    seen: HashSet<(String, String)>,
}

fn resolve<'a>(schema: &'a Avro, names: &Names<'a>) -> &'a Avro {
    match schema {
        Avro::Ref { name } => names.get(&name.fullname(None)).copied().unwrap_or(schema),
        other => other,
    }
}

impl<'a> Check<'a> {
    fn read(&mut self, reader: &'a Avro, writer: &'a Avro, path: &str, obstacles: &mut Vec<String>) {
        let (reader, writer) = (resolve(reader, &self.readers), resolve(writer, &self.writers));
        match (reader, writer) {
            (_, Avro::Union(union)) => {
                for (index, branch) in union.variants().iter().enumerate() {
                    if let Avro::Union(_) = reader {
                        self.read(reader, branch, path, obstacles);
                    } else {
                        self.read(reader, branch, &format!("{path}/{index}"), obstacles);
                    }
                }
            }
            (Avro::Union(union), _) => {
                if !union.variants().iter().any(|branch| self.reads(branch, writer, path)) {
                    let wanted = kind(writer);
                    obstacles.push(format!(
                        "{{errorType:'MISSING_UNION_BRANCH', description:'The reader union at path '{}' \
                         has no branch that takes the writer type {wanted}', additionalInfo:'{wanted}'}}",
                        shown(path)
                    ));
                }
            }
            (Avro::Array(reader), Avro::Array(writer)) => {
                self.read(&reader.items, &writer.items, &format!("{path}/items"), obstacles);
            }
            (Avro::Map(reader), Avro::Map(writer)) => {
                self.read(&reader.types, &writer.types, &format!("{path}/values"), obstacles);
            }
            (Avro::Record(reader), Avro::Record(writer)) => self.read_record(reader, writer, path, obstacles),
            (Avro::Enum(reader), Avro::Enum(writer)) => read_enum(reader, writer, path, obstacles),
            _ => match (fixed(reader), fixed(writer)) {
                (Some(reader), Some(writer)) => read_fixed(reader, writer, path, obstacles),
                _ if promotes(kind(writer), kind(reader)) => {}
                _ => obstacles.push(format!(
                    "{{errorType:'TYPE_MISMATCH', description:'The type at path '{}' does not match: \
                     reader type {} cannot read writer type {}', additionalInfo:'reader type: {}, writer type: {}'}}",
                    shown(path),
                    kind(reader),
                    kind(writer),
                    kind(reader),
                    kind(writer)
                )),
            },
        }
    }

    fn reads(&mut self, reader: &'a Avro, writer: &'a Avro, path: &str) -> bool {
        // What is assumed on the way holds only if the whole fits.
        let before = self.seen.clone();
        let mut obstacles = Vec::new();
        self.read(reader, writer, path, &mut obstacles);
        if !obstacles.is_empty() {
            self.seen = before;
        }
        obstacles.is_empty()
    }

    fn read_record(
        &mut self,
        reader: &'a RecordSchema,
        writer: &'a RecordSchema,
        path: &str,
        obstacles: &mut Vec<String>,
    ) {
        let aliases = reader.aliases.iter().flatten().map(|alias| alias.fullname(None));
        if !same_name(&reader.name, &writer.name, aliases) {
            return obstacles.push(name_mismatch(&reader.name, &writer.name, path));
        }
        if !self.seen.insert((reader.name.fullname(None), writer.name.fullname(None))) {
            return;
        }
        for (index, field) in reader.fields.iter().enumerate() {
            let path = format!("{path}/fields/{index}");
            let written = std::iter::once(&field.name)
                .chain(&field.aliases)
                .find_map(|name| writer.fields.iter().find(|written| written.name == *name));
            match written {
                Some(written) => self.read(&field.schema, &written.schema, &format!("{path}/type"), obstacles),
                None if field.default.is_some() => {}
                None => obstacles.push(format!(
                    "{{errorType:'READER_FIELD_MISSING_DEFAULT_VALUE', description:'The field '{}' at path '{path}' \
                     in the reader schema has no default value and is missing in the writer schema', \
                     additionalInfo:'{}'}}",
                    field.name, field.name
                )),
            }
        }
    }
}

fn read_enum(reader: &EnumSchema, writer: &EnumSchema, path: &str, obstacles: &mut Vec<String>) {
    let aliases = reader.aliases.iter().flatten().map(|alias| alias.fullname(None));
    if !same_name(&reader.name, &writer.name, aliases) {
        return obstacles.push(name_mismatch(&reader.name, &writer.name, path));
    }
    let missing: Vec<&str> =
        writer.symbols.iter().filter(|symbol| !reader.symbols.contains(symbol)).map(String::as_str).collect();
    if !missing.is_empty() && reader.default.is_none() {
        obstacles.push(format!(
            "{{errorType:'MISSING_ENUM_SYMBOLS', description:'The reader enum at path '{}/symbols' lacks symbols \
             of the writer and has no default', additionalInfo:'[{}]'}}",
            shown(path),
            missing.join(", ")
        ));
    }
}

fn read_fixed(reader: &FixedSchema, writer: &FixedSchema, path: &str, obstacles: &mut Vec<String>) {
    let aliases = reader.aliases.iter().flatten().map(|alias| alias.fullname(None));
    if !same_name(&reader.name, &writer.name, aliases) {
        return obstacles.push(name_mismatch(&reader.name, &writer.name, path));
    }
    if reader.size != writer.size {
        obstacles.push(format!(
            "{{errorType:'FIXED_SIZE_MISMATCH', description:'The size of the fixed at path '{}/size' differs', \
             additionalInfo:'expected: {}, found: {}'}}",
            shown(path),
            writer.size,
            reader.size
        ));
    }
}

// The namespace does not count, as in Avro's Java implementation.
fn same_name(reader: &Name, writer: &Name, mut aliases: impl Iterator<Item = String>) -> bool {
    reader.name() == writer.name() || aliases.any(|alias| alias == writer.fullname(None))
}

fn name_mismatch(reader: &Name, writer: &Name, path: &str) -> String {
    format!(
        "{{errorType:'NAME_MISMATCH', description:'The name of the type at path '{}/name' has changed', \
         additionalInfo:'expected: {}, found: {}'}}",
        shown(path),
        writer.fullname(None),
        reader.fullname(None)
    )
}

fn shown(path: &str) -> &str {
    if path.is_empty() { "/" } else { path }
}

/// Logical types resolve as what they are stored as.
fn fixed(schema: &Avro) -> Option<&FixedSchema> {
    match schema {
        Avro::Fixed(fixed)
        | Avro::Duration(fixed)
        | Avro::Uuid(UuidSchema::Fixed(fixed))
        | Avro::Decimal(DecimalSchema { inner: InnerDecimalSchema::Fixed(fixed), .. }) => Some(fixed),
        _ => None,
    }
}

fn kind(schema: &Avro) -> &'static str {
    match schema {
        Avro::Null => "NULL",
        Avro::Boolean => "BOOLEAN",
        Avro::Int | Avro::Date | Avro::TimeMillis => "INT",
        Avro::Long
        | Avro::TimeMicros
        | Avro::TimestampMillis
        | Avro::TimestampMicros
        | Avro::TimestampNanos
        | Avro::LocalTimestampMillis
        | Avro::LocalTimestampMicros
        | Avro::LocalTimestampNanos => "LONG",
        Avro::Float => "FLOAT",
        Avro::Double => "DOUBLE",
        Avro::String | Avro::Uuid(UuidSchema::String) => "STRING",
        Avro::Bytes
        | Avro::BigDecimal
        | Avro::Uuid(UuidSchema::Bytes)
        | Avro::Decimal(DecimalSchema { inner: InnerDecimalSchema::Bytes, .. }) => "BYTES",
        Avro::Fixed(_)
        | Avro::Duration(_)
        | Avro::Uuid(UuidSchema::Fixed(_))
        | Avro::Decimal(DecimalSchema { inner: InnerDecimalSchema::Fixed(_), .. }) => "FIXED",
        Avro::Array(_) => "ARRAY",
        Avro::Map(_) => "MAP",
        Avro::Union(_) => "UNION",
        Avro::Record(_) => "RECORD",
        Avro::Enum(_) => "ENUM",
        Avro::Ref { .. } => "UNKNOWN",
    }
}

fn promotes(writer: &str, reader: &str) -> bool {
    let scalar = !matches!(writer, "UNKNOWN" | "FIXED" | "ARRAY" | "MAP" | "UNION" | "RECORD" | "ENUM");
    (writer == reader && scalar)
        || matches!(
            (writer, reader),
            ("INT", "LONG" | "FLOAT" | "DOUBLE")
                | ("LONG", "FLOAT" | "DOUBLE")
                | ("FLOAT", "DOUBLE")
                | ("STRING", "BYTES")
                | ("BYTES", "STRING")
        )
}
