//! The two keys of a timer: its state key, and its place in the order of due times.
//!
//! ```text
//! state key   varint length of the key, key, domain (0 event, 1 processing), tag
//! index key   domain, i64 big-endian time with its sign flipped, escaped key, 00 00, tag
//! ```
//!
//! In the index key 00 within the key is escaped as 00 ff, so that index keys stand in the order of
//! time, key and tag. The index never leaves this machine: it is made anew from the timers.

use smallvec::SmallVec;

use crate::model::state::TimeDomain;
use crate::state::format::split_key;
use crate::state::format::write_state_key;

/// An index key. Most fit without memory of their own.
pub(super) type IndexKey = SmallVec<[u8; 40]>;

/// A timer's place, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TimerPlace {
    pub(super) domain: TimeDomain,
    pub(super) time: i64,
    pub(super) key: Vec<u8>,
    pub(super) tag: Vec<u8>,
}

pub(super) fn domain_byte(domain: TimeDomain) -> u8 {
    match domain {
        TimeDomain::Event => 0,
        TimeDomain::Processing => 1,
    }
}

/// Appends the state key of a timer.
pub(super) fn write_timer_key(domain: TimeDomain, key: &[u8], tag: &[u8], out: &mut Vec<u8>) {
    write_state_key(key, &[domain_byte(domain)], out);
    out.extend_from_slice(tag);
}

/// Domain, key and tag of a timer's state key; none when it is damaged.
pub(super) fn split_timer_key(state_key: &[u8]) -> Option<(TimeDomain, &[u8], &[u8])> {
    let (key, suffix) = split_key(state_key).ok()?;
    let (domain, tag) = suffix.split_first()?;
    let domain = match domain {
        0 => TimeDomain::Event,
        1 => TimeDomain::Processing,
        _ => return None,
    };
    Some((domain, key, tag))
}

/// The first index key of a domain that is due at `time` or later.
pub(super) fn index_key_from(domain: TimeDomain, time: i64) -> IndexKey {
    let mut place = IndexKey::new();
    place.push(domain_byte(domain));
    place.extend_from_slice(&((time as u64) ^ (1 << 63)).to_be_bytes());
    place
}

pub(super) fn index_key(domain: TimeDomain, time: i64, key: &[u8], tag: &[u8]) -> IndexKey {
    let mut place = index_key_from(domain, time);
    for part in key.split_inclusive(|byte| *byte == 0) {
        place.extend_from_slice(part);
        if part.last() == Some(&0) {
            place.push(0xff);
        }
    }
    place.extend_from_slice(&[0, 0]);
    place.extend_from_slice(tag);
    place
}

/// The time of an index key.
pub(super) fn index_time(place: &[u8]) -> Option<i64> {
    let time = place.get(1..9)?;
    Some((u64::from_be_bytes(time.try_into().ok()?) ^ (1 << 63)) as i64)
}

/// Takes an index key apart; none when it is damaged.
pub(super) fn parse_index_key(place: &[u8]) -> Option<TimerPlace> {
    let domain = match place.first()? {
        0 => TimeDomain::Event,
        1 => TimeDomain::Processing,
        _ => return None,
    };
    let time = index_time(place)?;
    let mut rest = place.get(9..)?;
    let mut key = Vec::new();
    loop {
        let end = rest.iter().position(|byte| *byte == 0)?;
        let (part, after) = rest.split_at_checked(end)?;
        key.extend_from_slice(part);
        match after {
            [0, 0xff, tail @ ..] => {
                key.push(0);
                rest = tail;
            }
            [0, 0, tag @ ..] => return Some(TimerPlace { domain, time, key, tag: tag.to_vec() }),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop_oneof![Just(0), Just(0xff), any::<u8>()], 0..5)
    }

    proptest! {
        #[test]
        fn index_keys_stand_in_the_order_of_time_key_and_tag(
            a in (any::<i64>(), bytes(), bytes()),
            b in (any::<i64>(), bytes(), bytes()),
            same_time in any::<bool>(),
        ) {
            let b = if same_time { (a.0, b.1, b.2) } else { b };
            let place = |(time, key, tag): &(i64, Vec<u8>, Vec<u8>)| index_key(TimeDomain::Event, *time, key, tag);
            prop_assert_eq!(place(&a).cmp(&place(&b)), a.cmp(&b));
            let read = parse_index_key(&place(&a)).expect("well-formed");
            prop_assert_eq!((read.time, read.key, read.tag), a);
        }

        #[test]
        fn timer_keys_are_read_as_written(key in bytes(), tag in bytes()) {
            let mut state_key = Vec::new();
            write_timer_key(TimeDomain::Processing, &key, &tag, &mut state_key);
            prop_assert_eq!(split_timer_key(&state_key), Some((TimeDomain::Processing, &key[..], &tag[..])));

        }
    }

    #[test]
    fn damaged_index_keys_are_told() {
        for bad in [&[][..], &[2; 20], &[0; 9], &[0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 7]] {
            assert_eq!(parse_index_key(bad), None, "{bad:?}");
        }
    }
}
