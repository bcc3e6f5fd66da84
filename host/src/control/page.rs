//! A run of a list.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::control::limits::PAGE_BYTES_MAX;
use crate::control::limits::PAGE_ITEMS_MAX;

/// Items in the order of their keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<K, T> {
    pub items: Vec<T>,
    /// The key of the last item when more follow; to be given as `after` for the next page.
    pub next: Option<K>,
}

impl<K: Ord + Clone, T> Page<K, T> {
    /// The items after a key, at most `limit` of them and at most [`PAGE_ITEMS_MAX`], and at most
    /// [`PAGE_BYTES_MAX`] bytes, of which `bytes` tells: one item at least.
    pub(crate) fn of<V>(
        map: &BTreeMap<K, V>,
        after: Option<&K>,
        limit: usize,
        bytes: impl Fn(&V) -> usize,
        show: impl Fn(&K, &V) -> T,
    ) -> Self {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = map.range((from, Bound::Unbounded)).peekable();
        let (mut last, mut room) = (None, PAGE_BYTES_MAX);
        let mut items = Vec::new();
        while items.len() < limit.clamp(1, PAGE_ITEMS_MAX) {
            let Some((key, value)) = rest.next_if(|(_, value)| items.is_empty() || bytes(value) <= room)
            else {
                break;
            };
            room = room.saturating_sub(bytes(value));
            last = Some(key);
            items.push(show(key, value));
        }
        let next = if rest.next().is_some() { last.cloned() } else { None };
        Self { items, next }
    }
}

impl<K, T> Page<K, T> {
    #[must_use]
    pub fn map<U>(self, show: impl FnMut(T) -> U) -> Page<K, U> {
        Page { items: self.items.into_iter().map(show).collect(), next: self.next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_and_the_last_says_so() {
        let map: BTreeMap<u32, &str> = [(1, "a"), (2, "b"), (3, "c")].into();
        let page = |after: Option<u32>, limit| Page::of(&map, after.as_ref(), limit, |_| 1, |_, text| *text);
        assert_eq!(page(None, 2), Page { items: vec!["a", "b"], next: Some(2) });
        assert_eq!(page(Some(2), 2), Page { items: vec!["c"], next: None });
        assert_eq!(page(None, 3), Page { items: vec!["a", "b", "c"], next: None });
        assert_eq!(page(Some(3), 3), Page { items: vec![], next: None });
        assert_eq!(page(None, 0).items, ["a"]);
        let heavy = |of: usize| Page::of(&map, None, 3, |_| of, |_, text| *text);
        assert_eq!(heavy(PAGE_BYTES_MAX / 2), Page { items: vec!["a", "b"], next: Some(2) });
        assert_eq!(heavy(PAGE_BYTES_MAX + 1), Page { items: vec!["a"], next: Some(1) });
    }
}
