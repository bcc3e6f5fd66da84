//! Finds byte strings among those of one batch.

/// A hash table from byte strings to their number. It keeps only hashes and numbers: the strings lie
/// packed elsewhere.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// The upper half of a hash, and the number plus one; 0 where nothing is. A power of two of them.
    places: Vec<u64>,
    len: usize,
}

/// Where a string that is not there would go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Vacant {
    place: usize,
    tag: u64,
}

const NUMBER: u64 = 0xffff_ffff;

impl Index {
    /// Forgets everything and makes room for so many strings.
    pub(crate) fn begin(&mut self, strings: usize) {
        let places = (strings * 2).next_power_of_two().max(16);
        self.places.clear();
        self.places.resize(places, 0);
        self.len = 0;
    }

    /// The number of the string with this hash that `same` knows, or where it would go.
    #[inline(always)]
    pub(crate) fn find(&self, hash: u64, mut same: impl FnMut(u32) -> bool) -> Result<u32, Vacant> {
        let mask = self.places.len().wrapping_sub(1);
        let tag = hash & !NUMBER;
        let mut place = hash as usize & mask;
        // Never full: `insert` keeps half of the places free.
        while let Some(entry) = self.places.get(place).filter(|entry| **entry != 0) {
            let number = (entry & NUMBER) as u32 - 1;
            if entry & !NUMBER == tag && same(number) {
                return Ok(number);
            }
            place = (place + 1) & mask;
        }
        Err(Vacant { place, tag })
    }

    /// Puts a number where [`Self::find`] found nothing.
    #[inline(always)]
    pub(crate) fn insert(&mut self, vacant: Vacant, number: u32) {
        if let Some(place) = self.places.get_mut(vacant.place) {
            *place = vacant.tag | u64::from(number + 1);
            self.len += 1;
        }
    }

    /// Whether it has to be filled anew, with more room, before the next insertion.
    #[inline(always)]
    pub(crate) fn is_full(&self) -> bool {
        self.len * 2 >= self.places.len()
    }

    /// How many strings there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

#[inline(always)]
fn mix(value: u64) -> u64 {
    let product = value.wrapping_mul(MULTIPLIER);
    product ^ (product >> 32)
}

/// A hash for tables that live for one batch: fast, with 64-bit multiplications as Wasm has them.
/// It withstands no attack; a batch is bounded, and so is what colliding keys can cost.
#[inline(always)]
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let mut state = (bytes.len() as u64).wrapping_mul(MULTIPLIER);
    let (chunks, rest) = bytes.as_chunks::<8>();
    for chunk in chunks {
        state = mix(state ^ u64::from_le_bytes(*chunk)).rotate_left(23);
    }
    let tail = match (bytes.last_chunk::<8>(), rest) {
        (_, []) => return mix(state),
        // The last eight bytes, some of them a second time.
        (Some(last), _) => u64::from_le_bytes(*last),
        (None, _) => match (rest.first_chunk::<4>(), rest.last_chunk::<4>()) {
            (Some(first), Some(last)) => {
                u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32
            }
            _ => rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
        },
    };
    mix(mix(state ^ tail).rotate_left(23))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_string_is_found_again() {
        let strings: Vec<Vec<u8>> =
            (0..3000_u32).map(|number| format!("key-{}", number % 2000).into_bytes()).collect();
        let mut distinct: Vec<&[u8]> = Vec::new();
        let mut index = Index::default();
        index.begin(strings.len());
        for (at, string) in strings.iter().enumerate() {
            let hash = hash(string);
            match index.find(hash, |number| distinct[number as usize] == string.as_slice()) {
                Ok(number) => assert_eq!(number as usize, at - 2000),
                Err(vacant) => {
                    index.insert(vacant, distinct.len() as u32);
                    distinct.push(string);
                }
            }
        }
        assert_eq!((distinct.len(), index.len()), (2000, 2000));
        index.begin(1);
        assert!(index.find(hash(b"key-1"), |_| true).is_err());
    }

    #[test]
    fn hashes_differ_in_both_halves() {
        let mut low = std::collections::HashSet::new();
        let mut high = std::collections::HashSet::new();
        let mut count = 0;
        for number in 0..20_000_u64 {
            for bytes in [
                format!("acct-{number}").into_bytes(),
                number.to_be_bytes().to_vec(),
                number.to_le_bytes()[..5].to_vec(),
                format!("a much longer key, of number {number}, than most").into_bytes(),
            ] {
                let hash = hash(&bytes);
                low.insert(hash as u32);
                high.insert((hash >> 32) as u32);
                count += 1;
            }
        }
        // By chance alone, fewer than one pair in 80,000 falls together.
        assert!(count - low.len() < 20, "{} of {count}", low.len());
        assert!(count - high.len() < 20, "{} of {count}", high.len());
    }

    #[test]
    fn lengths_count() {
        let hashes: std::collections::HashSet<_> = (0..40).map(|len| hash(&vec![0; len])).collect();
        assert_eq!(hashes.len(), 40);
    }
}
