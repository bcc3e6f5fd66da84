//! Finding the record that breaks its batch.

/// Walks a run of records in order, in ever smaller windows after a failure.
///
/// A stack of window ends: a failed window is halved, and when its first half has been dealt with,
/// the second half is tried as a whole again. So one poison record among n costs about 2 log2(n)
/// invocations, and order holds throughout.
#[derive(Debug, Clone)]
pub struct Bisection {
    at: usize,
    ends: Vec<usize>,
}

impl Bisection {
    #[must_use]
    pub fn new(len: usize) -> Self {
        Self { at: 0, ends: vec![len] }
    }

    /// One record at a time, for runs in which a record is known to need isolation.
    #[must_use]
    pub fn one_by_one(len: usize) -> Self {
        Self { at: 0, ends: (1..=len).rev().collect() }
    }

    /// The window to try next; none when the run is done.
    #[must_use]
    pub fn window(&self) -> Option<std::ops::Range<usize>> {
        self.ends.last().map(|end| self.at..*end)
    }

    /// Index of the first record not yet dealt with.
    #[must_use]
    pub fn at(&self) -> usize {
        self.at
    }

    /// Everything before `end` has been dealt with.
    pub fn advance(&mut self, end: usize) {
        self.at = end;
        while self.ends.last().is_some_and(|last| *last <= end) {
            self.ends.pop();
        }
    }

    /// The current window failed as a whole: try up to `middle` first. `middle` lies inside.
    pub fn split(&mut self, middle: usize) {
        debug_assert!(self.window().is_some_and(|w| w.start < middle && middle < w.end));
        self.ends.push(middle);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_empty_run_is_done() {
        let mut bisection = Bisection::new(0);
        bisection.advance(0);
        assert_eq!(bisection.window(), None);
    }

    #[test]
    fn one_by_one_gives_single_records_in_order() {
        let mut bisection = Bisection::one_by_one(3);
        for at in 0..3 {
            assert_eq!(bisection.window(), Some(at..at + 1));
            bisection.advance(at + 1);
        }
        assert_eq!(bisection.window(), None);
    }

    proptest! {
        /// Whatever records are poison: each is found alone, and all others pass in order.
        #[test]
        fn poison_is_isolated_and_neighbours_pass_in_order(
            len in 1_usize..300,
            seeds in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let poison: std::collections::BTreeSet<usize> = seeds.iter().map(|s| s.index(len)).collect();
            let mut bisection = Bisection::new(len);
            let (mut passed, mut found, mut calls) = (Vec::new(), Vec::new(), 0);
            while let Some(window) = bisection.window() {
                calls += 1;
                if !window.clone().any(|i| poison.contains(&i)) {
                    passed.extend(window.clone());
                    bisection.advance(window.end);
                } else if window.len() == 1 {
                    found.push(window.start);
                    bisection.advance(window.end);
                } else {
                    bisection.split(window.start + window.len() / 2);
                }
            }
            prop_assert_eq!(found, poison.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(passed, (0..len).filter(|i| !poison.contains(i)).collect::<Vec<_>>());
            let bound = 1 + poison.len() * 2 * (usize::BITS - len.leading_zeros()) as usize;
            prop_assert!(calls <= bound, "{} calls for {} poison of {}", calls, poison.len(), len);
        }
    }
}
