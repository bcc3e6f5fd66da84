//! One store of a task: its entries, the schema of its values, what of it has expired.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use crate::model::manifest::Scope;
use crate::model::state::STATE_VALUE_BYTES_MAX;
use crate::state::disk::Disk;
use crate::state::disk::DiskError;
use crate::state::entries::Entries;
use crate::state::entries::Id;
use crate::state::entries::Slot;
use crate::state::entries::Visible;
use crate::state::format::GROUP_BYTES;
use crate::state::format::StateKeyError;
use crate::state::format::ValueHeader;
use crate::state::format::split_state_key;
use crate::state::layout::Family;
use crate::state::layout::StoreLayout;
use crate::state::sweep::Sweep;
use crate::state::ttl::Expiry;
use crate::state::ttl::SweptUntil;
use crate::state::value_schema::UnreadableValue;
use crate::state::value_schema::ValueSchema;

/// Stored keys that disk does not hold as they are now, in order: what a scan must merge in.
#[derive(Debug, Default)]
pub(super) struct OrderedKeys {
    live: BTreeSet<Box<[u8]>>,
    /// Of what is being flushed.
    frozen: Arc<BTreeSet<Box<[u8]>>>,
    /// Bytes of the live ones.
    bytes: usize,
}

/// What a key in a set costs beside its bytes.
const ORDERED_KEY_BYTES: usize = 32;

impl OrderedKeys {
    /// The first key after a bound and before `until`.
    pub(super) fn next(&self, after: Bound<&[u8]>, until: Option<&[u8]>) -> Option<&[u8]> {
        let range = (after, Bound::Unbounded);
        let first = [self.live.range::<[u8], _>(range).next(), self.frozen.range::<[u8], _>(range).next()];
        let key = &**first.into_iter().flatten().min()?;
        until.is_none_or(|until| key < until).then_some(key)
    }

    fn insert(&mut self, key: &[u8]) {
        if self.live.insert(key.into()) {
            self.bytes += key.len() + ORDERED_KEY_BYTES;
        }
    }
}

/// See the module.
pub(super) struct Store {
    pub(super) layout: StoreLayout,
    pub(super) family: Family,
    pub(super) entries: Entries,
    /// None for the stores of the host, whose values it writes itself.
    pub(super) schema: Option<ValueSchema>,
    /// Only where the manifest says that it is scanned.
    pub(super) ordered: Option<OrderedKeys>,
    /// Only where values expire.
    pub(super) sweep: Option<Sweep>,
    /// At the times of the current invocation.
    pub(super) expiry: Expiry,
    /// At the times of the last invocation that was committed.
    pub(super) committed_expiry: Expiry,
    pub(super) header: ValueHeader,
}

/// Why a value from disk is not used.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error(transparent)]
    Value(#[from] UnreadableValue),
}

impl Store {
    pub(super) fn new(
        layout: StoreLayout,
        index: usize,
        schema: Option<ValueSchema>,
        swept: SweptUntil,
    ) -> Self {
        let ordered = layout.scan.then(OrderedKeys::default);
        let sweep = layout.ttl.map(|ttl| Sweep::new(ttl, swept));
        Self {
            layout,
            family: Family::Store(index),
            entries: Entries::default(),
            schema,
            ordered,
            sweep,
            expiry: Expiry::NEVER,
            committed_expiry: Expiry::NEVER,
            header: ValueHeader::new(0, 0),
        }
    }

    /// Bytes of memory that it takes.
    pub(super) fn bytes(&self) -> usize {
        self.entries.bytes() + self.ordered.as_ref().map_or(0, |ordered| ordered.bytes)
    }

    /// Checks a guest's key.
    #[inline]
    pub(super) fn check_key(&self, state_key: &[u8]) -> Result<(), String> {
        let (key, _) = split_state_key(state_key).map_err(|error: StateKeyError| error.to_string())?;
        if self.layout.scope == Scope::Partition && !key.is_empty() {
            let found = key.len();
            return Err(format!(
                "it has a key of {found} bytes; expected none, since `{}` belongs to the partition as a whole",
                self.layout.name
            ));
        }
        Ok(())
    }

