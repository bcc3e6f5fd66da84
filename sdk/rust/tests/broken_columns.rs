//! Columns without the shape of their type fail the invocation; they never panic.

use std::collections::BTreeMap;

use wasmill_sdk::native::Runner;
use wasmill_sdk::prelude::*;
use wasmill_sdk::wire;
use wasmill_sdk::wire::Failure;

#[derive(Debug, Clone, PartialEq, Record)]
struct Everything<'a> {
    text: &'a str,
    number: Option<i64>,
    flag: bool,
    list: Vec<i32>,
    map: BTreeMap<String, f64>,
    kind: Kind,
    choice: Choice,
    hash: [u8; 4],
}

#[derive(Debug, Clone, Copy, PartialEq, Record)]
enum Kind {
    One,
    Two,
}

#[derive(Debug, Clone, PartialEq, Record)]
enum Choice {
    Number(i32),
    Text(String),
    Nothing,
}

#[transform]
struct Copy {
    copies: Output<Everything<'_>>,
}

impl Process<Everything<'_>> for Copy {
    fn process(&mut self, everything: Everything<'_>, _: &mut Context<'_>) -> Result<()> {
        self.copies.emit(everything)
    }
}

fn batch() -> wire::Batch {
    let everything = |number: i32, choice| Everything {
        text: "täxt",
        number: (number > 1).then_some(i64::from(number)),
        flag: true,
        list: vec![number; 3],
        map: BTreeMap::from([("k".to_owned(), 0.5)]),
        kind: Kind::Two,
        choice,
        hash: [9; 4],
    };
    let mut values = ColumnBuilder::<Everything<'_>>::with_capacity(3);
    values.push(&everything(1, Choice::Text("a".into())));
    values.push(&everything(2, Choice::Number(4)));
    values.push(&everything(3, Choice::Nothing));
    let mut rows = Rows { count: 3, ..Rows::default() };
    rows.value = Some(values.finish(&mut rows.columns).expect("small"));
    wire::Batch { rows, ..wire::Batch::default() }
}

fn run(batch: wire::Batch) -> Result<(), Failure> {
    let mut runner = Runner::open::<Copy>(&[]).expect("no configuration");
    runner.process(batch).map(|_| ())
}

#[test]
fn sound_columns_pass() {
    assert_eq!(run(batch()), Ok(()));
}

#[test]
fn every_missing_byte_is_noticed() {
    let sound = batch();
    for column in 0..sound.rows.columns.len() {
        for buffer in 0..sound.rows.columns[column].buffers.len() {
            let mut broken = sound.clone();
            if broken.rows.columns[column].buffers[buffer].pop().is_some() {
                let outcome = run(broken);
                assert!(
                    matches!(outcome, Err(Failure::Fatal(_))),
                    "column {column} buffer {buffer}: {outcome:?}"
                );
            }
        }
    }
}

#[test]
fn missing_parts_are_noticed() {
    let sound = batch();
    for column in 0..sound.rows.columns.len() {
        let mut broken = sound.clone();
        broken.rows.columns[column].buffers.push(Vec::new());
        assert!(matches!(run(broken), Err(Failure::Fatal(_))), "a buffer more in column {column}");
        let mut broken = sound.clone();
        if broken.rows.columns[column].children.pop().is_some() {
            assert!(matches!(run(broken), Err(Failure::Fatal(_))), "a child less in column {column}");
        }
    }
    let mut broken = sound.clone();
    broken.rows.columns.pop();
    assert!(matches!(run(broken), Err(Failure::Fatal(_))));
    let mut broken = sound.clone();
    broken.rows.value = None;
    assert!(matches!(run(broken), Err(Failure::Fatal(_))));
    assert!(matches!(run(wire::Batch { port: 7, ..sound }), Err(Failure::Fatal(_))));
}

#[test]
fn wrong_bytes_never_panic() {
    let sound = batch();
    for column in 0..sound.rows.columns.len() {
        for buffer in 0..sound.rows.columns[column].buffers.len() {
            for byte in 0..sound.rows.columns[column].buffers[buffer].len() {
                for value in [0x00, 0x01, 0x7f, 0x80, 0xff] {
                    let mut broken = sound.clone();
                    broken.rows.columns[column].buffers[buffer][byte] = value;
                    // Numbers may take any value; everything else fails as a whole.
                    assert!(!matches!(run(broken), Err(Failure::Retry(_))));
                }
            }
        }
    }
}
