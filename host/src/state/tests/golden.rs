//! The bytes of keys and values. A difference here is a new format: old state must stay readable.

use std::fmt::Write as _;

use crate::model::state::EventClock;
use crate::model::state::TimeDomain;
use crate::state::format::BEFORE_EVENT_TIME;
use crate::state::format::GROUP_BYTES;
use crate::state::format::StoredValue;
use crate::state::format::key_group;
use crate::state::format::split_state_key;
use crate::state::format::write_stored_key;
use crate::state::meta::MetaKey;
use crate::state::meta::clock_body;
use crate::state::meta::parse_clock;
use crate::state::timer_key::TimerPlace;
use crate::state::timer_key::index_key;
use crate::state::timer_key::parse_index_key;
use crate::state::timer_key::split_timer_key;
use crate::state::timer_key::write_timer_key;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn stored_key(key: &[u8], suffix: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write_stored_key(key, suffix, &mut out);
    out
}

fn of_state_key(state_key: &[u8]) -> Vec<u8> {
    let (key, suffix) = split_state_key(state_key).expect("a state key");
    stored_key(key, suffix)
}

fn stored_value(schema: u32, write_time: i64, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    StoredValue { schema, write_time, body }.write(&mut out);
    out
}

/// Compares lines of `what: bytes` with a golden file, which has spaces between the parts.
fn golden(file: &str, golden: &str, lines: &[(&str, Vec<u8>)]) {
    let found: String = lines.iter().map(|(what, bytes)| format!("{what}: {}\n", hex(bytes))).collect();
    let line = |line: &str| {
        let (what, bytes) = line.rsplit_once(": ").expect("what, and its bytes");
        format!("{what}: {}\n", bytes.replace(' ', ""))
    };
    let golden: String = golden.lines().map(line).collect();
    assert_eq!(found, golden, "host/src/state/golden/{file} has other bytes");
}

#[test]
fn keys_have_the_bytes_of_the_golden_file() {
    let mut timer = Vec::new();
    write_timer_key(TimeDomain::Processing, b"acct-7", b"timeout", &mut timer);
    let lines = [
        ("key acct-7", stored_key(b"acct-7", b"")),
        ("key a, suffix 0102", stored_key(b"a", &[1, 2])),
        ("key of the partition, suffix ff", stored_key(b"", &[0xff])),
        ("key of 200 bytes of x", stored_key(&[b'x'; 200], b"")),
        ("timer of acct-7 by processing time, tag timeout", of_state_key(&timer)),
        ("meta clock of port payments", of_state_key(&MetaKey::Clock { port: "payments" }.state_key())),
        (
            "meta schema 3 of store spend",
            of_state_key(&MetaKey::Schema { store: "spend", index: 3 }.state_key()),
        ),
        ("meta first watermark", of_state_key(&MetaKey::FirstWatermark.state_key())),
        (
            "index of acct-7 by event time at 1700000000000, tag t",
            index_key(TimeDomain::Event, 1_700_000_000_000, b"acct-7", b"t").to_vec(),
        ),
        (
            "index of key 00 by processing time at -1, no tag",
            index_key(TimeDomain::Processing, -1, &[0], b"").to_vec(),
        ),
    ];
    golden("keys.txt", include_str!("../golden/keys.txt"), &lines);
}

#[test]
fn values_have_the_bytes_of_the_golden_file() {
    let clock = EventClock { event_time_max: Some(1_700_000_000_123), event_watermark: None };
    let lines = [
        ("schema 0, written at 1700000000000, body 0a0b", stored_value(0, 1_700_000_000_000, &[10, 11])),
        ("schema 300, written at -1, no body", stored_value(300, -1, &[])),
        ("written before the first event watermark", stored_value(1, BEFORE_EVENT_TIME, &[7])),
        ("timer at 1700000000000", stored_value(0, 0, &1_700_000_000_000_i64.to_be_bytes())),
        ("clock at 1700000000123 without a watermark", stored_value(0, 0, &clock_body(clock))),
    ];
    golden("values.txt", include_str!("../golden/values.txt"), &lines);
}

/// What is on disk stays readable: literal bytes, whatever writes them today.
#[test]
fn bytes_of_the_first_format_are_read() {
    let value = [0x01, 0xac, 0x02, 0x00, 0x00, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x00, 0x0a, 0x0b];
    let expected = StoredValue { schema: 300, write_time: 1_700_000_000_000, body: &[10, 11] };
    assert_eq!(StoredValue::parse(&value), Ok(expected));
    let state_key = [0x06, 0x61, 0x63, 0x63, 0x74, 0x2d, 0x37, 0x01, 0x02];
    assert_eq!(split_state_key(&state_key), Ok((&b"acct-7"[..], &[1, 2][..])));
    let timer = [0x06, 0x61, 0x63, 0x63, 0x74, 0x2d, 0x37, 0x01, 0x74];
    assert_eq!(split_timer_key(&timer), Some((TimeDomain::Processing, &b"acct-7"[..], &b"t"[..])));
    let place = [0x00, 0x80, 0x00, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x00, 0x61, 0x00, 0xff, 0x00, 0x00, 0x74];
    let expected = TimerPlace {
        domain: TimeDomain::Event,
        time: 1_700_000_000_000,
        key: vec![0x61, 0x00],
        tag: b"t".to_vec(),
    };
    assert_eq!(parse_index_key(&place), Some(expected));
    let clock = [[0x00, 0x00, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x7b], [0x80, 0, 0, 0, 0, 0, 0, 0]].concat();
    let expected = EventClock { event_time_max: Some(1_700_000_000_123), event_watermark: None };
    assert_eq!(parse_clock(&clock), Some(expected));
}

/// A key group decides where state lies: it may never change. The hashes are those of Kafka's own
/// tests of murmur2.
#[test]
fn key_groups_are_murmur2_of_the_key_alone() {
    assert_eq!(u32::from(key_group(b"foobar")), (-790_332_482_i32) as u32 % (1 << 15));
    assert_eq!(u32::from(key_group(b"abc")), 479_470_107 % (1 << 15));
    let [with, without] = [stored_key(b"abc", b"x"), stored_key(b"abc", b"")];
    assert_eq!(with[..GROUP_BYTES], without[..GROUP_BYTES]);
}
