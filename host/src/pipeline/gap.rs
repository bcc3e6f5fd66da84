//! A committed offset that is not in its partition any more.

use crate::model::failure::Stop;
use crate::model::position::Offset;
use crate::model::position::TopicPartition;

/// Stops a pipeline at a gap: whoever owns the data decides whether it may go on behind it.
#[must_use]
pub fn stop(partition: &TopicPartition, committed: Offset, first: Offset, remedy: &str) -> Stop {
    let message = match first.0.saturating_sub(committed.0) {
        missing @ 1.. => format!(
            "the committed offset {committed} of {partition} is gone: the partition now begins at {first}, so {missing} records were deleted before they were read"
        ),
        _ => format!(
            "the committed offset {committed} of {partition} is not there: the partition begins at {first} and ends before it, as if the topic had been made anew"
        ),
    };
    Stop::new("offset-out-of-range", message, remedy.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::position::Partition;

    #[test]
    fn what_is_missing_is_told_on_either_side() {
        let partition = TopicPartition { topic: "t".into(), partition: Partition(3) };
        let at = |committed, first| stop(&partition, Offset(committed), Offset(first), "Seek");
        let deleted = at(100, 150);
        assert_eq!((deleted.code.0, deleted.remedy.as_ref()), ("offset-out-of-range", "Seek"));
        assert!(
            deleted.message.contains("100 of t-3 is gone") && deleted.message.contains("50 records"),
            "{deleted}"
        );
        let anew = at(100, 0);
        assert!(anew.message.contains("ends before it"), "{anew}");
    }
}
