//! Checks of schemas at deploy time.

use crate::codec::avro::resolve::Strictness;
use crate::codec::avro::resolve::compile;
use crate::codec::columns::Columns;
use crate::model::avro_type::AvroType;
use crate::model::failure::Code;
use crate::model::failure::Refusal;

/// Whether records written with one schema can be read as another, by the resolution that decoding
/// itself uses. `field` is the port's part, like `inputs.payments.value`.
///
/// # Errors
/// The first field that does not resolve, and the rule.
pub fn check_resolves(writer: &AvroType, reader: &AvroType, field: &str) -> Result<(), Refusal> {
    let refuse = |found: String| Refusal {
        code: Code("schema-unresolvable"),
        field: field.to_owned(),
        message: "the topic's newest schema cannot be read as the schema that the transform declares".to_owned(),
        found,
        expected: "schemas that resolve by Avro's rules".to_owned(),
        remedy: "Give the transform's field a default or another type, or bind the port to another topic.".to_owned(),
    };
    let columns = Columns::new(reader).map_err(|error| refuse(error.to_string()))?;
    compile(writer, reader, &columns.layout, Strictness::Whole).map(|_| ()).map_err(|error| refuse(error.to_string()))
}
