//! Dense unions, for the enums that derive `Record`.

use crate::builder;
use crate::builder::Nulls;
use crate::columns;
use crate::columns::ColumnError;
use crate::columns::Columns;
use crate::error::Error;
use crate::error::Result;
use crate::wire::Column;

const NO_BRANCH: ColumnError = ColumnError::new("a union has a type id without a branch");

/// Reads the branch and the place of each row of a union with `N` branches.
#[derive(Debug, Clone, Copy)]
pub struct UnionReader<'a, const N: usize> {
    types: &'a [[u8; 1]],
    offsets: &'a [[u8; 4]],
    /// The column of each branch and how many rows it has.
    branches: [(u32, usize); N],
}

impl<'a, const N: usize> UnionReader<'a, N> {
    /// Finds the column at `index` and measures its branches.
    ///
    /// # Errors
    /// When the column does not have the shape of such a union.
    pub fn new(columns: Columns<'a>, index: u32, len: usize) -> Result<Self, ColumnError> {
        let column = columns.get(index, 2, N)?;
        let types = columns::values::<1>(column, 0, len)?;
        let offsets = columns::values::<4>(column, 1, len)?;
        let mut branches = [(0, 0); N];
        for (branch, child) in branches.iter_mut().zip(&column.children) {
            branch.0 = *child;
        }
        for ([branch], offset) in types.iter().zip(offsets) {
            let (_, rows) = branches.get_mut(usize::from(*branch)).ok_or(NO_BRANCH)?;
            *rows = (*rows).max(u32::from_le_bytes(*offset) as usize + 1);
        }
        Ok(Self { types, offsets, branches })
    }

    /// The column of a branch and how many rows it has.
    #[must_use]
    pub fn branch(&self, branch: usize) -> (u32, usize) {
        self.branches.get(branch).copied().unwrap_or_default()
    }

    /// The branch of a row, and its place there.
    ///
    /// # Errors
    /// When the row is out of range.
    #[inline]
    pub fn get(&self, row: usize) -> Result<(u8, usize), ColumnError> {
        let branch = columns::value(self.types, row, |[branch]| *branch)?;
        let offset = columns::value(self.offsets, row, |offset| u32::from_le_bytes(*offset))?;
        Ok((branch, offset as usize))
    }

    /// The error for a type id without a branch.
    #[must_use]
    pub fn no_branch() -> ColumnError {
        NO_BRANCH
    }
}

/// Builds the type ids and offsets of a union; its branches are built apart.
#[derive(Debug, Default)]
pub struct UnionBuilder<const N: usize> {
    types: Vec<u8>,
    offsets: Vec<[u8; 4]>,
    rows: Vec<u32>,
}

impl<const N: usize> UnionBuilder<N> {
    /// Makes room for so many rows.
    pub fn reserve(&mut self, rows: usize) {
        self.types.reserve_exact(rows);
        self.offsets.reserve_exact(rows);
    }

    /// Appends a row of a branch. The branch's builder takes its value.
    pub fn push(&mut self, branch: u8) {
        self.rows.resize(N, 0);
        if let Some(rows) = self.rows.get_mut(usize::from(branch)) {
            self.types.push(branch);
            self.offsets.push(rows.to_le_bytes());
            *rows += 1;
        }
    }

    /// Moves the column into `columns`, with the children that `children` makes.
    ///
    /// # Errors
    /// When a row is null, which a union has no place for, or a child is too long.
    pub fn finish(
        &mut self,
        nulls: &Nulls,
        columns: &mut Vec<Column>,
        children: impl FnOnce(&mut Vec<Column>) -> Result<[u32; N]>,
    ) -> Result<u32> {
        if nulls.count > 0 {
            return Err(Error::fatal("a union column has no null rows: a value of a union is no tombstone"));
        }
        let index = builder::place(columns);
        let types = std::mem::take(&mut self.types);
        let offsets = std::mem::take(&mut self.offsets).into_flattened();
        self.rows.clear();
        let children = children(columns)?.to_vec();
        builder::put(columns, index, Column { buffers: vec![types, offsets], children, null_count: 0 });
        Ok(index)
    }

    /// Forgets every row.
    pub fn clear(&mut self) {
        self.types.clear();
        self.offsets.clear();
        self.rows.clear();
    }
}
