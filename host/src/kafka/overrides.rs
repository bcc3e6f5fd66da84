//! Client properties that a pipeline may set, and why it may not set the others.

use indexmap::IndexMap;

use crate::kafka::config::ClientConfig;
use crate::kafka::error::KafkaError;
use crate::model::failure::Code;
use crate::model::failure::Refusal;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Both,
    Consumer,
    Producer,
}

const ALLOWED: &[(&str, Role)] = &[
    ("broker.address.family", Role::Both),
    ("client.dns.lookup", Role::Both),
    ("client.rack", Role::Both),
    ("connections.max.idle.ms", Role::Both),
    ("metadata.max.age.ms", Role::Both),
    ("reconnect.backoff.max.ms", Role::Both),
    ("reconnect.backoff.ms", Role::Both),
    ("socket.connection.setup.timeout.ms", Role::Both),
    ("socket.nagle.disable", Role::Both),
    ("socket.receive.buffer.bytes", Role::Both),
    ("socket.send.buffer.bytes", Role::Both),
    ("socket.timeout.ms", Role::Both),
    ("check.crcs", Role::Consumer),
    ("fetch.error.backoff.ms", Role::Consumer),
    ("fetch.min.bytes", Role::Consumer),
    ("fetch.queue.backoff.ms", Role::Consumer),
    ("fetch.wait.max.ms", Role::Consumer),
    ("heartbeat.interval.ms", Role::Consumer),
    ("max.poll.interval.ms", Role::Consumer),
    ("queued.min.messages", Role::Consumer),
    ("session.timeout.ms", Role::Consumer),
    ("batch.num.messages", Role::Producer),
    ("batch.size", Role::Producer),
    ("compression.level", Role::Producer),
    ("compression.type", Role::Producer),
    ("linger.ms", Role::Producer),
    ("message.max.bytes", Role::Producer),
    ("queue.buffering.max.kbytes", Role::Producer),
    ("queue.buffering.max.messages", Role::Producer),
    ("retry.backoff.max.ms", Role::Producer),
    ("retry.backoff.ms", Role::Producer),
    ("transaction.timeout.ms", Role::Producer),
];

/// Properties of which the answer should say more than "not on the list".
const REFUSED: &[(&str, &str)] = &[
    ("acks", "every replica in sync must acknowledge, or a broker's crash would lose records"),
    ("auto.offset.reset", "`start` says where a pipeline begins; a lost offset stops it by name"),
    ("bootstrap.servers", "the cluster is a setting of the host, so that a pipeline file runs anywhere"),
    ("client.id", "it names the host and the worker in the broker's logs"),
    ("enable.auto.commit", "offsets are committed with the outputs, or exactly-once is lost"),
    ("enable.auto.offset.store", "offsets are committed with the outputs, or exactly-once is lost"),
    ("enable.idempotence", "without it a retry writes a record twice"),
    ("enable.partition.eof", "the pipeline does not end at the end of a partition"),
    ("fetch.max.bytes", "it follows from the pipeline's limits"),
    ("fetch.message.max.bytes", "it follows from the pipeline's limits"),
    ("group.id", "it is the pipeline's name, so that two pipelines never share offsets"),
    ("group.instance.id", "it is the worker's name, which fences a second worker of that name"),
    ("group.protocol", "it follows from the number of input topics"),
    ("isolation.level", "reading records of aborted transactions would break exactly-once"),
    ("max.in.flight", "more than five breaks the order that idempotence keeps"),
    ("max.in.flight.requests.per.connection", "more than five breaks the order that idempotence keeps"),
    ("max.partition.fetch.bytes", "it follows from the pipeline's limits"),
    ("partition.assignment.strategy", "it follows from the number of input topics"),
    ("partitioner", "`partition_by` of the output says how records are spread"),
    ("plugin.library.paths", "it would load foreign code into the host"),
    ("queued.max.messages.kbytes", "it follows from the pipeline's limits"),
    ("request.required.acks", "every replica in sync must acknowledge"),
    ("statistics.interval.ms", "lag and metrics depend on it"),
    ("transactional.id", "it is the worker's name, which fences a second worker of that name"),
];

/// Numbers that the host reckons with itself, so that the client's other ways to write one do not do.
const WHOLE_NUMBERS: [&str; 3] = ["batch.size", "message.max.bytes", "queue.buffering.max.kbytes"];

/// Client properties of one pipeline, checked against the allow-list and by librdkafka.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    properties: Vec<(String, String, Role)>,
}

