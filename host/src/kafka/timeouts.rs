//! The times of a worker's clients, which must fit together.

use std::time::Duration;

use crate::kafka::overrides::Overrides;
use crate::model::failure::Code;
use crate::model::failure::Refusal;
use crate::model::pipeline_spec::Delivery;
use crate::model::pipeline_spec::PipelineSpec;

/// `session.timeout.ms` unless the pipeline sets it. A static member that dies keeps its partitions
/// for this long.
pub const SESSION_TIMEOUT: Duration = Duration::from_secs(10);
/// `transaction.timeout.ms` unless the pipeline sets it. Below the session timeout, so that a
/// worker's transaction ends before its partitions go to another.
pub const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(8);
/// How long an at-least-once producer tries to write a record.
pub const MESSAGE_TIMEOUT: Duration = Duration::from_secs(30);

/// The properties that are compared, with the values that they have unless a pipeline sets them, in
/// milliseconds: ours, else the client's.
const DEFAULTS: [(&str, f64); 9] = [
    ("fetch.wait.max.ms", 500.0),
    // Ours follows the session timeout.
    ("heartbeat.interval.ms", 0.0),
    ("linger.ms", 5.0),
    ("max.poll.interval.ms", 300_000.0),
    ("reconnect.backoff.max.ms", 2_000.0),
    ("reconnect.backoff.ms", 50.0),
    ("session.timeout.ms", SESSION_TIMEOUT.as_millis() as f64),
    ("socket.timeout.ms", 60_000.0),
    ("transaction.timeout.ms", TRANSACTION_TIMEOUT.as_millis() as f64),
];

/// Checks the times that a pipeline sets for its clients, so that none is found out at its start. Each
/// pair that does not fit, and each value that is no number, is added to the refusals.
pub fn check(spec: &PipelineSpec, overrides: &Overrides, refusals: &mut Vec<Refusal>) {
    let mut check = Check { overrides, refusals };
    let exactly_once = spec.delivery == Delivery::ExactlyOnce;
    let session = if spec.inputs.len() > 1 {
        check.broker_sets("session.timeout.ms");
        check.broker_sets("heartbeat.interval.ms");
        // The shortest that brokers give, by default.
        Some(Time::fixed("the session timeout of the brokers", Duration::from_secs(45)))
    } else {
        let session = check.time("session.timeout.ms");
        let (heartbeat, poll) = (check.time("heartbeat.interval.ms"), check.time("max.poll.interval.ms"));
        check.below(heartbeat, session);
        check.at_most(session, poll, 0.0);
        session
    };
    let linger = check.time("linger.ms");
    if exactly_once {
        let transaction = check.time("transaction.timeout.ms");
        check.below(transaction, session);
        check.below(Some(Time::of_commit(spec.commit.interval)), transaction);
        check.below(linger, transaction);
        // Otherwise the client derives it from the transaction's timeout.
        if let Some(socket) = check.time("socket.timeout.ms").filter(Time::is_set) {
            check.at_most(Some(socket), transaction, 100.0);
        }
    } else {
        check.below(linger, Some(Time::fixed("the time in which a record must be written", MESSAGE_TIMEOUT)));
    }
    let (fetch, socket) = (check.time("fetch.wait.max.ms"), check.time("socket.timeout.ms"));
    check.at_most(fetch, socket, -1_000.0);
    let (first, longest) = (check.time("reconnect.backoff.ms"), check.time("reconnect.backoff.max.ms"));
    check.at_most(first, longest, 0.0);
}

/// How long a member that is gone keeps its place; none when the brokers say so.
#[must_use]
pub fn session(inputs: usize, overrides: &Overrides) -> Option<Duration> {
    let set = overrides.get("session.timeout.ms").and_then(|text| text.parse().ok());
    (inputs <= 1).then(|| set.map_or(SESSION_TIMEOUT, Duration::from_millis))
}

#[derive(Debug, Clone, Copy)]
struct Time {
    name: &'static str,
    ms: f64,
    origin: Origin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// A property that the pipeline sets.
    Set,
    Default,
    /// `commit.interval_ms` of the pipeline.
    Commit,
    /// Nobody can set it.
    Fixed,
}

impl Time {
    fn fixed(name: &'static str, time: Duration) -> Self {
        Self { name, ms: time.as_millis() as f64, origin: Origin::Fixed }
    }

    fn of_commit(interval: Duration) -> Self {
        Self { name: "commit.interval_ms", ms: interval.as_millis() as f64, origin: Origin::Commit }
    }

    fn is_set(&self) -> bool {
        self.origin == Origin::Set
    }

    /// Its name as it stands in a sentence.
    fn quoted(&self) -> String {
        if self.origin == Origin::Fixed { self.name.to_owned() } else { format!("`{}`", self.name) }
    }

