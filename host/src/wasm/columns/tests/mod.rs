//! Arrays there and back, rule by rule, and with arbitrary bytes.

mod arbitrary;

use std::sync::Arc;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::BinaryArray;
use arrow_array::BooleanArray;
use arrow_array::Date32Array;
use arrow_array::Decimal128Array;
use arrow_array::Decimal256Array;
use arrow_array::FixedSizeBinaryArray;
use arrow_array::Float32Array;
use arrow_array::Float64Array;
use arrow_array::Int32Array;
use arrow_array::Int64Array;
use arrow_array::IntervalMonthDayNanoArray;
use arrow_array::ListArray;
use arrow_array::MapArray;
use arrow_array::NullArray;
use arrow_array::StringArray;
use arrow_array::StructArray;
use arrow_array::Time32MillisecondArray;
use arrow_array::Time64MicrosecondArray;
use arrow_array::TimestampMicrosecondArray;
use arrow_array::TimestampNanosecondArray;
use arrow_array::UnionArray;
use arrow_buffer::IntervalMonthDayNano;
use arrow_buffer::NullBuffer;
use arrow_buffer::OffsetBuffer;
use arrow_buffer::i256;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::Fields;
use arrow_schema::UnionFields;

use crate::model::avro_type::AvroType;
use crate::model::record_batch::Rows;
use crate::wasm::columns::arena::Arena;
use crate::wasm::columns::arena::ArenaBuilder;
use crate::wasm::columns::lift::lift;
use crate::wasm::columns::lower::Lowered;
use crate::wasm::columns::lower::bytes_of;
use crate::wasm::columns::shape::ColumnShape;

/// A column as a guest would hand it over.
#[derive(Debug, Clone)]
struct Raw {
    buffers: Vec<Vec<u8>>,
    children: Vec<u32>,
    null_count: u32,
}

fn lower(array: &ArrayRef) -> Vec<Raw> {
    let rows = Rows { count: array.len(), value: Some(Arc::clone(array)), ..Rows::default() };
    let mut lowered = Lowered::default();
    lowered.fill(&rows).expect("carried");
    assert_eq!(lowered.value, Some(0));
    lowered
        .columns
        .iter()
        .map(|column| Raw {
            buffers: lowered.buffers_of(column).iter().map(|buffer| bytes_of(buffer).to_vec()).collect(),
            children: lowered.children_of(column).to_vec(),
            null_count: column.null_count,
        })
        .collect()
}

fn arena(columns: &[Raw]) -> Arena {
    let mut builder = ArenaBuilder::new(0, 0);
    for column in columns {
        column.buffers.iter().for_each(|buffer| builder.buffer(buffer));
        column.children.iter().for_each(|child| builder.child(*child));
        builder.end_column(column.null_count);
    }
    builder.finish()
}

fn there_and_back(array: &ArrayRef) {
    let shape = ColumnShape::untyped(array.data_type()).expect("a shape");
    let back = lift(&mut arena(&lower(array)), &shape, 0, array.len())
        .unwrap_or_else(|error| panic!("{}: {error}", array.data_type()));
    assert_eq!(array.as_ref(), back.as_ref());
    back.to_data().validate_full().expect("valid");
}

fn lifted(avro: &str, columns: &[Raw], len: usize) -> Result<ArrayRef, String> {
    let shape = ColumnShape::typed(&AvroType::parse(avro, &[]).expect("a schema")).expect("a shape");
    lift(&mut arena(columns), &shape, 0, len).map_err(|error| error.to_string())
}

fn leaf(validity: &[u8], values: &[u8], null_count: u32) -> Raw {
    Raw { buffers: vec![validity.to_vec(), values.to_vec()], children: Vec::new(), null_count }
}

fn parent(buffers: &[&[u8]], children: &[u32], null_count: u32) -> Raw {
    Raw { buffers: buffers.iter().map(|b| b.to_vec()).collect(), children: children.to_vec(), null_count }
}

