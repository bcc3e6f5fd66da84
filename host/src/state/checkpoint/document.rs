//! What a checkpoint consists of, and how far it has come: one immutable document.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::Serialize;

use crate::model::position::Offset;
use crate::state::checkpoint::CheckpointError;
use crate::state::local_record::ChangelogPosition;
use crate::state::local_record::LocalRecord;

/// The format of documents that this version writes, and the only one that it reads.
const FORMAT: u32 = 1;

/// Files of one checkpoint. A task of a terabyte has about 30,000.
const FILES_MAX: usize = 1 << 20;

/// A checkpoint's place in the order of all of a task: the later, the newer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(in crate::state) struct CheckpointName {
    pub(in crate::state) generation: u64,
    /// From 1; 0 is the claim.
    pub(in crate::state) sequence: u64,
}

impl CheckpointName {
    /// The inverse of its `Display`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (generation, sequence) = text.split_once('-')?;
        let name = Self { generation: generation.parse().ok()?, sequence: sequence.parse().ok()? };
        (name.to_string() == text).then_some(name)
    }
}

impl fmt::Display for CheckpointName {
    /// As long as numbers stay below ten digits, their texts have the order of the names.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:010}-{:010}", self.generation, self.sequence)
    }
}

/// A file of the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::state) struct FileEntry {
    /// Within the database's folder.
    pub(in crate::state) name: String,
    /// Hexadecimal. Names the file in the object store.
    pub(in crate::state) sha256: String,
    pub(in crate::state) bytes: u64,
}

/// How far a checkpoint has come in one changelog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    topic_id: String,
    next: i64,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::state) struct Document {
    format: u32,
    pub(in crate::state) group: String,
    pub(in crate::state) partition: i32,
    generation: u64,
    sequence: u64,
    /// Milliseconds since the Unix epoch, as all times here.
    written_at: i64,
    /// When the state was level with its changelogs.
    level_at: i64,
    /// By the name of the store.
    changelogs: BTreeMap<String, Position>,
    /// Offsets of the inputs, by port: for people.
    inputs: BTreeMap<String, i64>,
    /// Value schemas by store and index: for people, since the meta store has them too.
    schemas: BTreeMap<String, BTreeMap<u32, String>>,
    pub(in crate::state) files: Vec<FileEntry>,
}

/// What a new document says beside its files.
pub(super) struct Heading<'a> {
    pub(super) group: &'a str,
    pub(super) partition: i32,
    pub(super) name: CheckpointName,
    pub(super) written_at: i64,
    pub(super) record: &'a LocalRecord,
    pub(super) schemas: &'a BTreeMap<String, BTreeMap<u32, String>>,
}

impl Document {
    pub(super) fn new(heading: &Heading<'_>, files: Vec<FileEntry>) -> Self {
        let position = |(store, position): (&String, &ChangelogPosition)| {
            (store.clone(), Position { topic_id: position.topic_id.clone(), next: position.next.0 })
        };
        Self {
            format: FORMAT,
            group: heading.group.to_owned(),
            partition: heading.partition,
            generation: heading.name.generation,
            sequence: heading.name.sequence,
            written_at: heading.written_at,
            // One that does not say when is too old for every changelog.
            level_at: heading.record.level_at.unwrap_or(0),
            changelogs: heading.record.changelogs.iter().map(position).collect(),
            inputs: heading.record.inputs.iter().map(|(port, offset)| (port.clone(), offset.0)).collect(),
            schemas: heading.schemas.clone(),
            files,
        }
    }

    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, CheckpointError> {
        serde_json::to_vec_pretty(self).map_err(|error| CheckpointError::Damaged(error.to_string()))
    }

    /// Reads the document of a name.
    pub(super) fn parse(name: CheckpointName, bytes: &[u8]) -> Result<Self, CheckpointError> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let damaged = |why: String| CheckpointError::Damaged(format!("checkpoint {name}: {why}"));
        let version: Version =
            serde_json::from_slice(bytes).map_err(|error| damaged(format!("it is no document: {error}")))?;
        if version.format != FORMAT {
            return Err(CheckpointError::Format { name: name.to_string(), found: version.format });
        }
        let document: Self =
            serde_json::from_slice(bytes).map_err(|error| damaged(format!("it is no document: {error}")))?;
        let said = CheckpointName { generation: document.generation, sequence: document.sequence };
        if said != name {
            return Err(damaged(format!("it says that it is {said}")));
        }
        if document.files.len() > FILES_MAX {
            return Err(damaged(format!(
                "it has {} files, expected at most {FILES_MAX}",
                document.files.len()
            )));
        }
        if let Some(file) = document.files.iter().find(|file| !file.is_plain()) {
            return Err(damaged(format!("`{}` of it is no name of a file with its digest", file.name)));
        }
        Ok(document)
    }

    /// What the folder would know of itself.
    pub(in crate::state) fn record(&self) -> LocalRecord {
        let position = |(store, position): (&String, &Position)| {
            let Position { topic_id, next } = position;
            (store.clone(), ChangelogPosition { topic_id: topic_id.clone(), next: Offset(*next) })
        };
        LocalRecord {
            changelogs: self.changelogs.iter().map(position).collect(),
            level_at: Some(self.level_at),
            ..LocalRecord::default()
        }
    }

    pub(in crate::state) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

