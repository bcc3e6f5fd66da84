//! Reads and writes a record with every Avro type and logical type, nested in every way that
//! columns know: the conformance tests compare what comes out with what went in.

use std::collections::BTreeMap;
use std::collections::HashMap;

use wasmill_sdk::prelude::*;
use wasmill_sdk::types::Date;
use wasmill_sdk::types::Decimal;
use wasmill_sdk::types::Duration;
use wasmill_sdk::types::LocalTimestampMicros;
use wasmill_sdk::types::LocalTimestampMillis;
use wasmill_sdk::types::LocalTimestampNanos;
use wasmill_sdk::types::TimeMicros;
use wasmill_sdk::types::TimeMillis;
use wasmill_sdk::types::TimestampMicros;
use wasmill_sdk::types::TimestampMillis;
use wasmill_sdk::types::TimestampNanos;
use wasmill_sdk::types::Uuid;
use wasmill_sdk::types::WideDecimal;

/// Every Avro type.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(namespace = "wasmill.conformance")]
pub struct AllTypes<'a> {
    pub a_null: (),
    pub a_boolean: bool,
    pub an_int: i32,
    pub a_long: i64,
    pub a_float: f32,
    pub a_double: f64,
    pub some_bytes: &'a [u8],
    pub a_string: &'a str,
    #[record(fixed = "Md5")]
    pub a_fixed: [u8; 16],
    pub an_enum: Suit,
    pub an_array: Vec<i64>,
    pub a_map: BTreeMap<&'a str, f64>,
    pub a_record: Inner<'a>,
    pub a_union: Choice<'a>,
    pub logical: Logical,
    pub nullable: Nullable<'a>,
    pub nested: Nested<'a>,
    #[record(rename = "renamedField", alias = "old_name", default = "none")]
    pub renamed: String,
}

/// An enum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Record)]
#[record(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Suit {
    Spades,
    Hearts,
    Diamonds,
    Clubs,
}

/// A record within a record.
#[derive(Debug, Clone, PartialEq, Record)]
pub struct Inner<'a> {
    pub id: i32,
    pub name: &'a str,
}

