//! A column of every type, for tests and fuzz targets.

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

/// 20 rows of every type, with nulls here and there.
pub(super) fn every_type() -> Vec<ArrayRef> {
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
