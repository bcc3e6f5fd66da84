//! What a seek is asked for with: `{ to: earliest, partitions: gone }`.

use crate::config::bindings;
use crate::config::section::Item;
use crate::config::section::Problems;
use crate::config::tree::FileFormat;
use crate::config::tree::Node;
use crate::model::failure::Refusal;
use crate::model::pipeline_spec::Start;
use crate::model::seek::Seek;
use crate::model::seek::SeekPartitions;

const PARTITIONS: [(&str, SeekPartitions); 2] =
    [("all", SeekPartitions::All), ("gone", SeekPartitions::Gone)];

/// Reads the document of a seek.
///
/// # Errors
/// Every problem of the document; at least one.
pub fn parse(text: &str, format: FileFormat) -> Result<Seek, Vec<Refusal>> {
    let mut problems = Problems::default();
    let node = Node::parse(text, format).map_err(|refusal| vec![*refusal])?;
    match read(&Item::root(&node), &mut problems) {
        Some(seek) if problems.list.is_empty() => Ok(seek),
        _ => Err(problems.list),
    }
}

/// None only with at least one problem.
fn read(item: &Item<'_>, problems: &mut Problems) -> Option<Seek> {
    let mut section = item.section(problems)?;
    let expected = "`earliest`, `latest`, `{ timestamp: ... }` or `{ offsets: ... }`";
    let to = section.require(problems, "to", expected, "Say where to go on, for example `to: earliest`.");
    let partitions = section.take("partitions");
    section.finish(problems);
    let to = to.and_then(|item| bindings::start(&item, problems));
    let which = match &partitions {
        Some(item) => item.choice(problems, &PARTITIONS),
        None => Some(SeekPartitions::All),
    };
    if let (Some(Start::Offsets(_)), Some(partitions)) = (&to, &partitions) {
        let expected = "no such key beside `offsets`, which name the partitions";
        let message = "the partitions are named twice";
        partitions.problem(problems, "conflicting-keys", message, expected, "Remove it.");
    }
    Some(Seek { to: to?, partitions: which? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Seek, Vec<(&'static str, String)>> {
        parse(text, FileFormat::Yaml)
            .map_err(|refusals| refusals.into_iter().map(|refusal| (refusal.code.0, refusal.field)).collect())
    }

    #[test]
    fn a_seek_has_the_forms_of_a_start() {
        let of = |text: &str| parsed(text).expect(text);
        assert_eq!(of("to: earliest"), Seek { to: Start::Earliest, partitions: SeekPartitions::All });
        let gone = of("{ to: latest, partitions: gone }");
        assert_eq!(gone, Seek { to: Start::Latest, partitions: SeekPartitions::Gone });
        assert_eq!(of("to: { timestamp: 2026-01-31T00:00:00Z }").to, Start::Timestamp(1_769_817_600_000));
        let Start::Offsets(offsets) = of("to: { offsets: { in: { 0: 7 } } }").to else { panic!("offsets") };
        assert_eq!(offsets["in"][&0], 7);
    }

    #[test]
    fn what_is_no_seek_is_refused_with_every_problem() {
        let of = |code, field: &str| (code, field.to_owned());
        assert_eq!(parsed("{}"), Err(vec![of("missing-key", "to")]));
        assert_eq!(
            parsed("{ too: latest, partitions: some }"),
            Err(vec![of("missing-key", "to"), of("unknown-key", "too"), of("unknown-value", "partitions")])
        );
        assert_eq!(parsed("to: middle"), Err(vec![of("unknown-value", "to")]));
        assert_eq!(
            parsed("{ to: { offsets: { in: { 0: 7 } } }, partitions: all }"),
            Err(vec![of("conflicting-keys", "partitions")])
        );
        assert_eq!(parsed("[]"), Err(vec![of("wrong-type", "document")]));
        assert_eq!(parsed("to: ["), Err(vec![of("invalid-yaml", "document")]));
    }
}
