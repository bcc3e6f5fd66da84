//! What each output port takes.

use std::sync::Arc;

use crate::model::avro_type::AvroType;
use crate::model::avro_type::SchemaError;
use crate::model::manifest::Manifest;
use crate::model::manifest::OutputPort;
use crate::model::manifest::PartType;
use crate::wasm::columns::shape::ColumnShape;

/// The shapes of one output port, from its declaration.
#[derive(Debug, Clone)]
pub struct OutputShape {
    pub(in crate::wasm) name: String,
    /// Absent: the guest must not emit a key.
    pub(in crate::wasm) key: Option<Arc<ColumnShape>>,
    pub(in crate::wasm) value: ValueShape,
}

/// The shape of an output port's values.
#[derive(Debug, Clone)]
pub(in crate::wasm) enum ValueShape {
    Fixed(Arc<ColumnShape>),
    /// Each emission names its schema.
    Dynamic,
}

impl OutputShape {
    /// The shapes of every output port of a manifest.
    ///
    /// # Errors
    /// When a declared schema cannot be carried as columns. Upload checks have ruled that out.
    pub fn of_manifest(manifest: &Manifest) -> Result<Vec<Self>, SchemaError> {
        manifest.outputs.iter().map(Self::new).collect()
    }

    fn new(port: &OutputPort) -> Result<Self, SchemaError> {
        let key = match &port.key {
            None => None,
            Some(part) => match part_shape(part)? {
                ValueShape::Fixed(shape) => Some(shape),
                ValueShape::Dynamic => {
                    return Err(SchemaError::Unsupported {
                        at: format!("the key of `{}`", port.name),
                        what: "a dynamic key".to_owned(),
                    });
                }
            },
        };
        Ok(Self { name: port.name.clone(), key, value: part_shape(&port.value)? })
    }
}

fn part_shape(part: &PartType) -> Result<ValueShape, SchemaError> {
    Ok(match part {
        PartType::Typed { schema } => {
            ValueShape::Fixed(Arc::new(ColumnShape::typed(&AvroType::parse(&schema.to_string(), &[])?)?))
        }
        PartType::Raw => ValueShape::Fixed(Arc::new(ColumnShape::raw())),
        PartType::Dynamic => ValueShape::Dynamic,
    })
}
