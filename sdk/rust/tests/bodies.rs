//! The Avro bodies that state values are, byte by byte, and read again.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::fmt::Write as _;

use wasmill_sdk::Body;
use wasmill_sdk::BodyError;
use wasmill_sdk::Decode;
use wasmill_sdk::Encode;
use wasmill_sdk::Form;
use wasmill_sdk::prelude::*;
use wasmill_sdk::types::Date;
use wasmill_sdk::types::Decimal;
use wasmill_sdk::types::Duration;
use wasmill_sdk::types::TimestampMicros;
use wasmill_sdk::types::Uuid;
use wasmill_sdk::types::WideDecimal;

fn body(value: &impl Encode) -> Vec<u8> {
    let mut out = Vec::new();
    value.encode(Form::PLAIN, &mut out).expect("it has a body");
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        write!(out, "{byte:02x}").expect("a string takes everything");
        out
    })
}

fn read<'a, T: Decode<'a>>(bytes: &'a [u8]) -> Result<T, BodyError> {
    let mut body = Body::new(bytes);
    let value = T::decode(Form::PLAIN, &mut body)?;
    assert!(body.is_empty(), "bytes are left");
    Ok(value)
}

/// The body of a value is this, and this is read as the value.
#[track_caller]
fn is<T: Encode + for<'a> Decode<'a> + PartialEq + std::fmt::Debug>(value: T, expected: &str) {
    let bytes = body(&value);
    assert_eq!(hex(&bytes), expected, "{value:?}");
    assert_eq!(read::<T>(&bytes).as_ref(), Ok(&value));
    for end in 0..bytes.len() {
        assert!(read::<T>(&bytes[..end]).is_err(), "{end} bytes of {value:?} are no such value");
    }
}

#[test]
fn primitives() {
    is((), "");
    is(true, "01");
    is(-1_i32, "01");
    is(64_i64, "8001");
    is(i64::MIN, "ffffffffffffffffff01");
    is(1.5_f32, "0000c03f");
    is(1.5_f64, "000000000000f83f");
    is("é".to_owned(), "04c3a9");
    is(vec![0xff_u8, 0], "04ff00");
    is([1_u8, 2, 3], "010203");
}

#[test]
fn containers_have_one_block_without_sizes() {
    is(vec![7_i32, 8], "040e1000");
    is(Vec::<i32>::new(), "00");
    is(vec![Some(1_i64), None], "0402020000");
    is(BTreeMap::from([("a".to_owned(), 1_i32), ("b".to_owned(), 2)]), "0402610202620400");
    is(vec![("b".to_owned(), 2_i32), ("a".to_owned(), 1)], "0402620402610200");
    is(Some(7_i64), "020e");
    is(None::<i64>, "00");
}

#[test]
fn a_hash_map_has_the_same_body_in_any_order() {
    let map: HashMap<String, i32> = (0..50).map(|n| (format!("k{n:02}"), n)).collect();
    let sorted: BTreeMap<String, i32> = map.clone().into_iter().collect();
    assert_eq!(body(&map), body(&sorted));
    assert_eq!(read::<HashMap<String, i32>>(&body(&map)), Ok(map));
}

#[test]
fn logical_types() {
    is(Date(1), "02");
    is(TimestampMicros(-1), "01");
    is(Decimal::<9, 2>::new(0).expect("digits"), "0200");
    is(Decimal::<9, 2>::new(127).expect("digits"), "027f");
    is(Decimal::<9, 2>::new(128).expect("digits"), "040080");
    is(Decimal::<9, 2>::new(-128).expect("digits"), "0280");
    is(Decimal::<9, 2>::new(-129).expect("digits"), "04ff7f");
    is(WideDecimal::<40, 2>::from(-1), "02ff");
    is(WideDecimal::<76, 0>::from(1 << 100), "1a10000000000000000000000000");
    let uuid = Uuid([
        0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff,
    ]);
    is(uuid, &format!("48{}", hex(b"00112233-4455-6677-8899-aabbccddeeff")));
    is(Duration::new(1, 2, 3).expect("small"), "010000000200000003000000");
}

