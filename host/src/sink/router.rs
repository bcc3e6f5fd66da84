//! Which partition a record goes to.

use crate::model::murmur2::partition_of_key;
use crate::model::pipeline_spec::PartitionBy;
use crate::model::position::Partition;

/// Chooses partitions for one output topic.
#[derive(Debug, Clone)]
pub struct Router {
    by: PartitionBy,
    turn: u32,
}

impl Router {
    #[must_use]
    pub fn new(by: PartitionBy) -> Self {
        Self { by, turn: 0 }
    }

    /// The partition of a record with this encoded key, made from a record of the partition
    /// `source`, in a topic of `count` partitions.
    #[inline]
    pub fn route(&mut self, key: Option<&[u8]>, source: Partition, count: u32) -> Partition {
        match (self.by, key) {
            (PartitionBy::Key, Some(key)) => partition_of_key(key, count),
            (PartitionBy::Key, None) | (PartitionBy::SourcePartition, _) => from_source(source, count),
            (PartitionBy::RoundRobin, _) => {
                let turn = self.turn;
                self.turn = turn.wrapping_add(1);
                Partition(turn.checked_rem(count).unwrap_or(0) as i32)
            }
        }
    }
}

/// The source partition modulo the count.
fn from_source(source: Partition, count: u32) -> Partition {
    let source = u32::try_from(source.0).unwrap_or(0);
    Partition(source.checked_rem(count).unwrap_or(0) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_chooses_and_a_null_key_follows_its_source() {
        let mut router = Router::new(PartitionBy::Key);
        assert_eq!(router.route(Some(b"21"), Partition(3), 4), Partition(1_173_551_340 % 4));
        assert_eq!(router.route(None, Partition(7), 4), Partition(3));
        // An empty key is a key.
        assert_eq!(router.route(Some(b""), Partition(3), 4), partition_of_key(b"", 4));
        assert_eq!(router.route(None, Partition(7), 0), Partition(0));
    }

    #[test]
    fn source_partition_and_round_robin_ignore_the_key() {
        let mut router = Router::new(PartitionBy::SourcePartition);
        assert_eq!(router.route(Some(b"21"), Partition(5), 4), Partition(1));
        let mut router = Router::new(PartitionBy::RoundRobin);
        let turns: Vec<i32> = (0..5).map(|_| router.route(Some(b"21"), Partition(0), 3).0).collect();
        assert_eq!(turns, [0, 1, 2, 0, 1]);
    }
}
