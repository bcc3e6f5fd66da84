//! What state promises, seen through the test kit.

use wasmill_sdk::Transform;
use wasmill_sdk::native::BatchSize;
use wasmill_sdk::native::same_in_any_batches;
use wasmill_sdk::prelude::*;
use wasmill_sdk::state::Max;
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

/// Every kind of state, kept by the key and by the partition, in one transform.
#[transform]
#[input(words: String, key = String)]
#[input(controls: i64)]
struct Kinds {
    counts: Map<String, i64>,
    lengths: Map<(i64, String), ()>,
    letters: Set<String>,
    recent: List<String>,
    longest: Reducing<i64, Max>,
    #[state(scan = false)]
    unlisted: Map<i64, i64>,
    #[state(scope = "partition", name = "all-words")]
    all: Value<i64>,
    #[state(scope = "partition")]
    tags: Map<String, i64>,
    log: Output<String>,
}

impl Process<String> for Kinds {
    fn process(&mut self, word: String, _: &mut Context<'_>) -> Result<()> {
        let length = i64::try_from(word.len())?;
        match word.as_str() {
            "clear" => {
                self.counts.clear()?;
                self.letters.clear()?;
                self.recent.clear()?;
                return self.longest.clear();
            }
            "list" => {
                let counts = self.counts.iter()?.map(|entry| Ok(format!("{:?}", entry?)));
                let counts = counts.collect::<Result<String>>()?;
                let letters = self.letters.iter()?.collect::<Result<String>>()?;
                let recent = self.recent.iter()?.collect::<Result<Vec<_>>>()?.join(",");
                return self.log.emit(format!("{counts} {letters} {recent} {:?}", self.longest.get()?));
            }
            "short" => {
                let short = self.lengths.range(..(3_i64, String::new()))?;
                let short = short.map(|entry| Ok(entry?.0.1)).collect::<Result<Vec<_>>>()?;
                return self.log.emit(short.join(","));
            }
            "unlisted" => {
                self.unlisted.insert(&1, 1)?;
                return self.unlisted.iter().map(|_| ());
            }
            _ => {}
        }
        let count = self.counts.get(&word)?.unwrap_or(0) + 1;
        self.counts.insert(&word, count)?;
        self.lengths.insert(&(length, word.clone()), ())?;
        for letter in word.chars() {
            self.letters.insert(letter.to_string().as_str())?;
        }
        self.recent.push(word.clone())?;
        if self.recent.len()? > 2 {
            self.recent.pop_front()?;
        }
        self.longest.add(length)?;
        self.all.update(|all| *all += 1)?;
        self.tags.insert("last", length)?;
        if word.contains("reject") {
            reject!("as told");
        }
        Ok(())
    }
}

impl Process<i64> for Kinds {
    fn process(&mut self, control: i64, _: &mut Context<'_>) -> Result<()> {
        match control {
            0 => self.log.emit(format!("{:?} {:?}", self.all.get()?, self.tags.get("last")?)),
            _ => self.longest.get().map(|_| ()),
        }
    }
}

#[test]
fn every_kind_of_state_remembers() {
    let mut harness = TestHarness::new::<Kinds>();
    let send = |harness: &mut TestHarness, words: &[&str]| {
        harness.send_all(words.iter().map(|text| word("a", text)).collect::<Vec<_>>());
    };
    send(&mut harness, &["b", "a", "b", "list"]);
    send(&mut harness, &["cc", "list", "a", "short"]);
    send(&mut harness, &["clear", "list", "d", "list"]);
    harness.send_all([word("other", "list"), word("other", "e")]);
    harness.send_to("controls", [0_i64]);
    let expected = [
        "(\"a\", 1)(\"b\", 2) ab a,b Some(1)",
        "(\"a\", 1)(\"b\", 2)(\"cc\", 1) abc b,cc Some(2)",
        "a,b,cc",
        "   None",
        "(\"d\", 1) d d Some(1)",
        "   None",
        "Some(7) Some(1)",
    ];
    assert_eq!(harness.values::<String>("log"), expected);
    assert_eq!(harness.entries::<String, i64>("counts", "a"), [("d".to_owned(), 1)]);
    assert_eq!(harness.list::<String>("recent", "a"), ["d"]);
    assert_eq!(harness.state::<i64>("all-words", ()), Some(7));
    assert_eq!(harness.entries::<String, i64>("tags", ()), [("last".to_owned(), 1)]);
}

#[test]
fn a_rejected_record_is_undone_in_every_kind() {
    let mut harness = TestHarness::new::<Kinds>();
    harness.send_all(["a", "reject", "list"].map(|text| word("k", text)));
    harness.send_all(["rejected", "list"].map(|text| word("k", text)));
    let unchanged = "(\"a\", 1) a a Some(1)";
    assert_eq!(harness.values::<String>("log"), [unchanged, unchanged]);
    assert_eq!(harness.state::<i64>("all-words", ()), Some(1));
    assert_eq!(harness.entries::<(i64, String), ()>("lengths", "k"), [((1, "a".to_owned()), ())]);
}

