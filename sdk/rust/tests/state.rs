//! What state promises, seen through the test kit.

use wasmill_sdk::Transform;
use wasmill_sdk::native::BatchSize;
use wasmill_sdk::prelude::*;
use wasmill_sdk::types::Uuid;
use wasmill_sdk::wire::Failure;

fn word(key: &str, word: &str) -> TestRecord<String, String> {
    TestRecord::new(word.to_owned()).key(key.to_owned())
}

/// Remembers the last word of each key, and rejects `bad` words after it has remembered them.
#[transform]
#[input(words, key = String)]
struct LastWord {
    last: Value<String>,
    said: Output<String>,
}

impl Process<String> for LastWord {
    fn process(&mut self, word: String, ctx: &mut Context<'_>) -> Result<()> {
        let before = self.last.get()?.unwrap_or_else(|| "-".to_owned());
        match word.as_str() {
            "forget" => self.last.clear()?,
            "twice" => {
                self.last.set("once".to_owned())?;
                self.last.set("twice".to_owned())?;
            }
            _ => self.last.set(word.clone())?,
        }
        self.said.emit(format!("{before} {word}"))?;
        match word.as_str() {
            "bad" => reject!("a bad word"),
            "worse" => ctx.reject("a worse word"),
            "retry" => return Err(Error::retry("later")),
            _ => {}
        }
        Ok(())
    }
}

#[test]
fn a_value_is_remembered_by_key_within_a_batch_and_beyond() {
    let mut harness = TestHarness::new::<LastWord>();
    harness.send_all([word("a", "1"), word("b", "2"), word("a", "3"), word("", "4")]);
    harness.send_all([word("b", "5"), word("a", "forget"), word("", "6"), word("a", "7")]);
    let expected = ["- 1", "- 2", "1 3", "- 4", "2 5", "3 forget", "4 6", "- 7"];
    assert_eq!(harness.values::<String>("said"), expected);
    assert_eq!(harness.state::<String>("last", "b").as_deref(), Some("5"));
    assert_eq!(harness.state::<String>("last", "").as_deref(), Some("6"));
}

#[test]
fn a_rejected_record_leaves_nothing_behind() {
    let mut harness = TestHarness::new::<LastWord>();
    let words = ["1", "bad", "2", "worse", "twice", "bad", "3"];
    harness.send_all(words.map(|text| word("a", text)));
    assert_eq!(harness.values::<String>("said"), ["- 1", "1 2", "2 twice", "twice 3"]);
    assert_eq!(harness.rejected().len(), 3);
    harness.send_all([word("a", "bad"), word("new", "bad")]);
    assert_eq!(harness.state::<String>("last", "a").as_deref(), Some("3"));
    assert_eq!(harness.state::<String>("last", "new"), None);
}

#[test]
fn a_failed_batch_leaves_nothing_behind() {
    let mut harness = TestHarness::new::<LastWord>();
    harness.send(word("a", "1"));
    let failure = harness.try_send_to("words", [word("a", "2"), word("a", "retry")]);
    assert_eq!(failure, Err(Failure::Retry("later".into())));
    assert_eq!(harness.state::<String>("last", "a").as_deref(), Some("1"));
    harness.send(word("a", "3"));
    assert_eq!(harness.values::<String>("said"), ["- 1", "1 3"]);
}

#[test]
fn a_null_key_and_one_that_is_too_long_reject_the_record() {
    let mut harness = TestHarness::new::<LastWord>();
    let longest = "k".repeat(4094);
    let too_long = "k".repeat(4095);
    harness.send_all([TestRecord::new("1".to_owned()).null_key(), word(&longest, "2"), word(&too_long, "3")]);
    assert_eq!(harness.values::<String>("said"), ["- 2"]);
    let reasons: Vec<_> = harness.rejected().iter().map(|rejected| rejected.reason.as_str()).collect();
    let expected = [
        "the record's key is null, but `last` is kept by key",
        "the record's key is longer than 4094 bytes, the most by which `last` can be kept",
    ];
    assert_eq!(reasons, expected);
}

#[test]
fn a_value_that_is_too_large_rejects_the_record() {
    let mut harness = TestHarness::new::<LastWord>();
    harness.send_all([word("a", "1"), word("a", &"x".repeat(1 << 20)), word("a", "2")]);
    assert_eq!(harness.values::<String>("said"), ["- 1", "1 2"]);
    assert!(harness.rejected()[0].reason.contains("1043456 is the most"), "{}", harness.rejected()[0].reason);
}

#[test]
#[should_panic(expected = "the state that this batch writes exceeds 16777216 bytes")]
fn a_batch_that_writes_too_much_traps() {
    let mut harness = TestHarness::new::<LastWord>();
    let large = "x".repeat(1_000_000);
    harness.send_all((0..20).map(|n| word(&n.to_string(), &large)));
}