impl FileEntry {
    /// Whether it names a file right in the folder: a document may come from anybody.
    fn is_plain(&self) -> bool {
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let is_digest = |c: char| c.is_ascii_digit() || matches!(c, 'a'..='f');
        self.name.chars().all(is_name)
            && !self.name.starts_with('.')
            && !self.name.is_empty()
            && self.sha256.len() == 64
            && self.sha256.chars().all(is_digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: CheckpointName = CheckpointName { generation: 7, sequence: 3 };

    fn document() -> Document {
        let record = LocalRecord {
            changelogs: [(
                "total".to_owned(),
                ChangelogPosition { topic_id: "6Wl".to_owned(), next: Offset(41) },
            )]
            .into(),
            level_at: Some(1_700_000_000_000),
            inputs: [("payments".to_owned(), Offset(17))].into(),
            ..LocalRecord::default()
        };
        let heading = Heading {
            group: "wasmill.default.totals",
            partition: 3,
            name: NAME,
            written_at: 1_700_000_000_500,
            record: &record,
            schemas: &[("total".to_owned(), [(0, "\"long\"".to_owned())].into())].into(),
        };
        let files = vec![FileEntry { name: "000012.sst".to_owned(), sha256: "ab".repeat(32), bytes: 1234 }];
        Document::new(&heading, files)
    }

    #[test]
    fn a_document_has_the_text_of_the_golden_file_and_is_read_as_written() {
        let bytes = document().to_bytes().expect("JSON");
        let golden = include_str!("../golden/checkpoint.json");
        assert_eq!(String::from_utf8_lossy(&bytes), golden.trim_end(), "golden/checkpoint.json");
        let read = Document::parse(NAME, &bytes).expect("read");
        assert_eq!(read, document());
        assert_eq!(read.record().changelogs["total"].next, Offset(41));
        assert_eq!(read.bytes(), 1234);
    }

    #[test]
    fn what_is_not_the_document_of_its_name_is_refused() {
        let whole = document();
        let bytes = whole.to_bytes().expect("JSON");
        for cut in [0, 1, bytes.len() / 2, bytes.len() - 1] {
            let cut = Document::parse(NAME, &bytes[..cut]);
            assert!(matches!(cut, Err(CheckpointError::Damaged(_))), "{cut:?}");
        }
        let other = CheckpointName { generation: 7, sequence: 4 };
        let error = Document::parse(other, &bytes).expect_err("another name");
        assert!(error.to_string().contains("it says that it is 0000000007-0000000003"), "{error}");
        let newer = Document { format: 2, ..whole.clone() }.to_bytes().expect("JSON");
        assert!(matches!(Document::parse(NAME, &newer), Err(CheckpointError::Format { found: 2, .. })));
        for bad in ["../CURRENT", "a/b", "", ".", "..", ".hidden", "a\\b"] {
            let mut document = whole.clone();
            bad.clone_into(&mut document.files[0].name);
            let bytes = document.to_bytes().expect("JSON");
            assert!(Document::parse(NAME, &bytes).is_err(), "`{bad}` is no name of a file");
        }
        let mut document = whole;
        document.files[0].sha256 = "AB".repeat(32);
        assert!(Document::parse(NAME, &document.to_bytes().expect("JSON")).is_err());
    }

    #[test]
    fn names_are_read_as_written_and_keep_their_order() {
        assert_eq!(NAME.to_string(), "0000000007-0000000003");
        assert_eq!(CheckpointName::parse("0000000007-0000000003"), Some(NAME));
        for bad in ["7-3", "0000000007-0000000003.json", "0000000007", "-", "+000000007-0000000003"] {
            assert_eq!(CheckpointName::parse(bad), None, "{bad}");
        }
        assert!(CheckpointName { generation: 8, sequence: 1 } > NAME);
    }
}
