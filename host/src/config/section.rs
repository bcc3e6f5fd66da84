//! Reads the keys of a map, collects every problem, and refuses what is left over.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use crate::config::suggest;
use crate::config::tree;
use crate::config::tree::Key;
use crate::config::tree::Node;
use crate::config::tree::Place;
use crate::config::tree::Value;
use crate::config::units;
use crate::model::failure::Code;
use crate::model::failure::Refusal;

/// Problems of one document that are told; a last one says that there are more.
pub(crate) const PROBLEMS_MAX: usize = 100;
/// Longest key that is a name, in bytes.
const NAME_BYTES_MAX: usize = 256;
/// Longest text of a problem in characters: a key may be as long as the document.
const TEXT_MAX: usize = 500;

/// The problems of a document so far.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    pub(crate) list: Vec<Refusal>,
}

impl Problems {
    pub(crate) fn add(
        &mut self,
        code: &'static str,
        field: &str,
        message: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        if self.is_full() {
            return;
        }
        let cut = |text: String| if text.len() > TEXT_MAX { tree::cut(&text, TEXT_MAX) } else { text };
        self.list.push(Refusal {
            code: Code(code),
            field: cut(field.to_owned()),
            message: cut(message.into()),
            found: cut(found.into()),
            expected: cut(expected.into()),
            remedy: cut(remedy.into()),
        });
        if self.list.len() == PROBLEMS_MAX {
            self.list.push(Refusal {
                code: Code("too-many-problems"),
                field: "document".to_owned(),
                message: "there are more problems than are told".to_owned(),
                found: format!("more than {PROBLEMS_MAX}"),
                expected: "a document without any".to_owned(),
                remedy: "Mend these, then try again.".to_owned(),
            });
        }
    }

    /// Whether no more are told.
    pub(crate) fn is_full(&self) -> bool {
        self.list.len() > PROBLEMS_MAX
    }
}

/// A value with the path that leads to it.
#[derive(Debug, Clone)]
pub(crate) struct Item<'a> {
    pub(crate) path: String,
    pub(crate) node: &'a Node,
    /// Where its key stands, if it has one.
    pub(crate) key: Place,
}

/// A map that is being read: what was asked for is known, the rest is refused by [`Section::finish`].
#[derive(Debug)]
pub(crate) struct Section<'a> {
    path: String,
    node: &'a Node,
    key: Place,
    entries: Vec<Option<(&'a str, Item<'a>)>>,
    known: Vec<&'static str>,
}

impl<'a> Item<'a> {
    pub(crate) fn root(node: &'a Node) -> Self {
        Self { path: String::new(), node, key: Place::default() }
    }

    fn field(&self) -> &str {
        if self.path.is_empty() { "document" } else { &self.path }
    }

    /// A problem with this value.
    pub(crate) fn problem(
        &self,
        problems: &mut Problems,
        code: &'static str,
        message: &str,
        expected: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let message = format!("{message}{}", self.node.place);
        problems.add(code, self.field(), message, self.node.found(), expected, remedy);
    }

    fn wrong_type(&self, problems: &mut Problems, expected: &str, remedy: &str) {
        self.problem(problems, "wrong-type", "this value has the wrong type", expected, remedy);
    }