impl Overrides {
    /// Those of the properties that can be taken. One that is not allowed, or whose value librdkafka
    /// refuses, is added to the refusals.
    pub fn new(properties: &IndexMap<String, String>, refusals: &mut Vec<Refusal>) -> Self {
        let mut taken = Vec::new();
        for (name, value) in properties {
            let Some((_, role)) = ALLOWED.iter().find(|(allowed, _)| allowed == name) else {
                refusals.push(not_allowed(name));
                continue;
            };
            let mut config = ClientConfig::new();
            let taken_by_client = config.set(name, value).map_err(|error| error.message);
            let usable = taken_by_client.and_then(|()| {
                let plain = !WHOLE_NUMBERS.contains(&name.as_str()) || value.parse::<usize>().is_ok();
                if plain { Ok(()) } else { Err("a whole number in decimal digits".to_owned()) }
            });
            if let Err(expected) = usable {
                refusals.push(Refusal {
                    code: Code("kafka-property-value"),
                    field: format!("kafka.{name}"),
                    message: "the Kafka client refuses this value".to_owned(),
                    found: format!("`{value}`"),
                    expected,
                    remedy: "Correct the value or leave the property out.".to_owned(),
                });
                continue;
            }
            taken.push((name.clone(), value.clone(), *role));
        }
        Self { properties: taken }
    }

    /// The value of a property, if the pipeline sets it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.properties.iter().find(|(set, ..)| set == name).map(|(_, value, _)| value.as_str())
    }

    pub(in crate::kafka) fn apply_to_consumer(&self, config: &mut ClientConfig) -> Result<(), KafkaError> {
        self.apply(config, Role::Producer)
    }

    pub(in crate::kafka) fn apply_to_producer(&self, config: &mut ClientConfig) -> Result<(), KafkaError> {
        self.apply(config, Role::Consumer)
    }

    fn apply(&self, config: &mut ClientConfig, not: Role) -> Result<(), KafkaError> {
        for (name, value, role) in &self.properties {
            if *role != not {
                config.set(name, value)?;
            }
        }
        Ok(())
    }
}

fn not_allowed(name: &str) -> Refusal {
    let known = REFUSED.iter().find(|(refused, _)| *refused == name);
    let (message, remedy) = if let Some((_, why)) = known {
        (format!("this property is not for a pipeline to set: {why}"), "Leave it out.".to_owned())
    } else if ["sasl.", "ssl.", "security.", "oauthbearer"].iter().any(|prefix| name.starts_with(prefix)) {
        (
            "security is a setting of the host, so that no secret stands in a pipeline file".to_owned(),
            "Set it in the host's settings.".to_owned(),
        )
    } else {
        // None of them is longer, and the search takes time by the product of both lengths.
        let known = ALLOWED.iter().filter(|_| name.len() <= 64);
        let nearest = known
            .map(|(allowed, _)| (strsim::damerau_levenshtein(allowed, name), *allowed))
            .min()
            .filter(|(distance, _)| *distance <= 4);
        let remedy = match nearest {
            Some((_, nearest)) => format!("Did you mean `{nearest}`?"),
            None => "Leave it out.".to_owned(),
        };
        ("this property is not on the list of those that a pipeline may set".to_owned(), remedy)
    };
    Refusal {
        code: Code("kafka-property"),
        field: format!("kafka.{name}"),
        message,
        found: format!("`{name}`"),
        expected: format!("one of {}", ALLOWED.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")),
        remedy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, value: &str) -> Result<Overrides, Vec<Refusal>> {
        let mut refusals = Vec::new();
        let taken = Overrides::new(&IndexMap::from([(name.to_owned(), value.to_owned())]), &mut refusals);
        if refusals.is_empty() { Ok(taken) } else { Err(refusals) }
    }

    #[test]
    fn every_listed_property_is_known_to_the_client() {
        for (name, _) in ALLOWED {
            let refusals = of(name, "\u{1}").map_or_else(|refusals| refusals, |_| Vec::new());
            for refusal in refusals {
                assert!(!refusal.expected.contains("No such configuration"), "{name}: {refusal}");
            }
        }
    }

    #[test]
    fn a_refusal_says_why_and_what_else() {
        let refusals = of("isolation.level", "read_uncommitted").expect_err("refused");
        assert!(refusals[0].message.contains("exactly-once"), "{}", refusals[0]);
        let refusals = of("client.rak", "a").expect_err("refused");
        assert!(refusals[0].remedy.contains("client.rack"), "{}", refusals[0]);
        let refusals = of("sasl.password", "hidden").expect_err("refused");
        assert!(!refusals[0].to_string().contains("hidden"), "{}", refusals[0]);
        let refusals = of("linger.ms", "soon").expect_err("refused");
        assert_eq!(refusals[0].code.0, "kafka-property-value");
        for hexadecimal in WHOLE_NUMBERS {
            let refusals = of(hexadecimal, "0x10000").expect_err("refused");
            assert_eq!(refusals[0].code.0, "kafka-property-value", "{}", refusals[0]);
        }
        assert_eq!(of("client.rack", "a").expect("allowed").get("client.rack"), Some("a"));
    }
}
