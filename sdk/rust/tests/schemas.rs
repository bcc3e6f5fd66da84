//! The Avro schemas that `#[derive(Record)]` writes.

use std::collections::HashMap;

use wasmill_sdk::Record;
use wasmill_sdk::prelude::*;
use wasmill_sdk::types::Decimal;
use wasmill_sdk::types::Uuid;

/// The schema of the only input of a transform that takes `T`.
macro_rules! schema_of {
    ($ty:ty) => {{
        #[transform]
        struct Probe {
            out: Output<$ty>,
        }

        impl Process<$ty> for Probe {
            fn process(&mut self, value: $ty, _: &mut Context<'_>) -> Result<()> {
                self.out.emit(value)
            }
        }

        let manifest = <Probe as wasmill_sdk::Transform>::manifest();
        let start = manifest.find("\"schema\":").expect("a schema") + "\"schema\":".len();
        let end = manifest.find("}],\"outputs\"").expect("the outputs");
        manifest[start..end - 1].to_owned()
    }};
}

#[derive(Record)]
#[record(rename = "Shipment", namespace = "com.example", alias = "Parcel", rename_all = "camelCase")]
struct RustName {
    tracking_number: String,
    #[record(rename = "weight_g", alias = "weight", default = -1)]
    weight: i32,
    #[record(logical = "timestamp-micros")]
    sent_at: i64,
    status: Status,
    previous_status: Option<Status>,
    #[record(default = { "a": [1, 2] })]
    scans: HashMap<String, Vec<i32>>,
    #[record(fixed = "Digest")]
    digest: [u8; 32],
    #[record(fixed = "com.other.Price", size = 9)]
    price: Option<Decimal<20, 2>>,
    #[record(default = "x\"y")]
    note: Option<String>,
    id: Uuid,
}

#[derive(Record)]
#[record(rename_all = "SCREAMING_SNAKE_CASE")]
enum Status {
    InTransit,
    #[record(rename = "done")]
    Delivered,
    #[record(default)]
    Unknown,
}

#[test]
fn attributes_shape_the_schema() {
    let expected = concat!(
        r#"{"type":"record","name":"com.example.Shipment","aliases":["Parcel"],"fields":["#,
        r#"{"name":"trackingNumber","type":"string"},"#,
        r#"{"name":"weight_g","aliases":["weight"],"type":"int","default":-1},"#,
        r#"{"name":"sentAt","type":{"type":"long","logicalType":"timestamp-micros"}},"#,
        r#"{"name":"status","type":{"type":"enum","name":"com.example.Status","symbols":["IN_TRANSIT","done","UNKNOWN"],"default":"UNKNOWN"}},"#,
        r#"{"name":"previousStatus","type":["null","com.example.Status"],"default":null},"#,
        r#"{"name":"scans","type":{"type":"map","values":{"type":"array","items":"int"}},"default":{"a":[1,2]}},"#,
        r#"{"name":"digest","type":{"type":"fixed","name":"com.example.Digest","size":32}},"#,
        r#"{"name":"price","type":["null",{"type":"fixed","name":"com.other.Price","size":9,"logicalType":"decimal","precision":20,"scale":2}],"default":null},"#,
        r#"{"name":"note","type":["string","null"],"default":"x\"y"},"#,
        r#"{"name":"id","type":{"type":"string","logicalType":"uuid"}}]}"#,
    );
    assert_eq!(schema_of!(RustName), expected);
}

#[derive(Record)]
struct Tree {
    left: Leaf,
    right: Option<Leaf>,
    any: Vec<Either>,
}

#[derive(Record)]
struct Leaf {
    value: f32,
}

#[derive(Record)]
enum Either {
    Leaf(Leaf),
    Nothing,
    Texts(Vec<String>),
}

#[test]
fn a_named_type_is_defined_once() {
    let expected = concat!(
        r#"{"type":"record","name":"Tree","fields":["#,
        r#"{"name":"left","type":{"type":"record","name":"Leaf","fields":[{"name":"value","type":"float"}]}},"#,
        r#"{"name":"right","type":["null","Leaf"],"default":null},"#,
        r#"{"name":"any","type":{"type":"array","items":["Leaf","null",{"type":"array","items":"string"}]}}]}"#,
    );
    assert_eq!(schema_of!(Tree), expected);
}

mod other {
    #[derive(wasmill_sdk::Record)]
    pub(crate) struct Leaf {
        pub(crate) name: String,
    }
}

#[derive(Record)]
struct Clash {
    one: Leaf,
    two: other::Leaf,
}

#[test]
#[should_panic(expected = "are both named `Leaf` in the schema")]
fn two_types_under_one_name_are_refused() {
    let _ = schema_of!(Clash);
}

#[test]
fn roots_need_no_record() {
    assert_eq!(schema_of!(String), "\"string\"");
    assert_eq!(schema_of!(Vec<Option<i64>>), r#"{"type":"array","items":["null","long"]}"#);
}
