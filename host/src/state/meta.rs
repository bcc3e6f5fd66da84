//! What the meta store holds beside the state of the transform: event clocks, value schemas, the
//! first event watermark. Its keys are state keys whose key is a text and whose suffix is empty.

use crate::model::state::EventClock;
use crate::state::format::split_state_key;
use crate::state::format::write_state_key;

/// A key of the meta store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetaKey<'a> {
    /// Progress of event time of the input port of this name.
    Clock { port: &'a str },
    /// A value schema of a store: Avro JSON. Values name it by its index.
    Schema { store: &'a str, index: u32 },
    /// The first event watermark: values written before it count as written then.
    FirstWatermark,
}

impl<'a> MetaKey<'a> {
    /// The state key.
    #[must_use]
    pub fn state_key(&self) -> Vec<u8> {
        let text = match self {
            Self::Clock { port } => format!("clock/{port}"),
            Self::Schema { store, index } => format!("schema/{store}/{index}"),
            Self::FirstWatermark => "first-watermark".to_owned(),
        };
        let mut out = Vec::with_capacity(text.len() + 2);
        write_state_key(text.as_bytes(), &[], &mut out);
        out
    }

    /// The key that a state key stands for; none for one of a newer version.
    #[must_use]
    pub fn parse(state_key: &'a [u8]) -> Option<Self> {
        let (text, _) = split_state_key(state_key).ok()?;
        let text = std::str::from_utf8(text).ok()?;
        if text == "first-watermark" {
            return Some(Self::FirstWatermark);
        }
        match text.split_once('/')? {
            ("clock", port) => Some(Self::Clock { port }),
            ("schema", rest) => {
                let (store, index) = rest.rsplit_once('/')?;
                Some(Self::Schema { store, index: index.parse().ok()? })
            }
            _ => None,
        }
    }
}

/// An absent time within a body.
const NO_TIME: i64 = i64::MIN;

/// The body of a clock: event time, then event watermark, 8 bytes each, big-endian.
#[must_use]
pub fn clock_body(clock: EventClock) -> [u8; 16] {
    let mut body = [0; 16];
    let times = [clock.event_time_max, clock.event_watermark].map(|time| time.unwrap_or(NO_TIME));
    for (at, time) in body.as_chunks_mut::<8>().0.iter_mut().zip(times) {
        *at = time.to_be_bytes();
    }
    body
}

/// The clock of a body; none when the bytes are damaged.
#[must_use]
pub fn parse_clock(body: &[u8]) -> Option<EventClock> {
    let ([event_time_max, event_watermark], []) = body.as_chunks::<8>() else {
        return None;
    };
    let time = |bytes: &[u8; 8]| Some(i64::from_be_bytes(*bytes)).filter(|time| *time != NO_TIME);
    Some(EventClock { event_time_max: time(event_time_max), event_watermark: time(event_watermark) })
}

/// The time of a body of one time: a timer's, or the first watermark.
#[must_use]
pub fn parse_time(body: &[u8]) -> Option<i64> {
    Some(i64::from_be_bytes(body.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_clocks_are_read_as_written() {
        for key in [
            MetaKey::Clock { port: "a/b" },
            MetaKey::Schema { store: "spend", index: 12 },
            MetaKey::FirstWatermark,
        ] {
            assert_eq!(MetaKey::parse(&key.state_key()), Some(key));
        }
        assert_eq!(MetaKey::parse(&[3, b'n', b'e', b'w']), None);
        for clock in [
            EventClock::default(),
            EventClock { event_time_max: Some(-5), event_watermark: None },
            EventClock { event_time_max: Some(7), event_watermark: Some(0) },
        ] {
            assert_eq!(parse_clock(&clock_body(clock)), Some(clock));
        }
        assert_eq!(parse_clock(&[0; 15]), None);
        assert_eq!(parse_time(&7_i64.to_be_bytes()), Some(7));
        assert_eq!(parse_time(&[]), None);
    }
}
