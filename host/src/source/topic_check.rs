//! An input topic of which the client says that it is not there, or not allowed.

use std::time::Duration;
use std::time::Instant;

use crate::kafka::error::ErrorCode;
use crate::kafka::error::KafkaError;
use crate::model::failure::Stop;

/// A topic may be unknown for a moment: while a broker starts, or while the news of a new topic
/// spreads. Only if it still is after this time does the pipeline stop.
const GRACE: Duration = Duration::from_secs(5);
/// Time between two questions.
const ASK_INTERVAL: Duration = Duration::from_millis(500);

/// The doubt about the input topics, while there is one.
#[derive(Debug, Default)]
pub(in crate::source) struct TopicCheck {
    doubt: Option<Doubt>,
}

#[derive(Debug)]
struct Doubt {
    since: Instant,
    asked: Instant,
}

impl TopicCheck {
    /// Begins to doubt, unless it does already.
    pub(in crate::source) fn doubt(&mut self, now: Instant) {
        self.doubt.get_or_insert(Doubt { since: now, asked: now });
    }

    /// Whether it is time to ask again.
    pub(in crate::source) fn is_due(&mut self, now: Instant) -> bool {
        let Some(doubt) = &mut self.doubt else {
            return false;
        };
        if now.duration_since(doubt.asked) < ASK_INTERVAL {
            return false;
        }
        doubt.asked = now;
        true
    }

    /// What the cluster answered about every topic: none when all are there.
    ///
    /// # Errors
    /// When a topic has been missing or forbidden for too long.
    pub(in crate::source) fn answer(&mut self, found: Option<Stop>, now: Instant) -> Result<(), Stop> {
        match (found, &self.doubt) {
            (None, _) => self.doubt = None,
            (Some(stop), Some(doubt)) if now.duration_since(doubt.since) >= GRACE => return Err(stop),
            (Some(_), _) => self.doubt(now),
        }
        Ok(())
    }
}

/// The stop that an error about a topic is, if it is one.
pub(in crate::source) fn topic_stop(topic: &str, error: &KafkaError) -> Option<Stop> {
    match error.code {
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION | ErrorCode::UNKNOWN_TOPIC => Some(Stop::new(
            "topic-missing",
            format!("the input topic `{topic}` does not exist"),
            "Create the topic, or correct its name in the pipeline",
        )),
        ErrorCode::TOPIC_AUTHORIZATION_FAILED => Some(Stop::new(
            "topic-forbidden",
            format!("the broker does not let this host read the input topic `{topic}`"),
            "Allow the host's principal READ and DESCRIBE on the topic",
        )),
        ErrorCode::INVALID_TOPIC => Some(Stop::new(
            "topic-invalid",
            format!("`{topic}` cannot be the name of a topic"),
            "Correct the topic's name in the pipeline",
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_missing_only_after_a_while() {
        let begin = Instant::now();
        let missing = || topic_stop("t", &KafkaError::of(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
        let mut check = TopicCheck::default();
        assert!(!check.is_due(begin));
        check.doubt(begin);
        assert!(check.is_due(begin + ASK_INTERVAL));
        assert!(!check.is_due(begin + ASK_INTERVAL));
        assert_eq!(check.answer(missing(), begin + ASK_INTERVAL), Ok(()));
        let stop = check.answer(missing(), begin + GRACE).expect_err("long enough");
        assert_eq!(stop.code.0, "topic-missing");
        assert_eq!(check.answer(None, begin + GRACE), Ok(()));
        assert!(!check.is_due(begin + GRACE + GRACE));
    }
}
