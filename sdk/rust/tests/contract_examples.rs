//! The byte-level examples of `wit/types.wit` are what the SDK writes.

use std::fmt::Write as _;

use wasmill_sdk::Record;
use wasmill_sdk::Write;
use wasmill_sdk::prelude::ColumnBuilder;
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
use wasmill_sdk::wire::Column;

const CONTRACT: &str = include_str!("../../../wit/types.wit");

/// Every column of some rows as hexadecimal text, in the order root, children.
fn columns<T: Write>(rows: &[Option<T>]) -> Vec<Column> {
    let mut builder = ColumnBuilder::<T>::with_capacity(rows.len());
    for row in rows {
        match row {
            Some(value) => builder.push(value),
            None => builder.push_null(),
        }
    }
    let mut columns = Vec::new();
    builder.finish(&mut columns).expect("small");
    columns
}

fn hex(columns: &[Column]) -> String {
    let mut out = String::new();
    for column in columns {
        for (index, buffer) in column.buffers.iter().enumerate() {
            if index > 0 {
                out.push('|');
            }
            if buffer.is_empty() {
                out.push('-');
            }
            for byte in buffer {
                write!(out, "{byte:02x}").expect("a string takes everything");
            }
        }
    }
    out
}

/// The buffers of an example as the contract has them: everything between backticks.
fn documented(avro: &str) -> String {
    let examples = CONTRACT.rsplit_once("| Avro type | rows | buffers |").expect("the table").1;
    let row = examples
        .lines()
        .find(|line| line.contains(&format!("| {avro} |")))
        .unwrap_or_else(|| panic!("the contract has no example for {avro}"));
    let buffers = row.replace("\\|", "/");
    let buffers = buffers.rsplit('|').nth(1).expect("the last cell");
    let code: String = buffers.split('`').skip(1).step_by(2).collect();
    code.replace('/', "|").replace(' ', "")
}

fn check<T: Write>(avro: &str, rows: &[T]) {
    let rows: Vec<Option<&T>> = rows.iter().map(Some).collect();
    assert_eq!(hex(&columns(&rows)), documented(avro), "{avro}");
}

#[derive(Record)]
enum Symbol {
    A,
    B,
}

#[derive(Record)]
struct Point {
    x: i32,
    y: bool,
}

#[derive(Record)]
enum Choice {
    Number(i32),
    Text(String),
    Nothing,
}

#[test]
fn primitive_examples_hold() {
    check("`boolean`", &[true, false, true]);
    check("`int`", &[1, -2_i32]);
    check("`long`", &[1, -2_i64]);
    check("`float`", &[1.5_f32]);
    check("`double`", &[1.5_f64]);
    check("`bytes`", &[&[0xff_u8, 0][..], &[]]);
    check("`string`", &["a", "", "é"]);
    check("`fixed`, size 3", &[[1_u8, 2, 3]]);
    check("`enum` of A, B", &[Symbol::B, Symbol::A]);
    assert!(columns(&[Some(()), Some(())])[0].buffers.is_empty());
}

#[test]
fn logical_examples_hold() {
    check("`decimal`, scale 2", &[Decimal::<9, 2>::new(-123).expect("few digits")]);
    let wide = columns(&[Some(WideDecimal::<40, 2>::from(123))]);
    assert_eq!(wide[0].buffers[1][0], 0x7b);
    assert_eq!(wide[0].buffers[1][1..], [0; 31]);
    check("`date`", &[Date(1)]);
    check("`time-millis`", &[TimeMillis(1000)]);
    check("`time-micros`", &[TimeMicros(1_000_000)]);
    check("`timestamp-millis`", &[TimestampMillis(1000)]);
    check("`timestamp-micros`", &[TimestampMicros(1_000_000)]);
    check("`timestamp-nanos`", &[TimestampNanos(1_000_000_000)]);
    check("`local-timestamp-millis`", &[LocalTimestampMillis(1000)]);
    check("`local-timestamp-micros`", &[LocalTimestampMicros(1_000_000)]);
    check("`local-timestamp-nanos`", &[LocalTimestampNanos(1_000_000_000)]);
    let uuid: Uuid = "00112233-4455-6677-8899-aabbccddeeff".parse().expect("a UUID");
    check("`uuid`", &[uuid]);
    check("`duration`", &[Duration::new(1, 2, 3).expect("small")]);
}

#[test]
fn nested_examples_hold() {
    check("`array` of int", &[vec![7, 8], vec![]]);
    check("`map` of int", &[vec![("k", 7)]]);
    check("`record` of x: int, y: boolean", &[Point { x: 7, y: true }, Point { x: 8, y: false }]);
    let rows = [Choice::Text("a".into()), Choice::Number(7), Choice::Nothing, Choice::Number(8)];
    check("`[int, string, null]`", &rows);
    let nullable = columns(&[Some(7), None, Some(8)]);
    assert_eq!(nullable[0].null_count, 1);
    assert_eq!(hex(&nullable), documented("`[null, int]`"));
}

#[test]
fn children_follow_their_parents() {
    let rows = [Some(vec![vec![("k", Point { x: 1, y: true })]])];
    let columns = columns(&rows);
    for (index, column) in columns.iter().enumerate() {
        assert!(column.children.iter().all(|child| *child as usize > index));
    }
    // List, Map, entries, key, Point, x, y.
    assert_eq!(columns.len(), 7);
}
