use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;

use crate::canonical::canonical_avro;
use crate::compatibility::CompatibilityLevel;
use crate::compatibility::Mode;
use crate::compatibility::Scope;
use crate::memory::compatible::obstacles;
use crate::memory::parsed::Parsed;
use crate::memory::problem::Problem;
use crate::schema::Deletion;
use crate::schema::Listing;
use crate::schema::Reference;
use crate::schema::Schema;
use crate::schema::SchemaType;
use crate::schema::SubjectVersion;
use crate::schema::Version;

/// What makes two schemas the same: canonical text and references.
type Key = (String, Vec<Reference>);

struct Stored {
    /// As it was registered first.
    schema: Schema,
    parsed: Parsed,
}

#[derive(Clone, Copy)]
struct Entry {
    version: u32,
    id: u32,
    deleted: bool,
}

/// What is registered. Ids count from 1 and are never reused.
pub(super) struct State {
    schemas: BTreeMap<u32, Stored>,
    ids: HashMap<Key, u32>,
    // Versions ascending; a subject without any is removed.
    subjects: BTreeMap<String, Vec<Entry>>,
    level: CompatibilityLevel,
    levels: HashMap<String, CompatibilityLevel>,
    mode: Mode,
    modes: HashMap<String, Mode>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            schemas: BTreeMap::new(),
            ids: HashMap::new(),
            subjects: BTreeMap::new(),
            level: CompatibilityLevel::Backward,
            levels: HashMap::new(),
            mode: Mode::ReadWrite,
            modes: HashMap::new(),
        }
    }
}

impl State {
    pub(super) fn subjects(&self, listing: Listing) -> Vec<String> {
        self.subjects
            .iter()
            .filter(|(_, entries)| entries.iter().any(|entry| shows(entry, listing)))
            .map(|(subject, _)| subject.clone())
            .collect()
    }

    pub(super) fn versions(&self, subject: &str, listing: Listing) -> Result<Vec<u32>, Problem> {
        Ok(self.entries(subject, listing)?.iter().map(|entry| entry.version).collect())
    }

    pub(super) fn schema(&self, id: u32) -> Result<&Schema, Problem> {
        self.schemas.get(&id).map(|stored| &stored.schema).ok_or_else(|| Problem::no_schema(&id.to_string()))
    }

    /// Where an id stands.
    pub(super) fn places(&self, id: u32, listing: Listing) -> Result<Vec<(String, u32)>, Problem> {
        self.schema(id)?;
        let all = self
            .subjects
            .iter()
            .flat_map(|(subject, entries)| entries.iter().map(move |entry| (subject, entry)));
        Ok(all
            .filter(|(_, entry)| entry.id == id && shows(entry, listing))
            .map(|(subject, entry)| (subject.clone(), entry.version))
            .collect())
    }

    pub(super) fn version(
        &self,
        subject: &str,
        version: Version,
        listing: Listing,
    ) -> Result<SubjectVersion, Problem> {
        let entry = self.entry(subject, version, listing)?;
        let schema = self.schema(entry.id)?.clone();
        Ok(SubjectVersion { subject: subject.to_owned(), version: entry.version, id: entry.id, schema })
    }

    pub(super) fn lookup(
        &self,
        subject: &str,
        schema: &Schema,
        listing: Listing,
    ) -> Result<SubjectVersion, Problem> {
        let entries = self.entries(subject, listing)?;
        let (key, _) = self.parse(schema)?;
        let id = self.ids.get(&key).copied();
        let found = entries.iter().rev().find(|entry| Some(entry.id) == id);
        let entry = found.ok_or_else(|| Problem::no_schema(&format!("in subject '{subject}'")))?;
        self.version(subject, Version::Number(entry.version), listing)
    }

    pub(super) fn register(&mut self, subject: &str, schema: &Schema) -> Result<u32, Problem> {
        let (key, parsed) = self.parse(schema)?;
        let known = self.ids.get(&key).copied();
        let live = self.entries(subject, Listing::Live).unwrap_or_default();
        if let Some(entry) = live.iter().find(|entry| Some(entry.id) == known) {
            return Ok(entry.id);
        }
        if self.effective_mode(subject) != Mode::ReadWrite {
            return Err(Problem::read_only(subject));
        }
        let messages = self.obstacles(subject, &parsed, None);
        if !messages.is_empty() {
            return Err(Problem::incompatible(subject, &messages));
        }
        let id = known.unwrap_or_else(|| self.schemas.last_key_value().map_or(1, |(last, _)| last + 1));
        self.ids.insert(key, id);
        self.schemas.entry(id).or_insert_with(|| Stored { schema: schema.clone(), parsed });
        let entries = self.subjects.entry(subject.to_owned()).or_default();
        let version = entries.last().map_or(1, |last| last.version + 1);
        entries.push(Entry { version, id, deleted: false });
        Ok(id)
    }