    pub(crate) fn section(&self, problems: &mut Problems) -> Option<Section<'a>> {
        let mut entries: Vec<Option<(&str, Self)>> = Vec::new();
        let mut seen = HashSet::new();
        for (key, item) in self.entries(problems)? {
            if seen.insert(key) {
                entries.push(Some((key, item)));
            } else {
                let remedy = "Remove one of the two.";
                item.problem(problems, "duplicate-key", "this key stands twice", "each key once", remedy);
            }
        }
        Some(Section { path: self.path.clone(), node: self.node, key: self.key, entries, known: Vec::new() })
    }

    /// The entries of a map with free keys.
    pub(crate) fn entries(&self, problems: &mut Problems) -> Option<Vec<(&'a str, Item<'a>)>> {
        let Value::Map(entries) = &self.node.value else {
            self.wrong_type(problems, "a map of keys and values", "Write `key: value` pairs here.");
            return None;
        };
        Some(entries.iter().map(|(key, node)| (key.text.as_str(), self.child(key, node))).collect())
    }

    /// The entries of a map whose keys are names: each once, none too long, and at most so many.
    pub(crate) fn named(&self, problems: &mut Problems, most: usize) -> Option<Vec<(&'a str, Item<'a>)>> {
        let mut entries = self.entries(problems)?;
        if entries.len() > most {
            let found = format!("{} keys", entries.len());
            let message = format!("there are too many keys{}", self.node.place);
            let expected = format!("at most {most}");
            problems.add("too-many-keys", self.field(), message, found, expected, "Remove those not needed.");
            entries.truncate(most);
        }
        let mut seen = HashSet::new();
        entries.retain(|(key, item)| {
            if key.len() > NAME_BYTES_MAX {
                let expected = format!("a name of at most {NAME_BYTES_MAX} bytes");
                item.problem(problems, "invalid-name", "this key is too long", expected, "Shorten it.");
                return false;
            }
            let is_first = seen.insert(*key);
            if !is_first {
                let remedy = "Remove one of the two.";
                item.problem(problems, "duplicate-key", "this key stands twice", "each key once", remedy);
            }
            is_first
        });
        Some(entries)
    }

    /// The entries of a list.
    pub(crate) fn items(&self, problems: &mut Problems) -> Option<Vec<Item<'a>>> {
        let Value::List(items) = &self.node.value else {
            self.wrong_type(problems, "a list", "Write a list here, `[a, b]`.");
            return None;
        };
        let items = items.iter().enumerate();
        Some(
            items
                .map(|(index, node)| Item {
                    path: format!("{}[{index}]", self.path),
                    node,
                    key: Place::default(),
                })
                .collect(),
        )
    }

    fn child(&self, key: &Key, node: &'a Node) -> Self {
        let path =
            if self.path.is_empty() { key.text.clone() } else { format!("{}.{}", self.path, key.text) };
        Self { path, node, key: key.place }
    }

    /// Text that is not empty.
    pub(crate) fn text(&self, problems: &mut Problems) -> Option<&'a str> {
        match &self.node.value {
            Value::Text(text) if !text.is_empty() => Some(text),
            Value::Text(_) => {
                self.problem(
                    problems,
                    "wrong-type",
                    "this value is empty",
                    "text",
                    "Write a value or remove the key.",
                );
                None
            }
            Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => {
                self.wrong_type(problems, "text", "Put the value in quotes.");
                None
            }
            _ => {
                self.wrong_type(problems, "text", "Write text here.");
                None
            }
        }
    }

    pub(crate) fn integer(&self, problems: &mut Problems, range: RangeInclusive<i128>) -> Option<i128> {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        let Value::Integer(value) = self.node.value else {
            self.wrong_type(
                problems,
                &expected,
                "Write a number without unit or quotes; the key names the unit.",
            );
            return None;
        };
        if !range.contains(&value) {
            let remedy = "Choose a value within the range.";
            self.problem(problems, "out-of-range", "this value is out of range", expected, remedy);
            return None;
        }
        Some(value)
    }

    pub(crate) fn u64(&self, problems: &mut Problems, range: RangeInclusive<u64>) -> Option<u64> {
        let range = i128::from(*range.start())..=i128::from(*range.end());
        self.integer(problems, range).and_then(|value| u64::try_from(value).ok())
    }

    pub(crate) fn u32(&self, problems: &mut Problems, range: RangeInclusive<u32>) -> Option<u32> {
        let range = i128::from(*range.start())..=i128::from(*range.end());
        self.integer(problems, range).and_then(|value| u32::try_from(value).ok())
    }

    /// A number of bytes, plain or with a unit.
    pub(crate) fn bytes(&self, problems: &mut Problems, range: RangeInclusive<u64>) -> Option<u64> {
        let (low, high) = (units::format_bytes(*range.start()), units::format_bytes(*range.end()));
        let value = match &self.node.value {
            Value::Integer(value) => u64::try_from(*value).ok(),
            Value::Text(text) => units::parse_bytes(text),
            _ => None,
        };
        let Some(value) = value else {
            let remedy = "Write for example `64MiB`, or a number of bytes.";
            self.wrong_type(problems, &format!("a size from {low} to {high}"), remedy);
            return None;
        };
        if !range.contains(&value) {
            let expected = format!("a size from {low} to {high}");
            let remedy = "Choose a size within the range.";
            self.problem(problems, "out-of-range", "this size is out of range", expected, remedy);
            return None;
        }
        Some(value)
    }

    pub(crate) fn boolean(&self, problems: &mut Problems) -> Option<bool> {
        if let Value::Boolean(value) = self.node.value {
            return Some(value);
        }
        self.wrong_type(problems, "`true` or `false`", "Write `true` or `false`.");
        None
    }

    /// One of a fixed set of words.
    pub(crate) fn choice<T: Copy>(
        &self,
        problems: &mut Problems,
        choices: &[(&'static str, T)],
    ) -> Option<T> {
        let text = self.text(problems)?;
        if let Some((_, choice)) = choices.iter().find(|(word, _)| *word == text) {
            return Some(*choice);
        }
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let expected = format!("one of {}", suggest::list(&words));
        let remedy = match suggest::nearest(text, words) {
            Some(word) => format!("Did you mean `{word}`?"),
            None => "Use one of these words.".to_owned(),
        };
        self.problem(problems, "unknown-value", "this word is not known here", expected, remedy);
        None
    }

    /// A value that parses, such as a name.
    pub(crate) fn parsed<T: std::str::FromStr>(&self, problems: &mut Problems, expected: &str) -> Option<T>
    where
        T::Err: std::fmt::Display,
    {
        let text = self.text(problems)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                let message = format!("{error}{}", self.node.place);
                let remedy = "Choose another value.";
                problems.add("invalid-value", self.field(), message, self.node.found(), expected, remedy);
                None
            }
        }
    }
}

