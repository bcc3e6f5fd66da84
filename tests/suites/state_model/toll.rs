//! How often hosts have died, where, and where they are to die next.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::MutexGuard;

use rand::Rng;
use rand::rngs::StdRng;
use wasmill::model::fail_point::FailPoint;

/// Deaths beyond those wanted, for the steps that nobody has died at.
const PATIENCE: usize = 80;

/// Shared by everything that lets hosts die.
#[derive(Debug)]
pub(crate) struct Toll {
    wanted: usize,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    /// By step: how often it was aimed at, and how often a host died there.
    steps: BTreeMap<FailPoint, (usize, usize)>,
    /// By what else happened to a host, and whether that is a death.
    others: BTreeMap<(&'static str, bool), usize>,
}

impl Toll {
    /// Of so many deaths.
    pub(crate) fn new(wanted: usize) -> Self {
        Self { wanted, counts: Mutex::default() }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().expect("no thread has panicked")
    }

    /// Whether enough have died. Chance may spare a step: then some more have to.
    pub(crate) fn is_paid(&self) -> bool {
        let deaths = self.deaths();
        let is_patient = self.wanted >= crate::COVERED_FROM && deaths < self.wanted + PATIENCE;
        deaths >= self.wanted && (!is_patient || self.survived().is_empty())
    }

    pub(crate) fn deaths(&self) -> usize {
        let counts = self.counts();
        let others = counts.others.iter().filter(|((_, dies), _)| *dies).map(|(_, count)| count);
        counts.steps.values().map(|(_, died)| died).chain(others).sum()
    }

    /// One of the steps that most want it: at which nobody has died yet, and that were least aimed at.
    pub(crate) fn next_step(&self, random: &mut StdRng, is_met: impl Fn(FailPoint) -> bool) -> FailPoint {
        let mut counts = self.counts();
        let had = |point: &FailPoint| counts.steps.get(point).map_or(0, |(aimed, died)| aimed + 3 * died);
        let met: Vec<FailPoint> = FailPoint::ALL.into_iter().filter(|point| is_met(*point)).collect();
        let least = met.iter().map(had).min().unwrap_or(0);
        let least: Vec<FailPoint> = met.into_iter().filter(|point| had(point) == least).collect();
        let point = least[random.random_range(0..least.len())];
        counts.steps.entry(point).or_default().0 += 1;
        point
    }

    pub(crate) fn died_at(&self, point: FailPoint) {
        self.counts().steps.entry(point).or_default().1 += 1;
    }

    /// A death of another kind.
    pub(crate) fn died_by(&self, what: &'static str) {
        *self.counts().others.entry((what, true)).or_default() += 1;
    }

    /// Something that a host lives on after, or that befalls others.
    pub(crate) fn befell(&self, what: &'static str) {
        *self.counts().others.entry((what, false)).or_default() += 1;
    }

    /// Steps at which no host has died.
    pub(crate) fn survived(&self) -> Vec<&'static str> {
        let counts = self.counts();
        let died = |point: &FailPoint| counts.steps.get(point).is_some_and(|(_, died)| *died > 0);
        // Whether partitions are taken from a live host within a round is chance: it is told, not asked for.
        let wanted = FailPoint::ALL.into_iter().filter(|point| *point != FailPoint::Revoked);
        wanted.filter(|point| !died(point)).map(FailPoint::name).collect()
    }

    /// For people.
    pub(crate) fn describe(&self) -> String {
        let mut text = format!("{} deaths:", self.deaths());
        let counts = self.counts();
        for ((what, _), count) in &counts.others {
            let _ = write!(text, " {what} {count},");
        }
        for (point, (aimed, died)) in &counts.steps {
            let _ = write!(text, " {} {died}/{aimed},", point.name());
        }
        text.trim_end_matches(',').to_owned()
    }
}
