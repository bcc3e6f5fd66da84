//! What timers promise, seen through the test kit.

use wasmill_sdk::TimeDomain;
use wasmill_sdk::Transform;
use wasmill_sdk::native::BatchSize;
use wasmill_sdk::native::same_in_any_batches;
use wasmill_sdk::prelude::*;

#[derive(Debug, Clone, Record)]
struct Call {
    /// `+tag@time` registers, `-tag` cancels, `!` in front rejects, `p` behind it by processing time.
    what: String,
    at: i64,
}

fn call(key: &str, what: &str, at: i64) -> TestRecord<Call, String> {
    TestRecord::new(Call { what: what.to_owned(), at }).key(key.to_owned())
}

/// Does what calls say, and reports timers.
#[transform]
#[input(calls, key = String, event_time = "at")]
struct Alarms {
    fired: Value<i64>,
    alarms: Timers<AnyTime>,
    log: Output<String>,
}

impl Process<Call> for Alarms {
    fn process(&mut self, call: Call, ctx: &mut Context<'_>) -> Result<()> {
        for what in call.what.split(' ').filter(|what| !what.is_empty()) {
            let rest = what.trim_start_matches(['!', '+', '-', 'p']);
            let (tag, time) = rest.split_once('@').unwrap_or((rest, "0"));
            let time: i64 = time.parse()?;
            match what.trim_start_matches('!').split_at(2) {
                ("+p", _) => self.alarms.register_processing(time, tag)?,
                ("-p", _) => self.alarms.cancel_processing(tag)?,
                (other, _) if other.starts_with('+') => self.alarms.register_event(time, tag)?,
                _ => self.alarms.cancel_event(tag)?,
            }
            if what.starts_with('!') {
                reject!("as told");
            }
        }
        self.log.emit(format!("record {} at {:?}", call.what, ctx.watermark()))
    }
}

impl OnTimer for Alarms {
    fn on_timer(&mut self, timer: Timer<'_>, ctx: &mut Context<'_>) -> Result<()> {
        let key = ctx.key::<&str>()?.unwrap_or("none");
        let count = self.fired.get_or_default()? + 1;
        self.fired.set(count)?;
        self.log.emit(format!(
            "{key}/{} at {} is {count} of {:?}",
            timer.tag(),
            timer.time(),
            timer.domain()
        ))?;
        match timer.tag() {
            "again" => self.alarms.register_event(timer.time() + 100, "again"),
            "cut" => self.alarms.cancel_event("t1"),
            "shove" => self.alarms.register_event(timer.time() + 70, "t2"),
            "reject" => {
                self.alarms.register_event(timer.time() + 100, "never")?;
                reject!("no such timer")
            }
            _ => Ok(()),
        }
    }
}

fn log(harness: &TestHarness) -> Vec<String> {
    harness.values::<String>("log")
}

#[test]
fn a_timer_fires_before_the_record_behind_the_one_that_moved_time() {
    let mut harness = TestHarness::new::<Alarms>();
    harness.send_all([call("a", "+ta@250", 0), call("b", "", 299), call("c", "", 300), call("d", "", 310)]);
    let expected = [
        "record +ta@250 at None",
        "record  at Some(0)",
        "record  at Some(200)",
        "a/ta at 250 is 1 of Event",
        "record  at Some(300)",
    ];
    assert_eq!(log(&harness), expected);
    let outputs = harness.outputs::<String>("log");
    assert_eq!((outputs[3].key::<&str>(), outputs[3].timestamp()), (Some("a"), Some(250)));
    assert!(outputs[3].headers().is_empty());
}

#[test]
fn timers_fire_in_the_order_of_time_key_and_tag() {
    let mut harness = TestHarness::new::<Alarms>();
    harness.send_all([
        call("b", "+tx@100 +ty@100", 0),
        call("a", "+tz@100 +tw@200", 0),
        call("c", "+tx@50", 0),
    ]);
    harness.advance_event_time(200);
    let fired: Vec<_> = log(&harness).into_iter().filter(|line| line.contains('/')).collect();
    let expected = [
        "c/tx at 50 is 1 of Event",
        "a/tz at 100 is 1 of Event",
        "b/tx at 100 is 1 of Event",
        "b/ty at 100 is 2 of Event",
        "a/tw at 200 is 2 of Event",
    ];
    assert_eq!(fired, expected);
    assert_eq!(harness.state::<i64>("fired", "b"), Some(2));
}

#[test]
fn to_register_again_moves_and_to_cancel_removes() {
    let mut harness = TestHarness::new::<Alarms>();
    harness.send_all([
        call("a", "+tx@100 +tx@300 +ty@100 -ty", 0),
        call("a", "+tz@100", 0),
        call("b", "-tv +tv@100", 0),
    ]);
    harness.send(call("a", "-tz", 0));
    let pending: Vec<_> =
        harness.timers().into_iter().map(|timer| (timer.key, timer.tag, timer.time)).collect();
    let expected = [(b"a".to_vec(), "tx".to_owned(), 300), (b"b".to_vec(), "tv".to_owned(), 100)];
    assert_eq!(pending, expected);
}