/// 20 rows of every type, with nulls here and there.
fn every_type() -> Vec<ArrayRef> {
    const ROWS: i32 = 20;
    let some = |row: &i32| row % 3 != 1;
    let rows = || 0..ROWS;
    let strings =
        StringArray::from_iter(rows().map(|r| some(&r).then(|| format!("ö{r}").repeat(r as usize % 4))));
    let ints = Int32Array::from_iter(rows().map(|r| some(&r).then_some(r)));
    let mut all: Vec<ArrayRef> = vec![
        Arc::new(NullArray::new(ROWS as usize)),
        Arc::new(BooleanArray::from_iter(rows().map(|r| some(&r).then_some(r % 2 == 0)))),
        Arc::new(ints.clone()),
        Arc::new(Int64Array::from_iter(rows().map(|r| some(&r).then_some(i64::from(r) << 40)))),
        Arc::new(Float32Array::from_iter(rows().map(|r| some(&r).then_some(r as f32)))),
        Arc::new(Float64Array::from_iter_values(rows().map(f64::from))),
        Arc::new(BinaryArray::from_iter(rows().map(|r| some(&r).then(|| vec![0xff; r as usize])))),
        Arc::new(strings.clone()),
        Arc::new(
            FixedSizeBinaryArray::try_from_sparse_iter_with_size(
                rows().map(|r| some(&r).then_some([r as u8; 3])),
                3,
            )
            .expect("fixed"),
        ),
        Arc::new(Date32Array::from_iter_values(rows())),
        Arc::new(Time32MillisecondArray::from_iter_values(rows())),
        Arc::new(Time64MicrosecondArray::from_iter_values(rows().map(i64::from))),
        Arc::new(TimestampMicrosecondArray::from_iter_values(rows().map(i64::from)).with_timezone("+00:00")),
        Arc::new(TimestampNanosecondArray::from_iter_values(rows().map(i64::from))),
        Arc::new(IntervalMonthDayNanoArray::from_iter_values(
            rows().map(|r| IntervalMonthDayNano::new(r, r + 1, 1_000_000)),
        )),
        Arc::new(
            Decimal128Array::from_iter(rows().map(|r| some(&r).then_some(i128::from(r))))
                .with_precision_and_scale(9, 2)
                .expect("decimal"),
        ),
        Arc::new(
            Decimal256Array::from_iter_values(rows().map(|r| i256::from(i64::from(r))))
                .with_precision_and_scale(50, 0)
                .expect("decimal"),
        ),
    ];
    let lengths = || rows().map(|r| if some(&r) { r as usize % 4 } else { 0 });
    let total: usize = lengths().sum();
    let nulls = NullBuffer::from_iter(rows().map(|r| some(&r)));
    let items = Int64Array::from_iter((0..total as i64).map(|n| (n % 5 != 0).then_some(n)));
    all.push(Arc::new(ListArray::new(
        Arc::new(Field::new("item", DataType::Int64, true)),
        OffsetBuffer::from_lengths(lengths()),
        Arc::new(items.clone()),
        Some(nulls.clone()),
    )));
    let entries = StructArray::new(
        Fields::from(vec![
            Field::new("key", DataType::Utf8, false),
            Field::new("value", DataType::Int64, true),
        ]),
        vec![
            Arc::new(StringArray::from_iter_values((0..total).map(|n| n.to_string()))) as ArrayRef,
            Arc::new(items),
        ],
        None,
    );
    all.push(Arc::new(MapArray::new(
        Arc::new(Field::new("entries", entries.data_type().clone(), false)),
        OffsetBuffer::from_lengths(lengths()),
        entries,
        Some(nulls.clone()),
        false,
    )));
    let fields = UnionFields::try_new(
        [0, 1],
        [Field::new("int", DataType::Int32, true), Field::new("string", DataType::Utf8, true)],
    )
    .expect("fields");
    all.push(Arc::new(
        UnionArray::try_new(
            fields,
            rows().map(|r| (r % 2) as i8).collect(),
            Some(rows().collect()),
            vec![Arc::new(ints), Arc::new(strings)],
        )
        .expect("a union"),
    ));
    let fields: Fields = all
        .iter()
        .enumerate()
        .map(|(index, array)| Field::new(format!("f{index}"), array.data_type().clone(), true))
        .collect();
    all.push(Arc::new(StructArray::new(fields, all.clone(), Some(nulls))));
    all
}

#[test]
fn every_type_goes_there_and_back_at_every_offset() {
    for array in every_type() {
        there_and_back(&array);
        for (offset, len) in [(0, 0), (20, 0), (1, 19), (3, 9), (8, 12), (7, 1)] {
            there_and_back(&array.slice(offset, len));
        }
    }
}

#[test]
fn a_slice_takes_no_more_than_its_own_bytes_along() {
    let strings: ArrayRef =
        Arc::new(StringArray::from_iter_values((0..1000).map(|n| n.to_string().repeat(50))));
    let columns = lower(&strings.slice(500, 2));
    assert_eq!(columns[0].buffers[1], [0_u32, 150, 300].map(u32::to_le_bytes).concat());
    assert_eq!(columns[0].buffers[2].len(), 300);
}

#[test]
fn parents_come_before_children() {
    for column in lower(&every_type().pop().expect("the struct")).iter().enumerate() {
        assert!(column.1.children.iter().all(|child| *child as usize > column.0));
    }
}

#[test]
fn an_enum_holds_indexes_of_its_symbols() {
    const ENUM: &str = r#"{"type":"enum","name":"E","symbols":["A","B"]}"#;
    let indexes = |list: [i32; 3]| list.map(i32::to_le_bytes).concat();
    lifted(ENUM, &[leaf(&[], &indexes([0, 1, 1]), 0)], 3).expect("good");
    for bad in [2, -1] {
        let error = lifted(ENUM, &[leaf(&[], &indexes([0, bad, 1]), 0)], 3).expect_err("bad");
        assert!(error.starts_with(&format!("row 1 has the symbol index {bad}")), "{error}");
    }
    // A null row holds a placeholder.
    lifted(ENUM, &[leaf(&[0b101], &indexes([0, -7, 1]), 1)], 3).expect("good");
}