    /// Why the schema does not fit `version`, or, without one, what the subject's level asks for.
    pub(super) fn check(
        &self,
        subject: &str,
        version: Option<Version>,
        schema: &Schema,
    ) -> Result<Vec<String>, Problem> {
        let (_, parsed) = self.parse(schema)?;
        let entry = version.map(|version| self.entry(subject, version, Listing::Live)).transpose()?;
        Ok(self.obstacles(subject, &parsed, entry))
    }

    fn obstacles(&self, subject: &str, new: &Parsed, only: Option<Entry>) -> Vec<String> {
        use CompatibilityLevel as L;
        let level = self.effective_level(subject);
        let live = self.entries(subject, Listing::Live).unwrap_or_default();
        let against: Vec<Entry> = match (only, level) {
            (_, L::None) => return Vec::new(),
            (Some(entry), _) => vec![entry],
            (None, L::BackwardTransitive | L::ForwardTransitive | L::FullTransitive) => {
                live.into_iter().rev().collect()
            }
            (None, _) => live.last().copied().into_iter().collect(),
        };
        let backward = !matches!(level, L::Forward | L::ForwardTransitive);
        let forward = !matches!(level, L::Backward | L::BackwardTransitive);
        for entry in against {
            let Some(old) = self.schemas.get(&entry.id) else {
                continue;
            };
            let mut messages = Vec::new();
            if backward {
                messages.extend(obstacles(new, &old.parsed));
            }
            if forward {
                messages.extend(obstacles(&old.parsed, new));
            }
            if !messages.is_empty() {
                messages.push(format!("{{oldSchemaVersion: {}}}", entry.version));
                messages.push(format!("{{compatibility: '{level}'}}"));
                return messages;
            }
        }
        Vec::new()
    }

    pub(super) fn delete_subject(&mut self, subject: &str, deletion: Deletion) -> Result<Vec<u32>, Problem> {
        self.require_writable(subject)?;
        let listing = if deletion == Deletion::Soft { Listing::Live } else { Listing::WithDeleted };
        let doomed = self.entries(subject, listing)?;
        if let Some(entry) = doomed.iter().find(|entry| !self.referrers(subject, entry.version).is_empty()) {
            return Err(Problem::referenced(subject, entry.version));
        }
        if deletion == Deletion::Permanent && doomed.iter().any(|entry| !entry.deleted) {
            return Err(Problem::subject_not_soft_deleted(subject));
        }
        match deletion {
            Deletion::Soft => {
                let entries = self.subjects.get_mut(subject).into_iter().flatten();
                entries.for_each(|entry| entry.deleted = true);
            }
            Deletion::Permanent => {
                self.subjects.remove(subject);
            }
        }
        self.levels.remove(subject);
        self.modes.remove(subject);
        Ok(doomed.iter().map(|entry| entry.version).collect())
    }

    pub(super) fn delete_version(
        &mut self,
        subject: &str,
        version: Version,
        deletion: Deletion,
    ) -> Result<u32, Problem> {
        self.require_writable(subject)?;
        let listing = if deletion == Deletion::Soft { Listing::Live } else { Listing::WithDeleted };
        let doomed = self.entry(subject, version, listing)?;
        if !self.referrers(subject, doomed.version).is_empty() {
            return Err(Problem::referenced(subject, doomed.version));
        }
        if deletion == Deletion::Permanent && !doomed.deleted {
            return Err(Problem::version_not_soft_deleted(subject, doomed.version));
        }
        if let Some(entries) = self.subjects.get_mut(subject) {
            match deletion {
                Deletion::Soft => {
                    let matching = entries.iter_mut().filter(|entry| entry.version == doomed.version);
                    matching.for_each(|entry| entry.deleted = true);
                }
                Deletion::Permanent => entries.retain(|entry| entry.version != doomed.version),
            }
            if entries.is_empty() {
                self.subjects.remove(subject);
            }
        }
        Ok(doomed.version)
    }

    pub(super) fn referenced_by(&self, subject: &str, version: Version) -> Result<Vec<u32>, Problem> {
        let entry = self.entry(subject, version, Listing::WithDeleted)?;
        Ok(self.referrers(subject, entry.version))
    }

    /// Ids of the schemas in use that refer to a version.
    fn referrers(&self, subject: &str, version: u32) -> Vec<u32> {
        let refers = |schema: &Schema| {
            schema
                .references
                .iter()
                .any(|reference| reference.subject == subject && reference.version == version)
        };
        let live: HashSet<u32> =
            self.subjects.values().flatten().filter(|entry| !entry.deleted).map(|entry| entry.id).collect();
        let referring =
            self.schemas.iter().filter(|(id, stored)| live.contains(id) && refers(&stored.schema));
        referring.map(|(id, _)| *id).collect()
    }