impl<'a> Section<'a> {
    /// The value under a key, if there is one. A key without a value (`key:`) counts as absent.
    pub(crate) fn take(&mut self, key: &'static str) -> Option<Item<'a>> {
        self.known.push(key);
        let slot =
            self.entries.iter_mut().find(|slot| slot.as_ref().is_some_and(|(found, _)| *found == key))?;
        let (_, item) = slot.take()?;
        (item.node.value != Value::Null).then_some(item)
    }

    /// The value under a key that must be there.
    pub(crate) fn require(
        &mut self,
        problems: &mut Problems,
        key: &'static str,
        expected: &str,
        remedy: &str,
    ) -> Option<Item<'a>> {
        let item = self.take(key);
        if item.is_none() {
            let message = format!("a required key is missing{}", self.node.place);
            problems.add("missing-key", &self.path_of(key), message, "nothing", expected, remedy);
        }
        item
    }

    /// A key that is recognised only to be refused: nothing to propose to those who misspell another.
    pub(crate) fn take_unlisted(&mut self, key: &'static str) -> Option<Item<'a>> {
        let item = self.take(key);
        self.known.pop();
        item
    }

    pub(crate) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    pub(crate) fn item(&self) -> Item<'a> {
        Item { path: self.path.clone(), node: self.node, key: self.key }
    }

    /// Refuses every key that was not asked for.
    pub(crate) fn finish(self, problems: &mut Problems) {
        for (key, item) in self.entries.iter().flatten() {
            if problems.is_full() {
                return;
            }
            let message = format!("this key is not known here{}", item.key);
            let found = format!("the key `{}`", tree::cut(key, 80));
            let expected = format!("one of {}", suggest::list(&self.known));
            let remedy = match suggest::nearest(key, self.known.iter().copied()) {
                Some(word) => format!("Did you mean `{word}`?"),
                None => "Remove the key.".to_owned(),
            };
            problems.add("unknown-key", &item.path, message, found, expected, remedy);
        }
    }
}