/// A union with null and named branches.
#[derive(Debug, Clone, PartialEq, Record)]
pub enum Choice<'a> {
    Nothing,
    Flag(bool),
    Number(i64),
    Real(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
    Suit(Suit),
    Inner(Inner<'a>),
    List(Vec<i32>),
    Table(BTreeMap<&'a str, i32>),
}

/// Every logical type.
#[derive(Debug, Clone, PartialEq, Record)]
pub struct Logical {
    pub decimal_bytes: Decimal<12, 3>,
    #[record(fixed = "DecimalFixed", size = 8)]
    pub decimal_fixed: Decimal<18, 4>,
    pub wide_decimal: WideDecimal<60, 10>,
    pub widest_decimal: WideDecimal<76, 0>,
    #[record(fixed = "WidestFixed", size = 32)]
    pub widest_decimal_fixed: WideDecimal<76, 76>,
    pub date: Date,
    pub time_millis: TimeMillis,
    pub time_micros: TimeMicros,
    pub timestamp_millis: TimestampMillis,
    pub timestamp_micros: TimestampMicros,
    pub timestamp_nanos: TimestampNanos,
    pub local_timestamp_millis: LocalTimestampMillis,
    pub local_timestamp_micros: LocalTimestampMicros,
    pub local_timestamp_nanos: LocalTimestampNanos,
    pub uuid_string: Uuid,
    #[record(fixed = "UuidFixed")]
    pub uuid_fixed: Uuid,
    #[record(fixed = "Span")]
    pub duration: Duration,
    #[record(logical = "timestamp-millis")]
    pub plain_timestamp: i64,
}

/// Every type as a union with null.
#[derive(Debug, Clone, PartialEq, Record)]
pub struct Nullable<'a> {
    pub boolean: Option<bool>,
    pub int: Option<i32>,
    pub long: Option<i64>,
    pub float: Option<f32>,
    pub double: Option<f64>,
    pub bytes: Option<Vec<u8>>,
    pub string: Option<&'a str>,
    #[record(fixed = "Quad")]
    pub fixed: Option<[u8; 4]>,
    pub suit: Option<Suit>,
    pub array: Option<Vec<&'a str>>,
    pub map: Option<Vec<(&'a str, i32)>>,
    pub record: Option<Inner<'a>>,
    pub decimal: Option<Decimal<9, 2>>,
    pub timestamp: Option<TimestampMicros>,
    pub uuid: Option<Uuid>,
    /// Null comes second where the default is another.
    #[record(default = 7)]
    pub null_last: Option<i32>,
}

/// Types within types.
#[derive(Debug, Clone, PartialEq, Record)]
pub struct Nested<'a> {
    pub array_of_records: Vec<Inner<'a>>,
    pub array_of_arrays: Vec<Vec<i32>>,
    pub array_of_nullable: Vec<Option<&'a str>>,
    pub array_of_unions: Vec<Choice<'a>>,
    pub map_of_arrays: BTreeMap<String, Vec<i64>>,
    pub map_of_records: HashMap<&'a str, Inner<'a>>,
    pub map_of_nullable: Vec<(String, Option<f64>)>,
    pub nullable_array_of_maps: Option<Vec<BTreeMap<&'a str, bool>>>,
}

/// Copies every type.
#[transform]
#[input(records)]
pub struct CopyAllTypes {
    copies: Output<AllTypes<'_>>,
}

impl Process<AllTypes<'_>> for CopyAllTypes {
    fn process(&mut self, record: AllTypes<'_>, _: &mut Context<'_>) -> Result<()> {
        self.copies.emit(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inner(id: i32) -> Inner<'static> {
        Inner { id, name: if id % 2 == 0 { "even" } else { "" } }
    }

    fn choice(seed: i64) -> Choice<'static> {
        match seed % 10 {
            0 => Choice::Nothing,
            1 => Choice::Flag(seed % 2 == 0),
            2 => Choice::Number(-seed),
            3 => Choice::Text("text"),
            4 => Choice::Suit(Suit::Clubs),
            5 => Choice::Inner(inner(seed as i32)),
            6 => Choice::Real(seed as f64 / 7.0),
            7 => Choice::Bytes(b"\xff\x00"),
            8 => Choice::Table(BTreeMap::from([("", i32::MIN), ("k", seed as i32)])),
            _ => Choice::List(vec![1; seed as usize % 3]),
        }
    }

    fn logical(seed: i64) -> Logical {
        Logical {
            decimal_bytes: Decimal::new(i128::from(-seed)).expect("few digits"),
            decimal_fixed: Decimal::new(i128::from(seed)).expect("few digits"),
            wide_decimal: i128::MIN.into(),
            widest_decimal: i128::from(seed).into(),
            widest_decimal_fixed: i128::from(-seed).into(),
            date: Date(seed as i32),
            time_millis: TimeMillis(86_399_999),
            time_micros: TimeMicros(seed),
            timestamp_millis: TimestampMillis(-seed),
            timestamp_micros: TimestampMicros(seed),
            timestamp_nanos: TimestampNanos(i64::MAX),
            local_timestamp_millis: LocalTimestampMillis(seed),
            local_timestamp_micros: LocalTimestampMicros(seed),
            local_timestamp_nanos: LocalTimestampNanos(i64::MIN),
            uuid_string: Uuid([seed as u8; 16]),
            uuid_fixed: Uuid([0xff; 16]),
            duration: Duration::new(1, seed as u32, u32::MAX).expect("in range"),
            plain_timestamp: seed,
        }
    }

    fn nullable(seed: i64) -> Nullable<'static> {
        let some = seed % 3 != 0;
        Nullable {
            boolean: some.then_some(seed % 2 == 0),
            int: some.then_some(1),
            long: some.then_some(seed),
            float: some.then_some(1.5),
            double: some.then_some(-0.0),
            bytes: some.then(|| vec![0, 255]),
            string: some.then_some("ü"),
            fixed: some.then_some([1, 2, 3, 4]),
            suit: some.then_some(Suit::Hearts),
            array: some.then(|| vec!["a", ""]),
            map: some.then(|| vec![("k", 1), ("k", 2)]),
            record: some.then(|| inner(3)),
            decimal: some.then(|| Decimal::new(-5).expect("few digits")),
            timestamp: some.then_some(TimestampMicros(seed)),
            uuid: some.then_some(Uuid([9; 16])),
            null_last: some.then_some(2),
        }
    }

    fn nested(seed: i64) -> Nested<'static> {
        let few = seed as usize % 4;
        Nested {
            array_of_records: (0..few as i32).map(inner).collect(),
            array_of_arrays: (0..few).map(|len| vec![seed as i32; len]).collect(),
            array_of_nullable: vec![Some("x"), None, Some("")],
            array_of_unions: (seed..seed + few as i64).map(choice).collect(),
            map_of_arrays: (0..few).map(|key| (key.to_string(), vec![seed; key])).collect(),
            map_of_records: [("one", inner(1)), ("two", inner(2))].into_iter().take(few).collect(),
            map_of_nullable: vec![("a".to_owned(), None), ("b".to_owned(), Some(0.25))],
            nullable_array_of_maps: (few > 1).then(|| vec![BTreeMap::from([("t", true)]), BTreeMap::new()]),
        }
    }

    fn record(seed: i64) -> AllTypes<'static> {
        AllTypes {
            a_null: (),
            a_boolean: seed % 2 == 1,
            an_int: i32::MIN + seed as i32,
            a_long: i64::MAX - seed,
            a_float: f32::MIN_POSITIVE,
            a_double: seed as f64 / 3.0,
            some_bytes: b"\x00\xff",
            a_string: "naïve €",
            a_fixed: [seed as u8; 16],
            an_enum: [Suit::Spades, Suit::Hearts, Suit::Diamonds, Suit::Clubs][seed as usize % 4],
            an_array: (0..seed % 5).collect(),
            a_map: BTreeMap::from([("half", 0.5), ("third", 1.0 / 3.0)]),
            a_record: inner(seed as i32),
            a_union: choice(seed),
            logical: logical(seed),
            nullable: nullable(seed),
            nested: nested(seed),
            renamed: "x".repeat(seed as usize),
        }
    }

    #[test]
    fn every_type_survives() {
        let records: Vec<_> = (0..29).map(record).collect();
        let mut harness = TestHarness::new::<CopyAllTypes>();
        harness.send_all(records.clone());
        assert_eq!(harness.values::<AllTypes<'_>>("copies"), records);
    }

    #[test]
    fn tombstones_stand_between_values() {
        let mut harness = TestHarness::new::<CopyAllTypes>();
        let record = |seed| {
            if seed % 3 == 0 { TestRecord::tombstone() } else { TestRecord::new(record(seed)) }
        };
        harness.send_all((0..10).map(record));
        let outputs = harness.outputs::<AllTypes<'_>>("copies");
        assert_eq!(outputs.len(), 10);
        assert_eq!(outputs.iter().filter(|output| output.value.is_none()).count(), 4);
    }
}
