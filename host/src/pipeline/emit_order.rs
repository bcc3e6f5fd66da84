//! The order in which emitted rows are written: source row first, then emit order.

use crate::model::record_batch::Emission;

/// One emitted row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EmittedRow {
    /// Row of the batch; `u32::MAX` when unknown, which sorts last.
    pub source: u32,
    /// Index among the batch's emissions.
    pub emission: u32,
    pub row: u32,
}

impl EmittedRow {
    const UNKNOWN: u32 = u32::MAX;

    #[must_use]
    pub fn known_source(self) -> Option<u32> {
        (self.source != Self::UNKNOWN).then_some(self.source)
    }
}

/// Fills `order` with every emitted row, in writing order.
///
/// The common case, one emission whose sources ascend, is already in order and is not sorted.
pub fn emit_order(emissions: &[Emission], order: &mut Vec<EmittedRow>) {
    order.clear();
    for (emission, emitted) in (0_u32..).zip(emissions) {
        if emitted.sources.is_empty() {
            let unknown = EmittedRow::UNKNOWN;
            order.extend((0..emitted.rows.count as u32).map(|row| EmittedRow {
                source: unknown,
                emission,
                row,
            }));
        } else {
            order.extend((0_u32..).zip(&emitted.sources).map(|(row, source)| EmittedRow {
                source: *source,
                emission,
                row,
            }));
        }
    }
    if !order.is_sorted() {
        order.sort_unstable();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::PortIndex;
    use crate::model::record_batch::Rows;

    fn emission(port: u32, count: usize, sources: &[u32]) -> Emission {
        let rows = Rows { count, ..Rows::default() };
        Emission { port: PortIndex(port), schema: None, rows, sources: sources.to_vec() }
    }

    fn order_of(emissions: &[Emission]) -> Vec<(u32, u32, u32)> {
        let mut order = Vec::new();
        emit_order(emissions, &mut order);
        order.iter().map(|r| (r.source, r.emission, r.row)).collect()
    }

    #[test]
    fn ports_are_merged_by_source_then_emit_order() {
        let emissions = [emission(0, 2, &[0, 2]), emission(1, 3, &[2, 0, 1])];
        assert_eq!(order_of(&emissions), [(0, 0, 0), (0, 1, 1), (1, 1, 2), (2, 0, 1), (2, 1, 0)]);
    }

    #[test]
    fn rows_without_a_source_keep_emit_order() {
        let emissions = [emission(0, 2, &[]), emission(0, 1, &[])];
        assert_eq!(order_of(&emissions), [(u32::MAX, 0, 0), (u32::MAX, 0, 1), (u32::MAX, 1, 0)]);
    }
}