#[derive(Debug, Clone, PartialEq, Record)]
struct Shaped {
    #[record(fixed = "Id")]
    id: Uuid,
    #[record(fixed = "Price", size = 4)]
    price: Decimal<9, 2>,
    #[record(fixed = "Discount", size = 3)]
    discount: Option<Decimal<5, 2>>,
    #[record(default = 7)]
    null_last: Option<i64>,
    null_first: Option<i64>,
    #[record(logical = "timestamp-millis")]
    at: i64,
}

#[test]
fn attributes_shape_the_body() {
    let shaped = Shaped {
        id: Uuid([9; 16]),
        price: Decimal::new(-2).expect("digits"),
        discount: Some(Decimal::new(300).expect("digits")),
        null_last: None,
        null_first: None,
        at: 1,
    };
    is(shaped.clone(), &format!("{}fffffffe0200012c020002", "09".repeat(16)));
    let set = Shaped { discount: None, null_last: Some(1), null_first: Some(1), ..shaped };
    is(set, &format!("{}fffffffe000002020202", "09".repeat(16)));
}

#[derive(Debug, Clone, PartialEq, Record)]
#[record(rename_all = "SCREAMING_SNAKE_CASE")]
enum Status {
    InTransit,
    Delivered,
}

#[derive(Debug, Clone, PartialEq, Record)]
enum Proof {
    Nothing,
    Signature(Vec<u8>),
    Parcel(Parcel),
}

#[derive(Debug, Clone, PartialEq, Record)]
struct Parcel {
    status: Status,
    weights: Vec<i32>,
}

#[test]
fn records_enums_and_unions_nest() {
    is(Status::Delivered, "02");
    is(Proof::Nothing, "00");
    is(Proof::Signature(vec![5]), "020205");
    let parcel = Parcel { status: Status::Delivered, weights: vec![1] };
    is(vec![Proof::Parcel(parcel), Proof::Nothing], "0404020202000000");
}

#[derive(Debug, PartialEq, Record)]
struct Borrowing<'a> {
    text: &'a str,
    bytes: Cow<'a, [u8]>,
    hash: &'a [u8; 2],
    list: Vec<&'a str>,
}

#[test]
fn borrowed_values_lie_in_the_body() {
    let value = Borrowing { text: "ab", bytes: Cow::Borrowed(&[1]), hash: &[8, 9], list: vec!["x"] };
    let bytes = body(&value);
    assert_eq!(hex(&bytes), "0461620201080902027800");
    let read = read::<Borrowing<'_>>(&bytes).expect("a value");
    assert_eq!(read, value);
    assert!(bytes.as_ptr_range().contains(&read.text.as_ptr()));
}

#[test]
fn what_is_no_value_is_refused() {
    assert!(read::<Status>(&[4]).is_err(), "no such symbol");
    assert!(read::<Proof>(&[6]).is_err(), "no such branch");
    assert!(read::<Option<i64>>(&[4, 0]).is_err(), "no such branch");
    assert!(read::<Decimal<2, 0>>(&[4, 0x03, 0xe8]).is_err(), "1000 has four digits");
    assert!(read::<Uuid>(&[2, b'x']).is_err());
    assert!(read::<Duration>(&[0xff; 12]).is_err());
    let mut long = vec![40];
    long.extend([0; 20]);
    assert_eq!(read::<Decimal<9, 2>>(&long).map(Decimal::unscaled), Ok(0), "needless zeros are read");
    long[1] = 1;
    assert!(read::<Decimal<9, 2>>(&long).is_err(), "more digits than 16 bytes");
}

#[derive(Debug, Record)]
struct TooSmall {
    #[record(fixed = "Small", size = 1)]
    price: Decimal<9, 2>,
}

#[test]
fn a_decimal_that_its_fixed_type_cannot_hold_has_no_body() {
    let small = |unscaled| TooSmall { price: Decimal::new(unscaled).expect("digits") };
    assert_eq!(body(&small(127)), [127]);
    let error = small(128).encode(Form::PLAIN, &mut Vec::new()).expect_err("two bytes");
    assert!(error.to_string().contains("more digits than its fixed type holds"), "{error}");
}
