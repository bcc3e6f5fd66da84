//! Values of keyed state: Avro bodies, checked as they are written, rewritten when a newer version of
//! the transform reads them.

use serde_json::Value as Json;

use crate::codec::avro::cells;
use crate::codec::avro::decode::Utf8;
use crate::codec::avro::decode::datum;
use crate::codec::avro::plan::Plan;
use crate::codec::avro::resolve::Strictness;
use crate::codec::avro::resolve::compile;
use crate::codec::columns::Columns;
use crate::codec::columns::FinishError;
use crate::codec::fault::Fault;
use crate::codec::fault::Trail;
use crate::model::avro_type::AvroType;
use crate::model::failure::Stage;
use crate::pipeline::state_ports::ValueCheck;
use crate::pipeline::state_ports::ValueSchemas;
use crate::pipeline::state_ports::ValueUpgrade;

/// Bodies are read into columns, which are emptied once they hold so much.
const COLUMNS_BYTES: usize = 64 << 10;

/// The Avro of this module, as state needs it.
#[derive(Debug, Clone, Copy, Default)]
pub struct StateValues;

impl ValueSchemas for StateValues {
    fn canonical(&self, schema: &Json) -> Result<String, String> {
        Ok(parse(&schema.to_string())?.to_json().to_string())
    }

    fn check(&self, schema: &str) -> Result<Box<dyn ValueCheck>, String> {
        let ty = parse(schema)?;
        Ok(Box::new(Reading::new(&ty, &ty)?))
    }

    fn upgrade(&self, writer: &str, reader: &str) -> Result<Box<dyn ValueUpgrade>, String> {
        let (writer, reader) = (parse(writer)?, parse(reader)?);
        Ok(Box::new(Upgrade { reading: Reading::new(&writer, &reader)?, reader }))
    }
}

fn parse(schema: &str) -> Result<AvroType, String> {
    AvroType::parse(schema, &[]).map_err(|error| error.to_string())
}

/// Bodies of a writer's schema into columns of a reader's.
#[derive(Debug)]
struct Reading {
    plan: Plan,
    columns: Columns,
    trail: Trail,
    /// Of the bodies that the columns hold.
    bytes: usize,
}

impl Reading {
    fn new(writer: &AvroType, reader: &AvroType) -> Result<Self, String> {
        let columns = Columns::new(reader).map_err(|error| error.to_string())?;
        let plan = compile(writer, reader, &columns.layout, Strictness::Whole);
        let plan = plan.map_err(|error| error.to_string())?;
        Ok(Self { plan, columns, trail: Trail::default(), bytes: 0 })
    }

    fn read(&mut self, body: &[u8]) -> Result<(), String> {
        self.bytes += body.len();
        if self.bytes > COLUMNS_BYTES {
            self.clear();
        }
        let read = match self.datum(body) {
            // It may be too large for what is left by those before it.
            Err((Fault::TooLarge, _)) => {
                self.clear();
                self.datum(body)
            }
            read => read,
        };
        read.map_err(|(fault, at)| self.fault(fault, Some(at)))
    }

    fn datum(&mut self, body: &[u8]) -> Result<(), (Fault, usize)> {
        datum(&self.plan, body, &mut self.columns, Utf8::EachValue, &mut self.trail)
    }

    fn clear(&mut self) {
        self.columns.clear();
        self.bytes = 0;
    }

    /// Drops what is unfinished, and says why.
    #[cold]
    fn fault(&mut self, fault: Fault, at: Option<usize>) -> String {
        self.clear();
        let message = self.trail.bad_record(fault, Stage::Transform, at).message;
        self.trail.clear();
        message
    }
}

impl ValueCheck for Reading {
    fn check(&mut self, body: &[u8]) -> Result<(), String> {
        self.read(body)
    }
}

#[derive(Debug)]
struct Upgrade {
    reading: Reading,
    reader: AvroType,
}

