//! The hash by which Kafka's Java client chooses a key's partition.

use crate::model::position::Partition;

const SEED: u32 = 0x9747_b28c;
const M: u32 = 0x5bd1_e995;

/// murmur2 with Kafka's seed, as the Java client computes it over the bytes of a key.
#[inline]
#[must_use]
pub fn murmur2(key: &[u8]) -> u32 {
    let mut hash = SEED ^ key.len() as u32;
    let (words, tail) = key.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !tail.is_empty() {
        let rest = tail.iter().rev().fold(0_u32, |rest, byte| rest << 8 | u32::from(*byte));
        hash = (hash ^ rest).wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ hash >> 15
}

/// The partition of a key among `count` partitions, as the Java client's default partitioner
/// chooses it. Partition 0 if there are none.
#[inline]
#[must_use]
pub fn partition_of_key(key: &[u8], count: u32) -> Partition {
    let positive = murmur2(key) & 0x7fff_ffff;
    Partition(positive.checked_rem(count).unwrap_or(0) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of Kafka's own `UtilsTest.testMurmur2`.
    #[test]
    fn hashes_as_the_java_client() {
        for (key, expected) in [
            ("21", -973_932_308_i32),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()) as i32, expected, "{key}");
        }
    }

    #[test]
    fn partition_is_never_negative_nor_out_of_range() {
        for count in [1_u32, 2, 3, 4, 7, 100] {
            for key in 0..1000_u32 {
                let Partition(partition) = partition_of_key(&key.to_be_bytes(), count);
                assert!((0..count as i32).contains(&partition));
            }
        }
        assert_eq!(partition_of_key(b"k", 0), Partition(0));
        // -973932308 & 0x7fffffff = 1173551340
        assert_eq!(partition_of_key(b"21", 7), Partition(1_173_551_340 % 7));
    }
}