    pub(super) fn level(&self, scope: Scope<'_>) -> Result<CompatibilityLevel, Problem> {
        match scope {
            Scope::Global => Ok(self.level),
            Scope::Subject(subject) => {
                self.levels.get(subject).copied().ok_or_else(|| Problem::no_level(subject))
            }
        }
    }

    pub(super) fn effective_level(&self, subject: &str) -> CompatibilityLevel {
        self.levels.get(subject).copied().unwrap_or(self.level)
    }

    pub(super) fn set_level(&mut self, scope: Scope<'_>, level: CompatibilityLevel) {
        match scope {
            Scope::Global => self.level = level,
            Scope::Subject(subject) => drop(self.levels.insert(subject.to_owned(), level)),
        }
    }

    pub(super) fn clear_level(&mut self, subject: &str) -> Result<CompatibilityLevel, Problem> {
        self.levels.remove(subject).ok_or_else(|| Problem::no_level(subject))
    }

    pub(super) fn mode(&self, scope: Scope<'_>) -> Result<Mode, Problem> {
        match scope {
            Scope::Global => Ok(self.mode),
            Scope::Subject(subject) => {
                self.modes.get(subject).copied().ok_or_else(|| Problem::no_mode(subject))
            }
        }
    }

    pub(super) fn effective_mode(&self, subject: &str) -> Mode {
        match self.mode {
            Mode::ReadOnlyOverride => Mode::ReadOnly,
            mode => self.modes.get(subject).copied().unwrap_or(mode),
        }
    }

    pub(super) fn set_mode(&mut self, scope: Scope<'_>, mode: Mode) {
        match scope {
            Scope::Global => self.mode = mode,
            Scope::Subject(subject) => drop(self.modes.insert(subject.to_owned(), mode)),
        }
    }

    fn require_writable(&self, subject: &str) -> Result<(), Problem> {
        if self.effective_mode(subject) == Mode::ReadWrite {
            Ok(())
        } else {
            Err(Problem::read_only(subject))
        }
    }

    /// At least one, versions ascending.
    fn entries(&self, subject: &str, listing: Listing) -> Result<Vec<Entry>, Problem> {
        let entries: Vec<Entry> = self
            .subjects
            .get(subject)
            .into_iter()
            .flatten()
            .filter(|entry| shows(entry, listing))
            .copied()
            .collect();
        if entries.is_empty() { Err(Problem::no_subject(subject)) } else { Ok(entries) }
    }

    fn entry(&self, subject: &str, version: Version, listing: Listing) -> Result<Entry, Problem> {
        let entries = self.entries(subject, listing)?;
        let found = match version {
            Version::Latest => entries.last(),
            Version::Number(number) => entries.iter().find(|entry| entry.version == number),
        };
        found.copied().ok_or_else(|| Problem::no_version(&version.to_string()))
    }

    fn parse(&self, schema: &Schema) -> Result<(Key, Parsed), Problem> {
        if schema.schema_type != SchemaType::Avro {
            return Err(Problem::invalid_schema(&format!(
                "schema type {} is not supported by this in-memory registry, which takes AVRO only; \
                 use a full schema registry for the others",
                schema.schema_type
            )));
        }
        let mut texts = Vec::new();
        self.collect(&schema.references, &mut HashSet::new(), &mut texts)?;
        let invalid =
            |detail: &str| Problem::invalid_schema(&format!("{detail}, in {}", shortened(&schema.text)));
        let canonical = canonical_avro(&schema.text).map_err(|error| invalid(&error.to_string()))?;
        let parsed = Parsed::new(&schema.text, &texts).map_err(|error| invalid(&error))?;
        let mut references = schema.references.clone();
        references.sort();
        references.dedup();
        Ok(((canonical, references), parsed))
    }

    // Registered schemas refer to earlier ones only: there are no cycles.
    fn collect(
        &self,
        references: &[Reference],
        seen: &mut HashSet<u32>,
        texts: &mut Vec<String>,
    ) -> Result<(), Problem> {
        for reference in references {
            let Reference { subject, version, .. } = reference;
            let entry =
                self.entry(subject, Version::Number(*version), Listing::WithDeleted).map_err(|_| {
                    Problem::invalid_schema(&format!(
                        "no schema reference found for subject \"{subject}\" and version {version}"
                    ))
                })?;
            if seen.insert(entry.id) {
                let schema = self.schema(entry.id)?;
                self.collect(&schema.references, seen, texts)?;
                texts.push(schema.text.clone());
            }
        }
        Ok(())
    }
}

fn shows(entry: &Entry, listing: Listing) -> bool {
    listing == Listing::WithDeleted || !entry.deleted
}

fn shortened(text: &str) -> String {
    let shown: String = text.chars().take(200).collect();
    if shown.len() < text.len() { format!("{shown}…") } else { shown }
}