#[test]
fn what_a_rejected_record_registered_is_undone() {
    let mut harness = TestHarness::new::<Alarms>();
    harness.send_all([call("a", "+tx@100", 0), call("a", "+ty@100 !+tx@900", 0), call("a", "!-tx", 0)]);
    let pending: Vec<_> = harness.timers().into_iter().map(|timer| (timer.tag, timer.time)).collect();
    assert_eq!(pending, [("tx".to_owned(), 100)]);
    assert_eq!(harness.rejected().len(), 2);
}

#[test]
fn a_timer_can_be_set_aside_with_all_it_did() {
    let mut harness = TestHarness::new::<Alarms>();
    harness.send(call("a", "+reject@100 +tx@100", 0));
    harness.advance_event_time(1000);
    assert_eq!(harness.rejected_timers().len(), 1);
    assert_eq!(harness.rejected_timers()[0].tag, "reject");
    assert_eq!(log(&harness)[1..], ["a/tx at 100 is 1 of Event"]);
    assert!(harness.timers().is_empty());
}

#[test]
fn a_timer_registers_the_next() {
    let mut harness = TestHarness::new::<Alarms>();
    harness.send(call("a", "+again@100", 0));
    harness.advance_event_time(350);
    let lines = log(&harness);
    assert_eq!(
        lines[1..],
        ["a/again at 100 is 1 of Event", "a/again at 200 is 2 of Event", "a/again at 300 is 3 of Event"]
    );
    assert_eq!(harness.timers()[0].time, 400);
}

#[test]
fn more_timers_than_one_call_takes_all_fire() {
    let mut harness = TestHarness::new::<Alarms>();
    harness.send_all((0..2500).map(|n| call(&format!("k{n:04}"), "+tx@100", 0)).collect::<Vec<_>>());
    harness.advance_event_time(100);
    let lines = log(&harness);
    assert_eq!(lines.len(), 5000);
    assert_eq!(lines[4999], "k2499/tx at 100 is 1 of Event");
}

#[test]
fn processing_time_is_a_clock_of_its_own() {
    let mut harness = TestHarness::new::<Alarms>();
    harness.send_all([call("a", "+px@500", 0), call("a", "+tx@500", 0), call("a", "+py@500 -py", 0)]);
    harness.advance_processing_time(499);
    assert_eq!(log(&harness).len(), 3);
    harness.advance_processing_time(500);
    assert_eq!(log(&harness)[3..], ["a/x at 500 is 1 of Processing"]);
    assert_eq!(harness.timers()[0].domain, TimeDomain::Event);
}

#[test]
fn tags_have_a_limit() {
    let mut harness = TestHarness::new::<Alarms>();
    let long = "x".repeat(257);
    harness.send_all([
        call("a", &format!("+t{long}@100"), 0),
        TestRecord::new(Call { what: "+tx@1".into(), at: 0 }).null_key(),
    ]);
    let reasons: Vec<_> = harness.rejected().iter().map(|rejected| rejected.reason.as_str()).collect();
    let expected = [
        "the tag of a timer has 258 bytes; 256 is the most",
        "the record's key is null, but `timers` is kept by key",
    ];
    assert_eq!(reasons, expected);
}

#[test]
fn batches_make_no_difference() {
    let harness = same_in_any_batches::<Alarms>(&[], |harness| {
        let calls = (0..3000_i64).map(|n| {
            // Time leaps now and then, so that many timers are due at once.
            let at = n * 13 + n * 7919 % 700 + n / 250 * 5000;
            let later = at + n * 31 % 2000;
            let what = match n * 7 % 11 {
                0 | 1 => format!("+t{}@{later}", n % 3),
                2 => format!("-t{}", n % 3),
                3 => "!+tq@0".to_owned(),
                4 => format!("+cut@{later}"),
                5 => format!("+shove@{later}"),
                6 => format!("+again@{later} -again"),
                7 if n > 2500 => format!("+again@{later}"),
                _ => String::new(),
            };
            call(&format!("key-{}", n * n % 17), &what, at)
        });
        harness.send_all(calls.collect::<Vec<_>>());
        harness.advance_event_time(110_000);
    });
    let fired = |tag: &str| log(&harness).iter().filter(|line| line.contains(tag)).count();
    for tag in ["/t0 ", "/t1 ", "/t2 ", "/cut ", "/shove ", "/again "] {
        assert!(fired(tag) > 20, "{} of {tag}", fired(tag));
    }
}

