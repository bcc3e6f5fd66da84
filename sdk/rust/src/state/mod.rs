//! Keyed state: what a transform remembers from one record to the next.
//!
//! A transform declares it by fields of these types. It is scoped to the key of the record at hand, or
//! with `#[state(scope = "partition")]` to the partition. The host keeps it, exactly once; what a
//! rejected record wrote is undone.

mod cells;
pub(crate) mod declaration;
mod deduplicate;
mod entries;
mod entry_key;
mod index;
pub(crate) mod key_bytes;
pub(crate) mod keys;
pub(crate) mod limits;
pub(crate) mod link;
mod list;
mod map;
mod reducing;
pub(crate) mod scope;
mod set;
mod single;
mod value;

pub use crate::state::deduplicate::Deduplicate;
pub use crate::state::entry_key::EntryKey;
pub use crate::state::entry_key::FixedEntryKey;
pub use crate::state::entry_key::KeyOf;
pub use crate::state::entry_key::OwnedEntryKey;
pub use crate::state::list::List;
pub use crate::state::list::ListIter;
pub use crate::state::map::Map;
pub use crate::state::map::MapIter;
pub use crate::state::reducing::Aggregate;
pub use crate::state::reducing::Aggregator;
pub use crate::state::reducing::Max;
pub use crate::state::reducing::Min;
pub use crate::state::reducing::Reducer;
pub use crate::state::reducing::Reducing;
pub use crate::state::reducing::Sum;
pub use crate::state::set::Set;
pub use crate::state::set::SetIter;
pub use crate::state::value::Value;
