//! What a task keeps: its stores, in the order of their changelogs, and the column families they
//! lie in.

use crate::model::manifest::Manifest;
use crate::model::manifest::Scope;
use crate::model::manifest::StateStore;
use crate::model::manifest::TimeToLive;

/// Name of the changelog of timers; no user's store has it.
const TIMERS: &str = "timers";
/// Name of the changelog of the meta store; no user's store has it.
const META: &str = "meta";

/// A store of a task: a user's, the timers, or meta. Its index is that of its changelog.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct StoreLayout {
    /// As in the changelog's name.
    pub(super) name: String,
    /// As in the folder.
    pub(super) family: String,
    pub(super) scope: Scope,
    pub(super) scan: bool,
    pub(super) ttl: Option<TimeToLive>,
}

impl StoreLayout {
    fn user(store: &StateStore) -> Self {
        Self {
            name: store.name.clone(),
            // Apart from the families of the host, whatever users call their stores.
            family: format!("store:{}", store.name),
            scope: store.scope,
            scan: store.scan,
            ttl: store.ttl,
        }
    }

    fn own(name: &str) -> Self {
        Self { name: name.to_owned(), family: name.to_owned(), scope: Scope::Key, scan: false, ttl: None }
    }
}

/// Where something lies in the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// A store by its index.
    Store(usize),
    /// The order of due times, which is derived from the timers.
    TimerIndex,
    /// What this folder knows of itself: no changelog has it.
    Local,
}

/// The stores of a task.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layout {
    /// The user's, then timers, then meta.
    pub(super) stores: Vec<StoreLayout>,
    pub(super) has_timers: bool,
}

impl Layout {
    pub(super) fn new(manifest: &Manifest) -> Self {
        let mut stores: Vec<StoreLayout> = manifest.state.iter().map(StoreLayout::user).collect();
        stores.push(StoreLayout::own(TIMERS));
        stores.push(StoreLayout::own(META));
        Self { stores, has_timers: !manifest.timers.is_empty() }
    }

    /// How many stores the manifest declares.
    pub(super) fn user_stores(&self) -> usize {
        self.stores.len().saturating_sub(2)
    }

    pub(super) fn timers(&self) -> usize {
        self.user_stores()
    }

    pub(super) fn meta(&self) -> usize {
        self.user_stores() + 1
    }

    /// The name of a family in the folder.
    pub(super) fn family(&self, family: Family) -> Option<&str> {
        match family {
            Family::Store(index) => self.stores.get(index).map(|store| &*store.family),
            Family::TimerIndex => Some("timer-index"),
            Family::Local => Some("default"),
        }
    }

    /// The names of all families.
    pub(super) fn families(&self) -> impl Iterator<Item = &str> {
        let own = [Family::TimerIndex, Family::Local].into_iter().filter_map(|family| self.family(family));
        self.stores.iter().map(|store| &*store.family).chain(own)
    }
}
