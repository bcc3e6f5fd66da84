//! The kinds of state, and how their entries are listed and found.

use wasmill_sdk::Transform;
use wasmill_sdk::native::same_in_any_batches;
use wasmill_sdk::prelude::*;
use wasmill_sdk::state::Max;
use wasmill_sdk::wire::Failure;

fn word(key: &str, word: &str) -> TestRecord<String, String> {
    TestRecord::new(word.to_owned()).key(key.to_owned())
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

#[test]
fn the_manifest_lists_every_kind() {
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