/// State by keys of several types: the same number of the key is counted.
macro_rules! counting_by {
    ($name:ident, $key:ty) => {
        #[transform]
        #[input(words, key = $key)]
        struct $name {
            count: Value<i64>,
            counts: Output<i64>,
        }

        impl Process<String> for $name {
            fn process(&mut self, _: String, _: &mut Context<'_>) -> Result<()> {
                let count = self.count.update(|count| {
                    *count += 1;
                    *count
                })?;
                self.counts.emit(count)
            }
        }
    };
}

#[derive(Debug, Clone, PartialEq, Record)]
struct Place<'a> {
    shop: i32,
    shelf: &'a str,
}

counting_by!(ByInt, i32);
counting_by!(ByLong, i64);
counting_by!(ByDouble, f64);
counting_by!(ByFlag, bool);
counting_by!(ByBytes, Vec<u8>);
counting_by!(ByUuid, Uuid);
counting_by!(ByRecord, Place<'_>);
counting_by!(ByRaw, Raw<'_>);

fn count_by<T: Transform, K: wasmill_sdk::Write + wasmill_sdk::Encode + Clone>(keys: [K; 3]) -> TestHarness {
    let mut harness = TestHarness::new::<T>();
    let [a, b, c] = keys;
    let order = [a.clone(), b.clone(), a.clone(), c, a, b];
    harness.send_all(order.map(|key| TestRecord::new("x".to_owned()).key(key)));
    assert_eq!(harness.values::<i64>("counts"), [1, 1, 2, 1, 3, 2]);
    harness
}

#[test]
fn keys_of_any_type_tell_state_apart() {
    let harness = count_by::<ByInt, _>([i32::MIN, 0, -1]);
    assert_eq!(harness.state::<i64>("count", i32::MIN), Some(3));
    let harness = count_by::<ByLong, _>([1_i64 << 40, 1, -1]);
    assert_eq!(harness.state::<i64>("count", 1_i64), Some(2));
    let harness = count_by::<ByDouble, _>([0.5, -0.5, f64::INFINITY]);
    assert_eq!(harness.state::<i64>("count", -0.5), Some(2));
    let harness = count_by::<ByBytes, _>([vec![], vec![0_u8], vec![0, 0]]);
    assert_eq!(harness.state::<i64>("count", vec![0_u8]), Some(2));
    let harness = count_by::<ByUuid, _>([Uuid([0; 16]), Uuid([1; 16]), Uuid([2; 16])]);
    assert_eq!(harness.state::<i64>("count", Uuid([0; 16])), Some(3));
    let place = |shop, shelf| Place { shop, shelf };
    let harness = count_by::<ByRecord, _>([place(1, "a"), place(1, "b"), place(2, "a")]);
    assert_eq!(harness.state::<i64>("count", place(1, "b")), Some(2));
    let harness = count_by::<ByRaw, _>([Raw(b"a"), Raw(b"b"), Raw(b"c")]);
    assert_eq!(harness.state::<i64>("count", Raw(b"b")), Some(2));
    let mut harness = TestHarness::new::<ByFlag>();
    harness.send_all([true, false, true].map(|key| TestRecord::new("x".to_owned()).key(key)));
    assert_eq!(harness.values::<i64>("counts"), [1, 1, 2]);
}

#[derive(Debug, Record)]
struct Reading {
    at: i64,
    number: i64,
}

/// Time to live by both clocks.
#[transform]
#[input(readings, key = String, event_time = "at", out_of_orderness = "100ms", granularity = "50ms", late = "drop")]
struct Fading {
    #[state(ttl = "1s")]
    by_event: Value<i64>,
    #[state(ttl = "1s", ttl_time = "processing")]
    by_clock: Value<i64>,
    seen: Output<String>,
}

impl Process<Reading> for Fading {
    fn process(&mut self, reading: Reading, ctx: &mut Context<'_>) -> Result<()> {
        let (event, clock) = (self.by_event.get()?, self.by_clock.get()?);
        self.seen.emit(format!("{event:?} {clock:?} {:?}", ctx.watermark()))?;
        self.by_event.set(reading.number)?;
        self.by_clock.set(reading.number)
    }
}

#[test]
fn values_live_until_their_time_has_passed() {
    let mut harness = TestHarness::new::<Fading>();
    let reading = |at, number| TestRecord::new(Reading { at, number }).key("k".to_owned());
    // The watermark is 0 after the first, 900 after the second, 1000 after the third, 2100 after the
    // fifth, which was written at 1000 though.
    harness.send_all([reading(100, 1), reading(1049, 2), reading(1100, 3), reading(1060, 4)]);
    harness.set_processing_time(999);
    harness.send(reading(2200, 5));
    harness.set_processing_time(1999);
    harness.send(reading(2200, 6));
    let expected = [
        "None None None",
        "Some(1) Some(1) Some(0)",
        "Some(2) Some(2) Some(900)",
        "Some(3) Some(3) Some(1000)",
        "Some(4) Some(4) Some(1000)",
        "None None Some(2100)",
    ];
    assert_eq!(harness.values::<String>("seen"), expected);
    harness.send_all([reading(2099, 7), reading(2100, 8)]);
    assert_eq!(harness.late(), 1);
    harness.advance_event_time(3099);
    assert_eq!(harness.state::<i64>("by-event", "k"), Some(8), "written at 2100, and it is 3050");
    harness.advance_event_time(3100);
    assert_eq!(harness.state::<i64>("by-event", "k"), None);
    assert_eq!(harness.state::<i64>("by-clock", "k"), Some(8));
}

#[test]
fn the_manifest_lists_state() {
    let manifest = Fading::manifest();
    for expected in [
        r#""event_time":{"field":"at","out_of_orderness_ms":100,"granularity_ms":50,"late":"drop"}"#,
        r#""state":[{"name":"by-event","value":"long","ttl":{"ms":1000,"time":"event"}},{"name":"by-clock","value":"long","ttl":{"ms":1000,"time":"processing"}}]}"#,
    ] {
        assert!(manifest.contains(expected), "{manifest}");
    }
}

/// Counts whole batches in the partition.
#[transform]
#[input(words, key = String)]
struct Batches {
    #[state(scope = "partition")]
    batches: Value<i64>,
    by_key: Value<i64>,
    counts: Output<i64>,
}

impl Process<Batch<String>> for Batches {
    fn process(&mut self, batch: Batch<String>, _: &mut Context<'_>) -> Result<()> {
        if batch.len() == 3 {
            return self.by_key.set(1);
        }
        let count = self.batches.get_or_default()? + 1;
        self.batches.set(count)?;
        let mut rows = Rows { count: 1, ..Rows::default() };
        let mut counts = ColumnBuilder::<i64>::with_capacity(1);
        counts.push(&count);
        rows.value = Some(counts.finish(&mut rows.columns)?);
        self.counts.emit_rows(rows, Sources::Rows(vec![0]))
    }
}

#[test]
fn whole_batches_have_the_state_of_the_partition() {
    let mut harness = TestHarness::new::<Batches>();
    harness.send_all([word("a", "1"), word("b", "2")]);
    harness.send(word("a", "3"));
    assert_eq!(harness.values::<i64>("counts"), [1, 2]);
    let failure = harness.try_send_to("words", [word("a", "1"), word("b", "2"), word("c", "3")]);
    let Err(Failure::Fatal(reason)) = failure else { panic!("{failure:?}") };
    assert!(reason.contains("`by-key` is kept by key, and a whole batch is at hand"), "{reason}");
}

/// Rejects the record before it.
#[transform]
#[input(words, key = String)]
struct Vengeful {
    last: Value<String>,
}

impl Process<String> for Vengeful {
    fn process(&mut self, word: String, ctx: &mut Context<'_>) -> Result<()> {
        if word == "revenge" {
            ctx.reject_rows(&[ctx.row() - 1], "it was before me");
        }
        self.last.set(word)
    }
}

#[test]
fn a_record_cannot_undo_another() {
    let mut harness = TestHarness::new::<Vengeful>();
    let failure = harness.try_send_to("words", [word("a", "1"), word("b", "revenge")]);
    let Err(Failure::Fatal(reason)) = failure else { panic!("{failure:?}") };
    assert!(reason.contains("reject the record at hand"), "{reason}");
    assert_eq!(harness.state::<String>("last", "a"), None);
}

#[test]
fn batch_sizes_of_the_kit_split_what_is_sent() {
    let mut harness = TestHarness::new::<Batches>();
    harness.set_batch_size(BatchSize::Fixed(2));
    harness.send_all((0..7).map(|n| word("a", &n.to_string())).collect::<Vec<_>>());
    assert_eq!(harness.values::<i64>("counts"), [1, 2, 3, 4]);
}

#[derive(Debug, Record)]
struct OtherPlace {
    shop: i32,
}

/// Two inputs whose keys are different records.
#[transform]
#[input(words: String, key = Place<'_>)]
#[input(numbers: i64, key = OtherPlace)]
struct Apart {
    last: Value<i64>,
}

impl Process<String> for Apart {
    fn process(&mut self, _: String, _: &mut Context<'_>) -> Result<()> {
        Ok(())
    }
}

impl Process<i64> for Apart {
    fn process(&mut self, number: i64, _: &mut Context<'_>) -> Result<()> {
        self.last.set(number)
    }
}

#[test]
#[should_panic(expected = "inputs `words` and `numbers` share state by key, but have keys of the schemas")]
fn keys_of_different_records_cannot_share_state() {
    let _ = TestHarness::new::<Apart>();
}