    fn shown(&self) -> String {
        let default = if self.origin == Origin::Default { " (the default)" } else { "" };
        format!("{} is {} ms{default}", self.quoted(), self.ms)
    }

    fn field(&self) -> String {
        if self.origin == Origin::Commit { self.name.to_owned() } else { format!("kafka.{}", self.name) }
    }
}

struct Check<'a> {
    overrides: &'a Overrides,
    refusals: &'a mut Vec<Refusal>,
}

impl Check<'_> {
    /// None when the value is no number, which is refused once.
    fn time(&mut self, name: &'static str) -> Option<Time> {
        let Some(text) = self.overrides.get(name) else {
            let (_, ms) = DEFAULTS.iter().find(|(known, _)| *known == name)?;
            return Some(Time { name, ms: *ms, origin: Origin::Default });
        };
        if let Ok(ms) = text.parse() {
            return Some(Time { name, ms, origin: Origin::Set });
        }
        let field = format!("kafka.{name}");
        if !self.refusals.iter().any(|refusal| refusal.field == field) {
            self.refusals.push(Refusal {
                code: Code("kafka-property-value"),
                field,
                message: "this is no number of milliseconds".to_owned(),
                found: format!("`{text}`"),
                expected: "a decimal number".to_owned(),
                remedy: "Write the time in milliseconds, or leave the property out.".to_owned(),
            });
        }
        None
    }

    fn below(&mut self, low: Option<Time>, high: Option<Time>) {
        if let (Some(low), Some(high)) = (low, high)
            && low.ms >= high.ms
        {
            self.refuse(low, high, &format!("{} less than {}", low.quoted(), high.quoted()));
        }
    }

    /// `low` at most `high` and the margin.
    fn at_most(&mut self, low: Option<Time>, high: Option<Time>, margin_ms: f64) {
        if let (Some(low), Some(high)) = (low, high)
            && low.ms > high.ms + margin_ms
        {
            let margin = if margin_ms == 0.0 {
                String::new()
            } else {
                format!(" {} {} ms", if margin_ms < 0.0 { "minus" } else { "plus" }, margin_ms.abs())
            };
            self.refuse(low, high, &format!("{} at most {}{margin}", low.quoted(), high.quoted()));
        }
    }

    /// The field is one that the pipeline sets; of two, the one to be lowered.
    fn refuse(&mut self, low: Time, high: Time, expected: &str) {
        let at = if high.is_set() && !low.is_set() { high } else { low };
        let remedy = if high.origin == Origin::Fixed {
            format!("Lower {}.", low.quoted())
        } else {
            format!("Lower {}, or raise {}.", low.quoted(), high.quoted())
        };
        self.refusals.push(Refusal {
            code: Code("kafka-timeouts"),
            field: at.field(),
            message: "the times of the Kafka clients do not fit together".to_owned(),
            found: format!("{}, {}", low.shown(), high.shown()),
            expected: expected.to_owned(),
            remedy,
        });
    }

    /// With several inputs some times are the coordinator's to set.
    fn broker_sets(&mut self, name: &'static str) {
        let Some(value) = self.overrides.get(name) else { return };
        self.refusals.push(Refusal {
            code: Code("kafka-timeouts"),
            field: format!("kafka.{name}"),
            message: "with several inputs the brokers set this time".to_owned(),
            found: format!("`{value}`"),
            expected: "no such key".to_owned(),
            remedy: "Leave it out, or set it for the group on the brokers.".to_owned(),
        });
    }
}

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;

    use super::*;
    use crate::model::pipeline_spec::Format;
    use crate::model::pipeline_spec::InputBinding;
    use crate::model::pipeline_spec::PartBinding;
    use crate::model::pipeline_spec::TransformRef;

    fn spec(inputs: usize, delivery: Delivery) -> PipelineSpec {
        let part = PartBinding { format: Format::Raw, subject: None };
        let input = |n: usize| InputBinding {
            topic: format!("t{n}").into(),
            key: part.clone(),
            value: part.clone(),
            read_as: Default::default(),
            event_time: Default::default(),
        };
        PipelineSpec {
            name: crate::model::ids::PipelineName::new("p").expect("a name"),
            transform: TransformRef::File("t.wasm".into()),
            inputs: (0..inputs).map(|n| (format!("in{n}"), input(n))).collect(),
            outputs: Default::default(),
            delivery,
            start: Default::default(),
            commit: Default::default(),
            batch: Default::default(),
            on_bad_record: Default::default(),
            retry: Default::default(),
            schemas: Default::default(),
            limits: Default::default(),
            workers: 1,
            config: Default::default(),
            secrets: Default::default(),
            kafka: Default::default(),
            accept_duplicate_updates: false,
            checkpoint: Default::default(),
        }
    }

    /// Fields and codes of what is refused.
    fn refused(spec: &PipelineSpec, properties: &[(&str, &str)]) -> Vec<(String, &'static str)> {
        let properties: IndexMap<String, String> =
            properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut refusals = Vec::new();
        let overrides = Overrides::new(&properties, &mut refusals);
        assert_eq!(refusals, [], "the client takes each of them");
        check(spec, &overrides, &mut refusals);
        refusals.into_iter().map(|refusal| (refusal.field, refusal.code.0)).collect()
    }

    #[test]
    fn what_is_not_set_fits_together() {
        for inputs in [1, 2] {
            for delivery in [Delivery::ExactlyOnce, Delivery::AtLeastOnce] {
                assert_eq!(refused(&spec(inputs, delivery), &[]), []);
            }
        }
        let mut slow = spec(1, Delivery::ExactlyOnce);
        slow.commit.interval = Duration::from_secs(5);
        assert_eq!(refused(&slow, &[]), [], "the longest interval that a file may name");
    }

    #[test]
    fn a_pair_that_does_not_fit_is_refused_where_the_pipeline_set_it() {
        let once = spec(1, Delivery::ExactlyOnce);
        let cases: [(&[(&str, &str)], &str); 8] = [
            (&[("transaction.timeout.ms", "10000")], "kafka.transaction.timeout.ms"),
            (&[("session.timeout.ms", "8000")], "kafka.session.timeout.ms"),
            (&[("session.timeout.ms", "300001")], "kafka.session.timeout.ms"),
            (&[("max.poll.interval.ms", "9999")], "kafka.max.poll.interval.ms"),
            (&[("heartbeat.interval.ms", "10000")], "kafka.heartbeat.interval.ms"),
            (&[("socket.timeout.ms", "8101")], "kafka.socket.timeout.ms"),
            (&[("reconnect.backoff.ms", "2001")], "kafka.reconnect.backoff.ms"),
            (&[("linger.ms", "8000")], "kafka.linger.ms"),
        ];
        for (properties, field) in cases {
            let found = refused(&once, properties);
            assert_eq!(found, [(field.to_owned(), "kafka-timeouts")], "{properties:?}");
        }
        let fits = [("session.timeout.ms", "6000"), ("transaction.timeout.ms", "4000")];
        assert_eq!(refused(&once, &fits), []);
        assert_eq!(refused(&once, &[("socket.timeout.ms", "8100"), ("linger.ms", "7.5")]), []);
    }

    #[test]
    fn every_pair_is_told_at_once_and_a_value_that_is_no_number_once() {
        let once = spec(1, Delivery::ExactlyOnce);
        let found = refused(&once, &[("session.timeout.ms", "0x10"), ("reconnect.backoff.ms", "9000")]);
        let value = ("kafka.session.timeout.ms".to_owned(), "kafka-property-value");
        assert_eq!(found, [value, ("kafka.reconnect.backoff.ms".to_owned(), "kafka-timeouts")]);
    }

    #[test]
    fn a_cycle_must_end_before_its_transaction() {
        let mut slow = spec(1, Delivery::ExactlyOnce);
        slow.commit.interval = Duration::from_secs(5);
        let short = [("transaction.timeout.ms", "4000")];
        assert_eq!(refused(&slow, &short), [("kafka.transaction.timeout.ms".to_owned(), "kafka-timeouts")]);
        slow.delivery = Delivery::AtLeastOnce;
        assert_eq!(refused(&slow, &short), [], "there is none");
    }

    #[test]
    fn with_several_inputs_the_brokers_set_the_session() {
        let joined = spec(2, Delivery::ExactlyOnce);
        let found = refused(&joined, &[("session.timeout.ms", "6000"), ("heartbeat.interval.ms", "1000")]);
        let of = |name: &str| (format!("kafka.{name}"), "kafka-timeouts");
        assert_eq!(found, [of("session.timeout.ms"), of("heartbeat.interval.ms")]);
        assert_eq!(refused(&joined, &[("transaction.timeout.ms", "30000")]), []);
        let late = refused(&joined, &[("transaction.timeout.ms", "45000")]);
        assert_eq!(late, [of("transaction.timeout.ms")]);
    }

    #[test]
    fn a_refusal_says_what_was_found_and_how_to_mend_it() {
        let once = spec(1, Delivery::ExactlyOnce);
        let properties = IndexMap::from([("transaction.timeout.ms".to_owned(), "12000".to_owned())]);
        let mut refusals = Vec::new();
        let overrides = Overrides::new(&properties, &mut refusals);
        check(&once, &overrides, &mut refusals);
        let refusal = refusals.remove(0);
        assert_eq!(
            refusal.found,
            "`transaction.timeout.ms` is 12000 ms, `session.timeout.ms` is 10000 ms (the default)"
        );
        assert_eq!(refusal.expected, "`transaction.timeout.ms` less than `session.timeout.ms`");
        assert_eq!(refusal.remedy, "Lower `transaction.timeout.ms`, or raise `session.timeout.ms`.");
    }
}