    /// Checks a guest's value.
    #[inline]
    pub(super) fn check_value(&mut self, body: &[u8]) -> Result<(), String> {
        if body.len() > STATE_VALUE_BYTES_MAX {
            return Err(format!(
                "its {} bytes are too many; expected at most {STATE_VALUE_BYTES_MAX}",
                body.len()
            ));
        }
        match &mut self.schema {
            Some(schema) => schema.check(body),
            None => Ok(()),
        }
    }

    /// Writes an overlay value; gives the one that it replaces.
    #[inline]
    pub(super) fn stage(&mut self, id: Id, body: Option<&[u8]>) -> Slot {
        let value = body.map_or(Slot::Absent, |body| Slot::value(&self.header, body));
        if let Some(ordered) = &mut self.ordered
            && !self.entries.is_live(id)
        {
            ordered.insert(self.entries.key(id));
        }
        self.entries.stage(id, value)
    }

    /// Reads what disk holds of entries that do not know it.
    pub(super) fn load(&mut self, disk: &Disk, ids: &[Id]) -> Result<(), LoadError> {
        if let [id] = ids {
            let value = disk.get(self.family, self.entries.key(*id))?;
            let slot = admitted(&mut self.schema, &self.layout.name, value.as_deref())?;
            self.entries.load(*id, slot);
            return Ok(());
        }
        let values = disk.get_many(self.family, ids.iter().map(|id| self.entries.key(*id)))?;
        for (id, value) in ids.iter().zip(values) {
            let slot = admitted(&mut self.schema, &self.layout.name, value.as_deref())?;
            self.entries.load(*id, slot);
        }
        Ok(())
    }

    /// The body of a value that stands and has not expired.
    #[inline]
    pub(super) fn body(&self, id: Id) -> Option<&[u8]> {
        match self.entries.visible(id) {
            Visible::Stored(bytes) => self.expiry.living(bytes),
            Visible::Unknown | Visible::Absent => None,
        }
    }

    /// What memory knows of a stored key, if anything: its value, or that there is none.
    pub(super) fn unflushed(&self, stored_key: &[u8]) -> Option<Option<&[u8]>> {
        let id = self.entries.find(stored_key.get(GROUP_BYTES..)?)?;
        match self.entries.visible(id) {
            Visible::Unknown => None,
            Visible::Absent => Some(None),
            Visible::Stored(bytes) => Some(Some(bytes)),
        }
    }

    /// Undoes [`Self::stage`].
    pub(super) fn unstage(&mut self, id: Id, old: Slot) {
        self.entries.unstage(id, old);
    }

    /// What compaction may drop of it.
    pub(super) fn swept(&self) -> SweptUntil {
        self.sweep.as_ref().map(Sweep::swept).unwrap_or_default()
    }

    /// Freezes what is dirty for a flush.
    pub(super) fn freeze(&mut self) {
        self.entries.freeze();
        if let Some(ordered) = &mut self.ordered {
            ordered.frozen = Arc::new(std::mem::take(&mut ordered.live));
            ordered.bytes = 0;
        }
    }

    /// What was frozen is on disk.
    pub(super) fn flushed(&mut self) {
        self.entries.flushed();
        if let Some(ordered) = &mut self.ordered {
            ordered.frozen = Arc::default();
        }
    }

    /// The flush failed.
    pub(super) fn thaw(&mut self) {
        self.entries.thaw();
        if let Some(ordered) = &mut self.ordered {
            let frozen = std::mem::take(&mut ordered.frozen);
            for key in frozen.iter() {
                ordered.insert(key);
            }
        }
    }
}

/// A value from disk as it is kept in memory: of the current schema.
pub(super) fn admit(
    schema: &mut Option<ValueSchema>,
    store: &str,
    stored: &[u8],
) -> Result<Slot, UnreadableValue> {
    match schema {
        Some(schema) => schema.admit(stored, store),
        None => Ok(Slot::stored(Some(stored))),
    }
}

fn admitted(
    schema: &mut Option<ValueSchema>,
    store: &str,
    stored: Option<&[u8]>,
) -> Result<Slot, UnreadableValue> {
    stored.map_or(Ok(Slot::Absent), |stored| admit(schema, store, stored))
}
