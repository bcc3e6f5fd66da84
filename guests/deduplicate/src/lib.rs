//! Passes every click on once: a click whose id was seen within a day, by event time, is dropped.

use wasmill_sdk::prelude::*;

/// A click. Its key is the user.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(namespace = "com.example.web")]
pub struct Click<'a> {
    pub id: &'a str,
    pub page: &'a str,
    /// Milliseconds since the Unix epoch.
    #[record(logical = "timestamp-millis")]
    pub at: i64,
}

/// Passes every click on once a day.
#[transform]
#[input(clicks, key = String, prefetch, event_time = "at", out_of_orderness = "1m", granularity = "1s")]
pub struct DeduplicateClicks {
    /// The ids of the clicks of the last day.
    #[state(ttl = "1d")]
    seen: Deduplicate<String>,
    clicks: Output<Click<'_>>,
}

impl Process<Click<'_>> for DeduplicateClicks {
    fn process(&mut self, click: Click<'_>, _: &mut Context<'_>) -> Result<()> {
        if self.seen.is_first(click.id)? { self.clicks.emit(click) } else { Ok(()) }
    }
}

impl Prefetch<Click<'_>> for DeduplicateClicks {
    fn prefetch(&mut self, click: &Click<'_>) -> Result<()> {
        self.seen.prefetch(click.id)
    }
}

#[cfg(test)]
mod tests {
    use wasmill_sdk::native::same_in_any_batches;

    use super::*;

    const DAY: i64 = 86_400_000;

    fn click(user: &str, id: &'static str, at: i64) -> TestRecord<Click<'static>, String> {
        TestRecord::new(Click { id, page: "/", at }).key(user.to_owned())
    }

    fn ids(harness: &TestHarness) -> Vec<&str> {
        harness.values::<Click<'_>>("clicks").iter().map(|click| click.id).collect()
    }

    #[test]
    fn the_first_of_equal_ids_passes() {
        let mut harness = TestHarness::new::<DeduplicateClicks>();
        harness.send_all([click("ann", "1", 0), click("ann", "2", 0), click("ann", "1", 5)]);
        harness.send_all([click("ann", "2", 9), click("ann", "3", 9)]);
        assert_eq!(ids(&harness), ["1", "2", "3"]);
        assert_eq!(harness.entries::<String, ()>("seen", "ann").len(), 3);
    }

    #[test]
    fn users_do_not_share_ids() {
        let mut harness = TestHarness::new::<DeduplicateClicks>();
        harness.send_all([click("ann", "1", 0), click("bob", "1", 0)]);
        assert_eq!(ids(&harness), ["1", "1"]);
    }

    #[test]
    fn an_id_is_forgotten_a_day_after_it_was_first_seen() {
        let mut harness = TestHarness::new::<DeduplicateClicks>();
        harness.send_all([click("ann", "1", 0), click("ann", "1", DAY / 2)]);
        // A day after the watermark of the first click, which is a minute behind it.
        harness.send_all([click("bob", "2", DAY - 1), click("ann", "1", DAY - 1)]);
        assert_eq!(ids(&harness), ["1", "2"]);
        harness.send_all([click("bob", "2", DAY), click("ann", "1", DAY)]);
        assert_eq!(ids(&harness), ["1", "2", "1"]);
    }

    #[test]
    fn batches_make_no_difference() {
        let names: Vec<&'static str> = vec!["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"];
        let harness = same_in_any_batches::<DeduplicateClicks>(&[], |harness| {
            let at = |n: i64| n * DAY / 300 + (n * 7919) % 100_000;
            let user = |n: i64| format!("user-{}", n % 7);
            let id = |n: i64| names[(n * n % 11) as usize];
            harness.send_all((0..1500).map(|n| click(&user(n), id(n), at(n))));
        });
        let passed = ids(&harness).len();
        assert!((100..1400).contains(&passed), "{passed}");
    }
}
