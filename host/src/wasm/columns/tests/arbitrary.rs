//! Columns of arbitrary and of damaged bytes.

use proptest::prelude::*;

use crate::wasm::columns::fuzz;
use crate::wasm::columns::fuzz::Damage;
use crate::wasm::columns::fuzz::RawColumn;
use crate::wasm::columns::fuzz::lower;
use crate::wasm::columns::fuzz::valid_or_refused;
use crate::wasm::columns::shape::ColumnShape;
use crate::wasm::columns::specimens::every_type;

fn raw_columns() -> impl Strategy<Value = Vec<RawColumn>> {
    let buffer = prop_oneof![
        Just(Vec::new()),
        proptest::collection::vec(0_u8..3, 0..40),
        proptest::collection::vec(any::<u8>(), 0..40),
        // Offsets that may well be right.
        proptest::collection::vec(0_u32..4, 0..8).prop_map(|mut offsets| {
            offsets.sort_unstable();
            offsets.into_iter().flat_map(u32::to_le_bytes).collect()
        }),
    ];
    let column = (
        proptest::collection::vec(buffer, 0..4),
        proptest::collection::vec(0_u32..12, 0..4),
        prop_oneof![4 => Just(0_u32), 1 => 0_u32..4, 1 => any::<u32>()],
    )
        .prop_map(|(buffers, children, null_count)| RawColumn { buffers, children, null_count });
    proptest::collection::vec(column, 0..10)
}

fn damage() -> impl Strategy<Value = Damage> {
    let (c, b) = (0_usize..64, 0_usize..3);
    prop_oneof![
        (c.clone(), b.clone(), any::<usize>(), any::<u8>())
            .prop_map(|(column, buffer, at, to)| { Damage::Byte { column, buffer, at, to } }),
        (c.clone(), b, 0_usize..100).prop_map(|(column, buffer, to)| Damage::Cut { column, buffer, to }),
        (c.clone(), 0_usize..4, 0_u32..64).prop_map(|(column, child, to)| Damage::Child {
            column,
            child,
            to
        }),
        (c, any::<u32>()).prop_map(|(column, to)| Damage::NullCount { column, to }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn arbitrary_columns_never_panic_and_never_make_an_invalid_array(
        columns in raw_columns(),
        len in prop_oneof![0_usize..6, Just(usize::MAX), Just(u32::MAX as usize)],
    ) {
        for array in every_type() {
            let shape = ColumnShape::untyped(array.data_type()).expect("a shape");
            valid_or_refused(&shape, &columns, len);
        }
    }

    #[test]
    fn damaged_columns_never_panic_and_never_make_an_invalid_array(
        damages in proptest::collection::vec(damage(), 1..4),
        len in 0_usize..24,
    ) {
        for array in every_type() {
            let shape = ColumnShape::untyped(array.data_type()).expect("a shape");
            let mut columns = lower(&array);
            damages.iter().for_each(|damage| damage.apply(&mut columns));
            valid_or_refused(&shape, &columns, array.len());
            valid_or_refused(&shape, &columns, len);
        }
    }

    #[test]
    fn any_bytes_never_panic_and_never_make_an_invalid_array(data in proptest::collection::vec(any::<u8>(), 0..120)) {
        fuzz::columns(&data);
    }
}
