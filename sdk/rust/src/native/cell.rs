//! Rows of columns as text, to compare what was emitted whatever columns it came in.

use crate::avro_type::Kind;
use crate::columns;
use crate::columns::ColumnError;
use crate::columns::Columns;
use crate::columns::Offsets;
use crate::columns::Validity;
use crate::schema::Schema;

/// Appends the value of a row: one text a value.
pub(crate) fn write(
    schema: &Schema,
    all: Columns<'_>,
    index: u32,
    row: usize,
    out: &mut String,
) -> Result<(), ColumnError> {
    let column = all.any(index)?;
    let rows = row + 1;
    if schema.kind.has_validity() && Validity::of(column, rows)?.is_null(row) {
        out.push_str("null");
        return Ok(());
    }
    let child = |at: usize| column.children.get(at).copied().ok_or(ColumnError::new("a child is missing"));
    let fixed = |width: usize| {
        let values = column.buffers.get(1).and_then(|values| values.get(row * width..rows * width));
        values.ok_or(ColumnError::new("a buffer is too short"))
    };
    match schema.kind {
        Kind::Null => out.push_str("null"),
        Kind::Boolean => {
            let bits = column.buffers.get(1).map(Vec::as_slice).unwrap_or_default();
            out.push_str(&columns::bit(bits, row)?.to_string());
        }
        Kind::Int | Kind::Float | Kind::Enum => hex(fixed(4)?, out),
        Kind::Long | Kind::Double => hex(fixed(8)?, out),
        Kind::Decimal128 | Kind::Uuid | Kind::Duration => hex(fixed(16)?, out),
        Kind::Decimal256 => hex(fixed(32)?, out),
        Kind::Fixed => hex(fixed(schema.size)?, out),
        Kind::Bytes | Kind::String | Kind::Raw | Kind::Dynamic => {
            let range = Offsets::of(column, 1, rows)?.range(row)?;
            let bytes = column.buffers.get(2).and_then(|bytes| bytes.get(range));
            out.push_str(&format!("{:?}", String::from_utf8_lossy(bytes.unwrap_or_default())));
        }
        Kind::Record => {
            out.push('{');
            for (at, field) in schema.children.iter().enumerate() {
                out.push_str(&field.name);
                out.push(':');
                write(&field.schema, all, child(at)?, row, out)?;
                out.push(' ');
            }
            out.push('}');
        }
        Kind::Array | Kind::Map => {
            out.push('[');
            let inner = schema.children.first().ok_or(ColumnError::new("a list has no items"))?;
            for item in Offsets::of(column, 1, rows)?.range(row)? {
                let mut items = child(0)?;
                if schema.kind == Kind::Map {
                    let [keys, values] = all.fields(items)?;
                    write(&Schema::of(Kind::String), all, keys, item, out)?;
                    out.push('=');
                    items = values;
                }
                write(&inner.schema, all, items, item, out)?;
                out.push(' ');
            }
            out.push(']');
        }
        Kind::Union => {
            let branch = *column.buffers.first().and_then(|ids| ids.get(row)).unwrap_or(&0);
            let places = column.buffers.get(1).map(|places| places.as_chunks::<4>().0).unwrap_or_default();
            let place = columns::value(places, row, |place| u32::from_le_bytes(*place))?;
            let inner = schema.children.get(usize::from(branch)).ok_or(ColumnError::new("no such branch"))?;
            out.push_str(&format!("{branch}/"));
            write(&inner.schema, all, child(usize::from(branch))?, place as usize, out)?;
        }
    }
    Ok(())
}

fn hex(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        out.push_str(&format!("{byte:02x}"));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::Record;
    use crate::batch::ColumnBuilder;
    use crate::columns::Pass;
    use crate::schema_writer::SchemaWriter;

    #[derive(Record, Clone)]
    struct Everything {
        text: Option<String>,
        flag: bool,
        numbers: Vec<i32>,
        map: BTreeMap<String, f64>,
        choice: Choice,
        hash: [u8; 2],
    }

    #[derive(Record, Clone)]
    enum Choice {
        Nothing,
        Number(i64),
        Text(String),
    }

    #[test]
    fn equal_values_are_equal_texts_wherever_they_lie() {
        let value = |text: Option<&str>, choice| Everything {
            text: text.map(str::to_owned),
            flag: true,
            numbers: vec![1, 2],
            map: BTreeMap::from([("k".to_owned(), 0.5)]),
            choice,
            hash: [1, 2],
        };
        let values = [
            value(None, Choice::Nothing),
            value(Some("a"), Choice::Text("x".to_owned())),
            value(Some("a"), Choice::Number(7)),
        ];
        let schema = Schema::parse(&SchemaWriter::schema_of::<Everything>()).expect("a schema");
        let texts = |values: &[Everything]| {
            let mut builder = ColumnBuilder::<Everything>::with_capacity(values.len());
            values.iter().for_each(|value| builder.push(value));
            let mut columns = Vec::new();
            let root = builder.finish(&mut columns).expect("small");
            let all = Columns::new(&columns, Pass::All);
            let text = |row| {
                let mut out = String::new();
                write(&schema, all, root, row, &mut out).expect("well-formed");
                out
            };
            (0..values.len()).map(text).collect::<Vec<_>>()
        };
        let together = texts(&values);
        let apart: Vec<_> = values.iter().flat_map(|value| texts(std::slice::from_ref(value))).collect();
        assert_eq!(together, apart);
        assert_eq!(
            together[1],
            "{text:\"a\" flag:true numbers:[01000000 02000000 ] map:[\"k\"=000000000000e03f ] choice:2/\"x\" hash:0102 }"
        );
        assert!(together[0].starts_with("{text:null") && together[0].contains("choice:0/null"));
        assert_ne!(together[1], together[2]);
    }
}
