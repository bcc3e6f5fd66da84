//! Arrays there and back, rule by rule, and with arbitrary bytes.

mod arbitrary;

use std::sync::Arc;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::NullArray;
use arrow_array::StringArray;

use crate::model::avro_type::AvroType;
use crate::wasm::columns::fuzz::RawColumn;
use crate::wasm::columns::fuzz::arena;
use crate::wasm::columns::fuzz::lower;
use crate::wasm::columns::lift::lift;
use crate::wasm::columns::shape::ColumnShape;
use crate::wasm::columns::specimens::every_type;

fn there_and_back(array: &ArrayRef) {
    let shape = ColumnShape::untyped(array.data_type()).expect("a shape");
    let back = lift(&mut arena(&lower(array)), &shape, 0, array.len())
        .unwrap_or_else(|error| panic!("{}: {error}", array.data_type()));
    assert_eq!(array.as_ref(), back.as_ref());
    back.to_data().validate_full().expect("valid");
}

fn lifted(avro: &str, columns: &[RawColumn], len: usize) -> Result<ArrayRef, String> {
    let shape = ColumnShape::typed(&AvroType::parse(avro, &[]).expect("a schema")).expect("a shape");
    lift(&mut arena(columns), &shape, 0, len).map_err(|error| error.to_string())
}

fn leaf(validity: &[u8], values: &[u8], null_count: u32) -> RawColumn {
    RawColumn { buffers: vec![validity.to_vec(), values.to_vec()], children: Vec::new(), null_count }
}

fn parent(buffers: &[&[u8]], children: &[u32], null_count: u32) -> RawColumn {
    RawColumn {
        buffers: buffers.iter().map(|b| b.to_vec()).collect(),
        children: children.to_vec(),
        null_count,
    }
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
fn columns_without_validity_count_no_nulls() {
    let nulls: ArrayRef = Arc::new(NullArray::new(3));
    let columns = lower(&nulls);
    assert_eq!((columns[0].null_count, columns[0].buffers.len()), (0, 0));
    assert_eq!(lifted("\"null\"", &columns, 3).expect("good").len(), 3);
    let error = lifted("\"null\"", &[parent(&[], &[], 3)], 3).expect_err("counted");
    assert!(error.starts_with("`null-count` is 3; expected 0"), "{error}");
    let union = [parent(&[&[0], &[0; 4]], &[1], 1), leaf(&[], &[0; 4], 0)];
    let error = lifted(r#"["int"]"#, &union, 1).expect_err("counted");
    assert!(error.starts_with("`null-count` is 1; expected 0"), "{error}");
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

#[test]
fn no_two_rows_of_a_union_share_a_value() {
    let text = r#"["bytes","int"]"#;
    let columns = |ids: &[u8], offsets: &[i32]| {
        [
            parent(&[ids, &offsets.iter().flat_map(|at| at.to_le_bytes()).collect::<Vec<_>>()], &[1, 2], 0),
            parent(&[&[], &[0; 16], &[]], &[], 0),
            leaf(&[], &[0; 12], 0),
        ]
    };
    lifted(text, &columns(&[0, 1, 0], &[0, 0, 2]), 3).expect("places rise in each branch");
    for (ids, offsets, expected) in [
        ([0, 0, 0], [0, 1, 1], "row 2 has the offset 1 in branch 0; expected 2 or more"),
        ([1, 0, 1], [2, 0, 0], "row 2 has the offset 0 in branch 1; expected 3 or more"),
    ] {
        let error = lifted(text, &columns(&ids, &offsets), 3).expect_err(expected);
        assert!(error.starts_with(expected), "{error}");
    }
}

/// Offsets that name two billion children, under a null row, so that a mask would be made for them.
#[test]
fn children_are_counted_before_anything_is_made_for_them() {
    let list =
        [parent(&[&[0], &[0_i32, i32::MAX].map(i32::to_le_bytes).concat()], &[1], 1), leaf(&[], &[], 0)];
    let error = lifted(r#"{"type":"array","items":"int"}"#, &list, 1).expect_err("nobody has so many");
    assert!(error.starts_with("refers to 2147483647 child rows; expected at most "), "{error}");
    let union = [
        parent(&[&[0]], &[1], 1),
        parent(&[&[0], &(i32::MAX - 1).to_le_bytes()], &[2, 3], 0),
        leaf(&[], &[], 0),
        leaf(&[], &[], 0),
    ];
    let record = r#"{"type":"record","name":"R","fields":[{"name":"u","type":["int","long"]}]}"#;
    let error = lifted(record, &union, 1).expect_err("nobody has so many");
    assert!(error.starts_with("u: refers to 2147483647 child rows; expected at most "), "{error}");
}

#[test]
fn rows_without_bytes_are_counted_over_all_columns() {
    let record = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"null"},
        {"name":"b","type":{"type":"fixed","name":"F","size":0}},
        {"name":"c","type":{"type":"record","name":"E","fields":[]}}]}"#;
    let columns =
        [parent(&[&[]], &[1, 2, 3], 0), parent(&[], &[], 0), leaf(&[], &[], 0), parent(&[&[]], &[], 0)];
    lifted(record, &columns, 1 << 18).expect("three quarters of what there may be");
    let error = lifted(record, &columns, 1 << 19).expect_err("one and a half times as many");
    assert!(error.starts_with("c: has 524288 rows without bytes; expected at most 0"), "{error}");
}
