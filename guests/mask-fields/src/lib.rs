//! Masks named text fields of whatever schema the topic has, at any depth. Everything else passes
//! through untouched, column for column.

use wasmill_sdk::Kind;
use wasmill_sdk::prelude::*;
use wasmill_sdk::wire::Column;
use wasmill_sdk::wire::SchemaId;

/// Masks named text fields.
#[transform]
#[input(records)]
pub struct MaskFields {
    /// Names of the fields to mask, separated by commas.
    #[config]
    fields: Vec<String>,
    /// What stands for each character of a masked text.
    #[config(default = '*')]
    mask: char,
    /// How many characters stay readable at the end.
    #[config(default = 0)]
    keep_last: usize,
    masked: Output<Dynamic>,
}

impl Process<Batch<Dynamic>> for MaskFields {
    fn process(&mut self, batch: Batch<Dynamic>, ctx: &mut Context<'_>) -> Result<()> {
        let schema_id = schema_of(&batch)?;
        let schema = Schema::parse(&ctx.schema_text(schema_id)?)?;
        let mut rows = batch.into_rows();
        let Some(root) = rows.value else {
            return Err(Error::fatal("the batch has no values"));
        };
        let mut found = Vec::new();
        self.find(&schema, &rows.columns, root, &mut found);
        for index in found {
            if let Some(column) = rows.columns.get_mut(index as usize) {
                self.mask_column(column)?;
            }
        }
        self.masked.emit_dynamic(schema_id, rows, Sources::Same)
    }
}

fn schema_of(batch: &Batch<Dynamic>) -> Result<SchemaId> {
    batch.schema().ok_or_else(|| Error::fatal("the batch of a dynamic port has no schema"))
}

impl MaskFields {
    /// Collects the text columns of the named fields.
    fn find(&self, schema: &Schema, columns: &[Column], index: u32, found: &mut Vec<u32>) {
        for (child, column) in schema.children.iter().zip(schema.child_columns(columns, index)) {
            if child.schema.kind == Kind::String && self.fields.contains(&child.name) {
                found.push(column);
            } else {
                self.find(&child.schema, columns, column, found);
            }
        }
    }

    /// Writes the texts of a column anew, with the same rows null.
    fn mask_column(&self, column: &mut Column) -> Result<()> {
        let [_, offsets, texts] = column.buffers.as_mut_slice() else {
            return Err(Error::fatal("a text column has three buffers"));
        };
        let mut masked = String::with_capacity(texts.len());
        let mut start = None;
        for offset in offsets.as_chunks_mut::<4>().0 {
            let end = u32::from_le_bytes(*offset) as usize;
            if let Some(start) = start.replace(end) {
                let text = texts.get(start..end).ok_or_else(|| Error::fatal("an offset is out of range"))?;
                self.mask_text(std::str::from_utf8(text)?, &mut masked);
            }
            *offset = u32::try_from(masked.len())?.to_le_bytes();
        }
        *texts = masked.into_bytes();
        Ok(())
    }

    fn mask_text(&self, text: &str, masked: &mut String) {
        let hidden = text.chars().count().saturating_sub(self.keep_last);
        masked.extend(text.chars().enumerate().map(|(at, c)| if at < hidden { self.mask } else { c }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Record)]
    struct Customer<'a> {
        id: i64,
        name: &'a str,
        email: Option<&'a str>,
        addresses: Vec<Address<'a>>,
        notes: Vec<(&'a str, Address<'a>)>,
    }

    #[derive(Debug, Clone, PartialEq, Record)]
    struct Address<'a> {
        street: &'a str,
        email: Option<&'a str>,
    }

    fn customer<'a>(email: Option<&'a str>, street: &'a str) -> Customer<'a> {
        let address = Address { street, email };
        let (addresses, notes) = (vec![address.clone()], vec![("k", address)]);
        Customer { id: 1, name: "Ada", email, addresses, notes }
    }

    #[test]
    fn named_fields_are_masked_at_any_depth() {
        let mut harness = TestHarness::with_config::<MaskFields>(&[("fields", "email, street")]);
        harness.send_all([customer(Some("ada@x.org"), "Über 1"), customer(None, "")]);
        let expected = [customer(Some("*********"), "******"), customer(None, "")];
        assert_eq!(harness.values::<Customer<'_>>("masked"), expected);
    }

    #[test]
    fn the_end_can_stay_readable() {
        let config = [("fields", "name"), ("keep_last", "2"), ("mask", "•")];
        let mut harness = TestHarness::with_config::<MaskFields>(&config);
        harness.send(customer(None, "x"));
        harness.send(Customer { name: "é", ..customer(None, "x") });
        let names: Vec<_> =
            harness.values::<Customer<'_>>("masked").iter().map(|customer| customer.name).collect();
        assert_eq!(names, ["•da", "é"]);
    }

    #[test]
    fn tombstones_pass() {
        let mut harness = TestHarness::with_config::<MaskFields>(&[("fields", "email")]);
        harness.send_all([TestRecord::tombstone(), TestRecord::new(customer(Some("a"), "b"))]);
        let outputs = harness.outputs::<Customer<'_>>("masked");
        assert_eq!(outputs[0].value, None);
        assert_eq!(outputs[1].value.as_ref().and_then(|customer| customer.email), Some("*"));
    }

    #[test]
    fn the_fields_must_be_set() {
        let manifest = <MaskFields as wasmill_sdk::Transform>::manifest();
        assert!(manifest.contains(r#"{"key":"fields","description":"Names of the fields to mask, separated by commas.","required":true}"#));
    }
}
