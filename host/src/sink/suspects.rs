//! Finds the record for which a broker refused a whole batch.
//!
//! A broker refuses batches, not records, and librdkafka does not tell which record it was. So the
//! refused ones become suspects: the next attempt sends them in groups, each in batches of its own,
//! and the group that is refused is split again until it is one record. Of 10,000 suspects that
//! takes three attempts. (A record that is too large is found at once: batches are kept below the
//! smallest limit of the topics, so it is always alone.)

use std::collections::HashMap;
use std::collections::HashSet;

use crate::kafka::producer::Undelivered;

/// Groups of one attempt: each costs a round trip.
const GROUPS: usize = 32;

type Place = (usize, i32);

/// The records of which one at least is to blame.
#[derive(Debug, Default)]
pub(in crate::sink) struct Suspects {
    groups: HashMap<(Place, u64), usize>,
    /// The group whose records were sent last, by topic and partition; none for others.
    last: HashMap<Place, Option<usize>>,
}

/// What an attempt has brought out.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::sink) enum Verdict {
    /// These are to blame; each by its index in the failed deliveries.
    Guilty(Vec<usize>),
    /// Try again: the groups are smaller now.
    Narrowed(usize),
}

impl Suspects {
    /// Whether a batch must end before this record.
    #[inline]
    pub(in crate::sink) fn is_other_group(&mut self, place: Place, token: u64) -> bool {
        if self.groups.is_empty() {
            return false;
        }
        let group = self.groups.get(&(place, token)).copied();
        self.last.insert(place, group).unwrap_or(None) != group
    }

    /// Judges the deliveries that the broker refused for good.
    pub(in crate::sink) fn judge(&mut self, refused: &[&Undelivered]) -> Verdict {
        self.last.clear();
        let mut by_group: HashMap<(Place, Option<usize>), Vec<usize>> = HashMap::new();
        for (index, failed) in refused.iter().enumerate() {
            let place = (failed.topic, failed.partition.0);
            let group = self.groups.get(&(place, failed.token)).copied();
            by_group.entry((place, group)).or_default().push(index);
        }
        let token = |index: usize| refused.get(index).map(|failed| failed.token);
        let mut guilty = Vec::new();
        let mut open = Vec::new();
        for members in by_group.into_values() {
            let tokens: HashSet<_> = members.iter().copied().filter_map(token).collect();
            if tokens.len() == 1 {
                guilty.extend(members.first().copied());
            } else {
                open.push(members);
            }
        }
        self.groups.clear();
        if !guilty.is_empty() {
            guilty.sort_unstable();
            return Verdict::Guilty(guilty);
        }
        let mut count = 0;
        for mut members in open {
            members.sort_unstable();
            let size = members.len().div_ceil(GROUPS);
            for (place_in_line, index) in members.into_iter().enumerate() {
                let Some(failed) = refused.get(index) else {
                    continue;
                };
                let place = (failed.topic, failed.partition.0);
                self.groups.insert((place, failed.token), place_in_line / size);
                count += 1;
            }
        }
        Verdict::Narrowed(count)
    }

    /// Forgets them: everything was written.
    pub(in crate::sink) fn clear(&mut self) {
        self.groups.clear();
        self.last.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::error::ErrorCode;
    use crate::kafka::error::KafkaError;
    use crate::model::position::Partition;

    fn refused(tokens: impl Iterator<Item = u64>) -> Vec<Undelivered> {
        let error = KafkaError::of(ErrorCode::INVALID_TIMESTAMP);
        tokens
            .map(|token| Undelivered { topic: 0, partition: Partition(3), token, error: error.clone() })
            .collect()
    }

    #[test]
    fn one_of_ten_thousand_is_found_in_three_more_attempts() {
        let mut suspects = Suspects::default();
        let culprit = 7777;
        let mut batch: Vec<u64> = (0..10_000).collect();
        for attempt in 0.. {
            let failed = refused(batch.iter().copied());
            let failed: Vec<&Undelivered> = failed.iter().collect();
            if let Verdict::Guilty(guilty) = suspects.judge(&failed) {
                assert_eq!(guilty.iter().map(|index| failed[*index].token).collect::<Vec<_>>(), [culprit]);
                assert_eq!(attempt, 3);
                return;
            }
            // Send all again, a batch ending wherever it must; the culprit's batch is refused.
            let mut batches = vec![Vec::new()];
            for token in 0..10_000 {
                if suspects.is_other_group((0, 3), token) {
                    batches.push(Vec::new());
                }
                batches.last_mut().expect("one").push(token);
            }
            assert!(batches.len() <= GROUPS + 2);
            batch = batches.into_iter().find(|batch| batch.contains(&culprit)).expect("its batch");
        }
    }

    #[test]
    fn a_lone_record_is_guilty_at_once_and_outputs_of_one_record_are_one() {
        let mut suspects = Suspects::default();
        let failed = refused([5, 5, 5].into_iter());
        let failed: Vec<&Undelivered> = failed.iter().collect();
        assert_eq!(suspects.judge(&failed), Verdict::Guilty(vec![0]));
        assert!(!suspects.is_other_group((0, 3), 5));
    }
}