#[test]
fn what_the_author_has_to_mend_stops_the_pipeline() {
    let mut harness = TestHarness::new::<Kinds>();
    let failure = |result: Result<(), Failure>| match result {
        Err(Failure::Fatal(reason)) => reason,
        other => panic!("{other:?}"),
    };
    let reason = failure(harness.try_send_to("words", [word("a", "unlisted")]));
    assert!(reason.contains("state `unlisted` is declared with `scan = false`"), "{reason}");
    let reason = failure(harness.try_send_to("controls", [1_i64]));
    assert!(reason.contains("`longest` is kept by key, but `controls` has no key"), "{reason}");
}

#[test]
fn a_scan_sees_what_the_batch_has_written() {
    let script = |harness: &mut TestHarness| {
        for round in 0..5 {
            let words = ["d", "b", "list", "clear", "a", "c", "a", "list", "b", "list", "short"];
            harness.send_all(words.map(|text| word(if round % 2 == 0 { "k" } else { "l" }, text)));
        }
    };
    let harness = same_in_any_batches::<Kinds>(&[], script);
    assert_eq!(harness.values::<String>("log").len(), 20);
}

/// Lists a map of thousands of entries.
#[transform]
#[input(numbers, key = i32)]
struct Many {
    entries: Map<i64, i64>,
    sums: Output<i64>,
}

impl Process<i64> for Many {
    fn process(&mut self, number: i64, _: &mut Context<'_>) -> Result<()> {
        if number >= 0 {
            return self.entries.insert(&number, number);
        }
        if number < -1 {
            self.entries.remove_range(..-number)?;
        }
        let all = self.entries.iter()?.map(|entry| Ok(entry?.1)).sum::<Result<i64>>()?;
        let first = self.entries.first(5.., 3)?.map(|entry| Ok(entry?.0)).collect::<Result<Vec<_>>>()?;
        self.sums.emit(all)?;
        self.sums.emit(first.into_iter().sum::<i64>())
    }
}

#[test]
fn scans_go_over_many_pages() {
    let mut harness = TestHarness::new::<Many>();
    let send = |harness: &mut TestHarness, numbers: Vec<i64>| {
        harness
            .send_all(numbers.into_iter().map(|number| TestRecord::new(number).key(7)).collect::<Vec<_>>());
    };
    send(&mut harness, (0..2500).collect());
    // What is written since lies before, between and behind what the host has.
    send(&mut harness, (2400..2600).chain([-1]).collect());
    send(&mut harness, vec![-2000, 1, -1]);
    let sum = |range: std::ops::Range<i64>| range.sum::<i64>();
    let expected = [sum(0..2600), 5 + 6 + 7, sum(2000..2600), 2000 + 2001 + 2002, 1 + sum(2000..2600), 6003];
    assert_eq!(harness.values::<i64>("sums"), expected);
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
    let manifest = Kinds::manifest();
    for expected in [
        r#"{"name":"letters","value":"null","scan":true}"#,
        r#"{"name":"unlisted","value":"long"}"#,
        r#"{"name":"all-words","value":"long","scope":"partition"}"#,
        r#"{"name":"tags","value":"long","scope":"partition","scan":true}"#,
        r#"{"name":"recent","value":{"type":"record","name":"wasmill.ListSlot","fields":[{"name":"first","type":"long"},{"name":"next","type":"long"},{"name":"element","type":{"type":"array","items":"string"}}]}}"#,
    ] {
        assert!(manifest.contains(expected), "{manifest}");
    }
    assert!(!manifest.contains("timers") && !manifest.contains("event_time"), "{manifest}");
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

/// Looks entries up by forms of their keys that own nothing.
#[transform]
#[input(words, key = String)]
struct Forms {
    pairs: Map<(i64, String), i64>,
    seen: Set<Vec<u8>>,
    found: Output<i64>,
}

impl Process<&str> for Forms {
    fn process(&mut self, word: &str, _: &mut Context<'_>) -> Result<()> {
        for (first, value) in [(1, 10), (1, 11), (2, 20)] {
            self.pairs.insert(&(first, format!("{word}-{value}").as_str()), value)?;
        }
        self.seen.insert(word.as_bytes())?;
        assert!(self.seen.contains(&word.as_bytes().to_vec())?);
        for entry in self.pairs.range((1, "")..(2, ""))? {
            self.found.emit(entry?.1)?;
        }
        self.found.emit(self.pairs.get(&(2, format!("{word}-20")))?.unwrap_or(-1))
    }
}

#[test]
fn entries_are_found_by_any_form_of_their_key() {
    let mut harness = TestHarness::new::<Forms>();
    harness.send(word("a", "x"));
    assert_eq!(harness.values::<i64>("found"), [10, 11, 20]);
}
