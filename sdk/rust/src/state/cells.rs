//! The values of one batch that a store has read and written.

use crate::binaries::Binaries;
use crate::body::BodyError;
use crate::error::Error;
use crate::error::Result;
use crate::state::limits::STATE_VALUE_BYTES_MAX;
use crate::state::scope::NO_ROW;

/// The value of one key as it is known. Bytes lie in [`Cells::bytes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cell {
    /// Or [`UNKNOWN`], [`ABSENT`].
    start: u32,
    len: u32,
    /// Differs from what the host has.
    written: bool,
}

const UNKNOWN: u32 = u32::MAX;
const ABSENT: u32 = u32::MAX - 1;

impl Cell {
    const UNKNOWN: Self = Self { start: UNKNOWN, len: 0, written: false };
    const DELETED: Self = Self { start: ABSENT, len: 0, written: true };
}

/// What is known of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found<'c> {
    Unknown,
    Absent,
    Present(&'c [u8]),
}

/// Bytes of values that nothing refers to any more are dropped beyond this many.
const GARBAGE_BYTES_MAX: usize = 1 << 20;

/// The values of one batch by *slot*: as they were read, or written since.
///
/// What a row has written can be undone until the next row writes.
#[derive(Debug, Default)]
pub(crate) struct Cells {
    cells: Vec<Cell>,
    bytes: Vec<u8>,
    /// Bytes that no cell refers to.
    garbage: usize,
    /// Slots in the order in which they were first written. One whose write was undone stays.
    written: Vec<u32>,
    /// What the row's writes have replaced, oldest first.
    undo: Vec<(u32, Cell)>,
    undo_row: u32,
}

impl Cells {
    /// Forgets everything.
    pub(crate) fn begin(&mut self) {
        self.cells.clear();
        self.bytes.clear();
        self.garbage = 0;
        self.written.clear();
        self.undo.clear();
        self.undo_row = NO_ROW;
    }

    /// Makes unknown cells for slots up to this many.
    #[inline(always)]
    pub(crate) fn grow(&mut self, slots: usize) {
        if self.cells.len() < slots {
            self.cells.resize(slots, Cell::UNKNOWN);
        }
    }