#[test]
fn a_decimal_keeps_to_its_precision() {
    const DECIMAL: &str = r#"{"type":"bytes","logicalType":"decimal","precision":3,"scale":1}"#;
    let values = |list: [i128; 2]| list.map(i128::to_le_bytes).concat();
    lifted(DECIMAL, &[leaf(&[], &values([999, -999]), 0)], 2).expect("good");
    let error = lifted(DECIMAL, &[leaf(&[], &values([0, 1000]), 0)], 2).expect_err("bad");
    assert!(error.starts_with("row 1 has a decimal of more than 3 digits"), "{error}");
}

#[test]
fn a_field_that_is_not_nullable_holds_nulls_under_null_parents_alone() {
    const OUTER: &str = r#"{"type":"record","name":"A","fields":[{"name":"b","type":
        {"type":"record","name":"B","fields":[{"name":"c","type":"int"}]}}]}"#;
    let columns = |outer: &[u8], outer_nulls, c: &[u8], c_nulls| {
        [parent(&[outer], &[1], outer_nulls), parent(&[&[]], &[2], 0), leaf(c, &[0; 8], c_nulls)]
    };
    let error = lifted(OUTER, &columns(&[], 0, &[0b01], 1), 2).expect_err("row 1 is alive");
    assert!(error.starts_with("b.c: row 1 is null"), "{error}");
    // Row 1 is a tombstone, two levels up.
    let array = lifted(OUTER, &columns(&[0b01], 1, &[0b01], 1), 2).expect("a placeholder");
    assert!(array.is_null(1) && array.is_valid(0));
    let error = lifted(OUTER, &columns(&[0b01], 1, &[0b10], 1), 2).expect_err("row 0 is alive");
    assert!(error.starts_with("b.c: row 0 is null"), "{error}");
    // The items of a null list.
    let list = r#"{"type":"array","items":"int"}"#;
    let columns = |validity: &[u8], nulls| {
        let offsets = [0_u32, 1, 3].map(u32::to_le_bytes).concat();
        [parent(&[validity, &offsets], &[1], nulls), leaf(&[0b001], &[0; 12], 2)]
    };
    lifted(list, &columns(&[0b01], 1), 2).expect("placeholders");
    let error = lifted(list, &columns(&[], 0), 2).expect_err("alive");
    assert!(error.starts_with("item: row 1 is null"), "{error}");
}

#[test]
fn placeholders_are_checked_for_their_format() {
    let text = r#"{"type":"record","name":"A","fields":[{"name":"s","type":"string"}]}"#;
    let columns = [parent(&[&[0]], &[1], 1), parent(&[&[], &[0, 0, 0, 0, 1, 0, 0, 0], &[0xff]], &[], 0)];
    let error = lifted(text, &columns, 1).expect_err("no UTF-8");
    assert!(error.starts_with("s: ") && error.contains("UTF-8"), "{error}");
}

#[test]
fn counts_and_layouts_must_agree() {
    for (columns, len, part) in [
        (vec![leaf(&[], &[0; 4], 0)], 2, "buffer 1 has 4 bytes; expected 8 for 2 rows"),
        (vec![leaf(&[], &[0; 8], 1)], 2, "there is no validity buffer"),
        (vec![leaf(&[0b10], &[0; 8], 2)], 2, "marks 1 of 2 rows as null"),
        (vec![leaf(&[1], &[0; 36], 0)], 9, "buffer 0 has 1 bytes; expected 2 for 9 rows"),
        (vec![parent(&[&[]], &[], 0)], 1, "has 1 buffers and 0 children; expected 2 and 0"),
        (vec![], 1, "refers to column 0, but there are 0 columns"),
    ] {
        let error = lifted("\"int\"", &columns, len).expect_err(part);
        assert!(
            error.contains(part) || part.starts_with("the validity") && error.contains("buffer 0"),
            "{error}"
        );
    }
}

#[test]
fn a_union_refers_into_its_branches() {
    let text = r#"["int","string"]"#;
    let columns = |ids: &[u8], offsets: [i32; 2]| {
        [
            parent(&[ids, &offsets.map(i32::to_le_bytes).concat()], &[1, 2], 0),
            leaf(&[], &[0; 4], 0),
            parent(&[&[], &[0, 0, 0, 0, 1, 0, 0, 0], b"x"], &[], 0),
        ]
    };
    lifted(text, &columns(&[0, 1], [0, 0]), 2).expect("good");
    // A branch may hold more rows than the union refers to, and nulls among them.
    let mut longer = columns(&[0, 1], [0, 0]);
    longer[1] = leaf(&[0b0101], &[0; 16], 2);
    lifted(text, &longer, 2).expect("good");
    for (ids, offsets, part) in [
        ([0, 2], [0, 0], "row 1 has the type id 2"),
        ([0, 255], [0, 0], "row 1 has the type id -1"),
        ([0, 1], [0, -1], "the offset -1"),
        ([0, 1], [9, 0], "int: buffer 1 has 4 bytes; expected 40 for 10 rows"),
    ] {
        let error = lifted(text, &columns(&ids, offsets), 2).expect_err(part);
        assert!(error.contains(part), "{error}");
    }
}