#[test]
fn a_timer_that_another_of_its_key_cancels_or_moves_does_not_fire() {
    for size in [BatchSize::Whole, BatchSize::Fixed(1)] {
        let mut harness = TestHarness::new::<Alarms>();
        harness.set_batch_size(size);
        harness.send_all([call("a", "+cut@100 +t1@200", 0), call("c", "+t1@100", 0)]);
        harness.advance_event_time(200);
        assert_eq!(
            log(&harness)[2..],
            ["a/cut at 100 is 1 of Event", "c/t1 at 100 is 1 of Event"],
            "{size:?}"
        );
        harness.send(call("b", "+shove@300 +t2@310 +t3@350", 250));
        harness.advance_event_time(1000);
        let expected =
            ["b/shove at 300 is 1 of Event", "b/t3 at 350 is 2 of Event", "b/t2 at 370 is 3 of Event"];
        assert_eq!(log(&harness)[5..], expected, "{size:?}");
    }
}

#[test]
fn a_timer_for_a_time_that_has_passed_fires_before_the_next_record_whatever_that_does() {
    for size in [BatchSize::Whole, BatchSize::Fixed(1)] {
        let mut harness = TestHarness::new::<Alarms>();
        harness.set_batch_size(size);
        harness.send(call("x", "", 1000));
        harness.send_all([
            call("a", "+t1@100", 1000),
            call("a", "-t1", 1000),
            call("b", "+t1@100 -t1", 1000),
            call("b", "+t1@300 +t1@200", 1000),
            call("b", "+t1@5000", 1000),
        ]);
        let fired: Vec<_> = log(&harness).into_iter().filter(|line| !line.starts_with("record  ")).collect();
        let expected = [
            "record +t1@100 at Some(1000)",
            "a/t1 at 100 is 1 of Event",
            "record -t1 at Some(1000)",
            "record +t1@100 -t1 at Some(1000)",
            "record +t1@300 +t1@200 at Some(1000)",
            "b/t1 at 200 is 1 of Event",
            "record +t1@5000 at Some(1000)",
        ];
        assert_eq!(fired, expected, "{size:?}");
    }
}

#[derive(Debug, Clone, PartialEq, Record)]
struct Device {
    site: i32,
    name: String,
}

/// Timers of keys that are records, and of the partition.
macro_rules! ticking {
    ($name:ident, $key:ty, $scope:literal) => {
        #[transform]
        #[input(beats, key = $key, event_time = timestamp, granularity = "1ms")]
        struct $name {
            #[timers(scope = $scope)]
            ticks: Timers,
            #[state(scope = "partition")]
            count: Value<i64>,
            log: Output<String>,
        }

        impl Process<i64> for $name {
            fn process(&mut self, beat: i64, _: &mut Context<'_>) -> Result<()> {
                self.ticks.register_event(beat, "tick")
            }
        }

        impl OnTimer for $name {
            fn on_timer(&mut self, timer: Timer<'_>, ctx: &mut Context<'_>) -> Result<()> {
                self.count.update(|count| *count += 1)?;
                let key = if $scope == "key" { format!("{:?}", ctx.key::<$key>()?) } else { String::new() };
                self.log.emit(format!("{} {key}", timer.time()))
            }
        }
    };
}

ticking!(ByDevice, Device, "key");
ticking!(ByNumber, i64, "key");
ticking!(ByPartition, i64, "partition");

#[test]
fn keys_of_any_type_come_back() {
    let mut harness = TestHarness::new::<ByDevice>();
    let device = |name: &str| Device { site: 3, name: name.to_owned() };
    harness.send_all([TestRecord::new(5_i64).key(device("a")), TestRecord::new(4).key(device("b"))]);
    harness.advance_event_time(5);
    let expected = ["4 Some(Device { site: 3, name: \"b\" })", "5 Some(Device { site: 3, name: \"a\" })"];
    assert_eq!(log(&harness), expected);
    assert_eq!(harness.state::<i64>("count", ()), Some(2));

    let mut harness = TestHarness::new::<ByNumber>();
    harness.send_all([TestRecord::new(5_i64).key(-1_i64), TestRecord::new(5).key(1 << 33)]);
    harness.advance_event_time(5);
    assert_eq!(log(&harness), ["5 Some(8589934592)", "5 Some(-1)"]);
}

#[test]
fn timers_of_the_partition_have_no_key() {
    let mut harness = TestHarness::new::<ByPartition>();
    harness.send_all([TestRecord::new(5_i64).key(1_i64), TestRecord::new(6).key(2)]);
    assert_eq!(harness.timers().len(), 1, "it has moved");
    harness.send(TestRecord::new(7_i64).key(1_i64).timestamp(6));
    assert_eq!(log(&harness), Vec::<String>::new(), "it has moved again, before it was due");
    harness.advance_event_time(7);
    assert_eq!(log(&harness), ["7 "]);
}

#[test]
fn the_manifest_lists_timers_and_event_time() {
    assert!(Alarms::manifest().ends_with(r#","timers":["event","processing"]}"#), "{}", Alarms::manifest());
    let manifest = ByNumber::manifest();
    let expected =
        r#""event_time":{"out_of_orderness_ms":0,"granularity_ms":1,"late":"process"}}],"outputs""#;
    assert!(manifest.contains(expected) && manifest.ends_with(r#","timers":["event"]}"#), "{manifest}");
}