    #[inline(always)]
    pub(crate) fn get(&self, slot: u32) -> Found<'_> {
        match self.cells.get(slot as usize) {
            None | Some(Cell { start: UNKNOWN, .. }) => Found::Unknown,
            Some(Cell { start: ABSENT, .. }) => Found::Absent,
            Some(cell) => Found::Present(self.value(cell)),
        }
    }

    /// What is known of a key, if it differs from what the host has.
    pub(crate) fn written(&self, slot: u32) -> Option<Found<'_>> {
        let written = self.cells.get(slot as usize).is_some_and(|cell| cell.written);
        written.then(|| self.get(slot))
    }

    #[inline(always)]
    fn value(&self, cell: &Cell) -> &[u8] {
        self.bytes.get(cell.start as usize..(cell.start + cell.len) as usize).unwrap_or_default()
    }

    /// Writes what `encode` appends.
    ///
    /// # Errors
    /// As of `encode`, and when it is more than a value may have. Nothing is written then.
    #[inline(always)]
    pub(crate) fn set(
        &mut self,
        slot: u32,
        row: u32,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<(), BodyError>,
    ) -> Result<()> {
        if self.garbage > GARBAGE_BYTES_MAX {
            self.collect(row);
        }
        let start = self.bytes.len();
        let encoded = encode(&mut self.bytes);
        let len = self.bytes.len() - start;
        if encoded.is_err() || len > STATE_VALUE_BYTES_MAX {
            self.bytes.truncate(start);
            return Err(refuse(encoded, len));
        }
        self.replace(slot, row, Cell { start: start as u32, len: len as u32, written: true });
        Ok(())
    }

    /// Deletes the value.
    pub(crate) fn delete(&mut self, slot: u32, row: u32) {
        self.replace(slot, row, Cell::DELETED);
    }

    #[inline(always)]
    fn replace(&mut self, slot: u32, row: u32, new: Cell) {
        let Some(cell) = self.cells.get_mut(slot as usize) else {
            return;
        };
        if row != NO_ROW {
            if self.undo_row != row {
                self.undo.clear();
                self.undo_row = row;
            }
            self.undo.push((slot, *cell));
        }
        if !cell.written {
            self.written.push(slot);
        }
        self.garbage += cell.len as usize;
        *cell = new;
    }

    /// Undoes what the row has written.
    pub(crate) fn undo(&mut self, row: u32) {
        if self.undo_row != row {
            return;
        }
        while let Some((slot, old)) = self.undo.pop() {
            if let Some(cell) = self.cells.get_mut(slot as usize) {
                self.garbage += cell.len as usize;
                *cell = old;
            }
        }
    }

    /// Takes over values that the host gave, one for each of `slots`. What was written stays.
    pub(crate) fn fill(&mut self, slots: impl Iterator<Item = u32>, values: Binaries) {
        let base = self.bytes.len();
        for (entry, slot) in slots.enumerate() {
            let Some(cell) = self.cells.get_mut(slot as usize).filter(|cell| cell.start == UNKNOWN) else {
                continue;
            };
            *cell = match values.range(entry) {
                Some(range) => {
                    let start = (base + range.start) as u32;
                    Cell { start, len: range.len() as u32, written: false }
                }
                None => Cell { start: ABSENT, len: 0, written: false },
            };
        }
        if base == 0 {
            self.bytes = values.data;
            // About as much will be written as was read.
            self.bytes.reserve(self.bytes.len() + 64);
        } else {
            self.bytes.extend_from_slice(&values.data);
        }
    }

    /// Drops the bytes that no cell refers to, unless the row can still bring them back.
    #[cold]
    #[inline(never)]
    fn collect(&mut self, row: u32) {
        if self.garbage * 2 < self.bytes.len() || row == self.undo_row && row != NO_ROW {
            return;
        }
        self.undo.clear();
        let mut live = Vec::with_capacity(self.bytes.len() - self.garbage.min(self.bytes.len()));
        for cell in self.cells.iter_mut().filter(|cell| cell.start < ABSENT) {
            let range = cell.start as usize..(cell.start + cell.len) as usize;
            cell.start = live.len() as u32;
            live.extend_from_slice(self.bytes.get(range).unwrap_or_default());
        }
        self.bytes = live;
        self.garbage = 0;
    }

    /// Whether nothing differs from what the host has.
    pub(crate) fn is_clean(&self) -> bool {
        self.written.is_empty()
    }

    /// Appends every written value to `values`, absent where it was deleted, and its slot to `slots`.
    pub(crate) fn take_written(&mut self, slots: &mut Vec<u32>, values: &mut Binaries) {
        values.reserve(self.written.len(), self.bytes.len());
        for slot in self.written.drain(..) {
            let Some(cell) = self.cells.get_mut(slot as usize).filter(|cell| cell.written) else {
                continue;
            };
            cell.written = false;
            slots.push(slot);
            if cell.start == ABSENT {
                values.push(None);
            } else {
                values.push_part(&self.bytes, cell.start as usize, cell.len as usize);
            }
        }
    }
}

