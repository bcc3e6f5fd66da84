//! The Arrow type of each column, fixed by its Avro type.

use arrow_schema::DataType;

use crate::model::avro_type::AvroType;
use crate::model::avro_type::SchemaError;

/// The type of a column that carries values of `avro`.
///
/// # Errors
/// When the type cannot be carried (a union over 127 branches, a decimal over 76 digits).
pub fn data_type(avro: &AvroType) -> Result<DataType, SchemaError> {
    let _ = avro;
    Err(SchemaError::Invalid("in work".to_owned()))
}