impl ValueUpgrade for Upgrade {
    fn upgrade(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        self.reading.clear();
        self.reading.read(body)?;
        let column = self.reading.columns.finish().map_err(|error| match error {
            // Every text was validated as it was read.
            FinishError::Utf8 => Fault::AvroUtf8.text().to_owned(),
            FinishError::Internal(why) => why,
        })?;
        let cells = cells::root(&self.reader, &*column).map_err(|error| {
            format!("a column of {} was made, expected one of {}", error.found, error.expected)
        })?;
        let start = out.len();
        cells.write(0, out).map_err(|fault| {
            out.truncate(start);
            self.reading.fault(fault, None)
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn total(fields: Json) -> String {
        let schema = json!({ "type": "record", "name": "Total", "fields": fields });
        StateValues.canonical(&schema).expect("a schema")
    }

    #[test]
    fn one_schema_has_one_text() {
        let plain =
            json!({ "type": "record", "name": "a.Total", "fields": [{ "name": "n", "type": "long" }] });
        let spelled = json!({
            "name": "Total", "namespace": "a", "type": "record", "doc": "What it counts.",
            "fields": [{ "type": { "type": "long" }, "name": "n", "doc": "So many." }],
        });
        let other =
            json!({ "type": "record", "name": "a.Total", "fields": [{ "name": "n", "type": "int" }] });
        let text = |schema: &Json| StateValues.canonical(schema).expect("a schema");
        assert_eq!(text(&plain), text(&spelled));
        assert_ne!(text(&plain), text(&other));
        // The text stands for the schema: it can be read again, and is its own text.
        assert_eq!(text(&serde_json::from_str(&text(&plain)).expect("JSON")), text(&plain));
        let recursive =
            json!({ "type": "record", "name": "R", "fields": [{ "name": "r", "type": ["null", "R"] }] });
        StateValues.canonical(&recursive).expect_err("no column can carry it");
    }

    #[test]
    fn a_body_is_checked_byte_by_byte() {
        let text = total(json!([{ "name": "n", "type": "long" }, { "name": "of", "type": "string" }]));
        let mut check = StateValues.check(&text).expect("a check");
        check.check(&[6, 4, b'a', b'b']).expect("3, ab");
        for (bad, why) in [
            (&[][..], "truncated"),
            (&[6, 4, b'a'], "truncated"),
            (&[6, 4, b'a', b'b', 0], "trailing"),
            (&[6, 4, 0xff, 0xff], "UTF-8"),
        ] {
            let error = check.check(bad).expect_err(why);
            assert!(!error.is_empty());
            // A bad one leaves nothing behind.
            check.check(&[6, 4, b'a', b'b']).expect("3, ab");
        }
        for _ in 0..100_000 {
            check.check(&[6, 4, b'a', b'b']).expect("3, ab");
        }
    }

    #[test]
    fn values_of_nulls_do_not_use_up_each_others_room() {
        let fields = (0..1000).map(|n| json!({ "name": format!("f{n}"), "type": "long" }));
        let wide = json!({ "type": "record", "name": "Wide", "fields": fields.collect::<Json>() });
        let text = StateValues.canonical(&json!(["null", wide])).expect("a schema");
        let mut check = StateValues.check(&text).expect("a check");
        for n in 0..10_000 {
            check.check(&[0]).unwrap_or_else(|why| panic!("value {n}: {why}"));
        }
    }

    #[test]
    fn old_values_are_given_out_as_the_new_version_would_have_written_them() {
        let old = total(json!([{ "name": "n", "type": "int" }, { "name": "gone", "type": "string" }]));
        let new = total(json!([
            { "name": "at", "type": ["null", "long"], "default": null },
            { "name": "count", "type": "long", "aliases": ["n"] },
        ]));
        let mut upgrade = StateValues.upgrade(&old, &new).expect("they resolve");
        let mut out = b"before".to_vec();
        upgrade.upgrade(&[6, 2, b'x'], &mut out).expect("a value of the old schema");
        assert_eq!(out, [&b"before"[..], &[0, 6]].concat());
        upgrade.upgrade(&[6, 2], &mut out).expect_err("truncated");
        assert_eq!(out.len(), b"before".len() + 2);
        // What some values could not be read by is refused for all.
        let narrow = total(json!([{ "name": "n", "type": "boolean" }]));
        let error = StateValues.upgrade(&old, &narrow).map(|_| ()).expect_err("no int is a boolean");
        assert!(error.contains('n'), "{error}");
        let missing = total(json!([{ "name": "n", "type": "int" }, { "name": "new", "type": "int" }]));
        StateValues.upgrade(&old, &missing).map(|_| ()).expect_err("no default");
    }

    #[test]
    fn roots_that_are_no_records_are_values_too() {
        for (schema, body) in [
            (json!("long"), &[6][..]),
            (json!(["null", "long"]), &[0]),
            (json!(["null", "long"]), &[2, 6]),
            (json!(["int", "string"]), &[2, 2, b'x']),
            (json!({ "type": "array", "items": "int" }), &[2, 6, 0]),
            (json!("null"), &[]),
        ] {
            let text = StateValues.canonical(&schema).expect("a schema");
            StateValues.check(&text).expect("a check").check(body).expect("a value");
            let mut out = Vec::new();
            StateValues.upgrade(&text, &text).expect("itself").upgrade(body, &mut out).expect("a value");
            assert_eq!(out, body, "{schema}");
        }
    }
}