#[cold]
#[inline(never)]
fn refuse(encoded: Result<(), BodyError>, len: usize) -> Error {
    match encoded {
        Err(error) => error.into(),
        Ok(()) => Error::reject(format!(
            "a value of {len} bytes cannot be kept in state: {STATE_VALUE_BYTES_MAX} is the most"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(cells: &mut Cells, slot: u32, row: u32, value: &[u8]) {
        let encode = |out: &mut Vec<u8>| {
            out.extend_from_slice(value);
            Ok(())
        };
        cells.set(slot, row, encode).expect("it fits");
    }

    fn filled(values: &[Option<&[u8]>]) -> Cells {
        let mut cells = Cells::default();
        cells.begin();
        cells.grow(values.len());
        cells.fill(0..values.len() as u32, values.iter().copied().collect());
        cells
    }

    fn written(cells: &mut Cells) -> Vec<(u32, Option<Vec<u8>>)> {
        let (mut slots, mut values) = (Vec::new(), Binaries::default());
        cells.take_written(&mut slots, &mut values);
        slots.into_iter().zip(values.iter().map(|value| value.map(<[u8]>::to_vec))).collect()
    }

    #[test]
    fn the_last_write_counts() {
        let mut cells = filled(&[Some(b"a"), None, Some(b"c")]);
        assert_eq!(cells.get(0), Found::Present(b"a"));
        assert_eq!(cells.get(1), Found::Absent);
        assert_eq!(cells.get(3), Found::Unknown);
        put(&mut cells, 1, 0, b"bb");
        put(&mut cells, 0, 1, b"x");
        put(&mut cells, 1, 2, b"b");
        cells.delete(0, 3);
        assert_eq!(cells.get(1), Found::Present(b"b"));
        assert_eq!(written(&mut cells), [(1, Some(b"b".to_vec())), (0, None)]);
        assert!(cells.is_clean());
    }

    #[test]
    fn a_row_is_undone_and_no_other() {
        let mut cells = filled(&[Some(b"a"), None]);
        put(&mut cells, 0, 0, b"kept");
        put(&mut cells, 0, 1, b"x");
        put(&mut cells, 1, 1, b"y");
        cells.delete(0, 1);
        put(&mut cells, 0, 1, b"z");
        cells.undo(1);
        assert_eq!(cells.get(0), Found::Present(b"kept"));
        assert_eq!(cells.get(1), Found::Absent);
        // A row that wrote nothing has nothing to undo.
        cells.undo(2);
        assert_eq!(written(&mut cells), [(0, Some(b"kept".to_vec()))]);
    }

    #[test]
    fn an_undone_first_write_is_not_sent_and_can_be_written_again() {
        let mut cells = filled(&[Some(b"a")]);
        put(&mut cells, 0, 0, b"x");
        cells.undo(0);
        assert_eq!(cells.written(0), None);
        put(&mut cells, 0, 1, b"y");
        assert_eq!(cells.written(0), Some(Found::Present(b"y")));
        assert_eq!(written(&mut cells), [(0, Some(b"y".to_vec()))]);
    }

    #[test]
    fn what_was_written_before_it_was_read_stays() {
        let mut cells = Cells::default();
        cells.begin();
        cells.grow(2);
        put(&mut cells, 1, 0, b"new");
        cells.fill(0..2, [Some(b"old-0".as_slice()), Some(b"old-1")].into_iter().collect());
        assert_eq!(cells.get(0), Found::Present(b"old-0"));
        assert_eq!(cells.get(1), Found::Present(b"new"));
    }

    #[test]
    fn a_write_before_the_first_read_is_undone_to_unknown() {
        let mut cells = Cells::default();
        cells.begin();
        cells.grow(1);
        put(&mut cells, 0, 0, b"new");
        cells.undo(0);
        assert_eq!(cells.get(0), Found::Unknown);
        assert_eq!(written(&mut cells), []);
    }

    #[test]
    fn superseded_bytes_are_dropped() {
        let mut cells = filled(&[Some(b"a"), Some(b"b")]);
        let large = vec![7; 300_000];
        for row in 0..100 {
            put(&mut cells, 0, row, &large);
            // A second write of the row keeps the first for undoing.
            put(&mut cells, 0, row, &large[..row as usize]);
        }
        assert!(cells.bytes.len() < 8 << 20, "{}", cells.bytes.len());
        cells.undo(99);
        assert_eq!(cells.get(0), Found::Present(&large[..98]));
        assert_eq!(cells.get(1), Found::Present(b"b"));
    }

    #[test]
    fn values_have_a_limit() {
        let mut cells = filled(&[Some(b"a")]);
        let error = cells
            .set(0, 0, |out| {
                out.resize(out.len() + STATE_VALUE_BYTES_MAX + 1, 0);
                Ok(())
            })
            .expect_err("too long");
        assert!(
            error.reason().contains("1043457 bytes cannot be kept in state: 1043456 is the most"),
            "{error}"
        );
        assert_eq!(cells.get(0), Found::Present(b"a"));
    }
}
