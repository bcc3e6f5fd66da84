use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;

use crate::client::RegistryClient;
use crate::error::Asked;
use crate::error::RegistryError;
use crate::schema::Listing;
use crate::schema::Reference;
use crate::schema::RegisteredSchema;
use crate::schema::ResolvedReference;
use crate::schema::Schema;
use crate::schema::Version;

/// References that refer to references, at most this deep.
pub const REFERENCE_DEPTH_MAX: usize = 32;

/// References of one schema, all levels together, at most this many.
pub const REFERENCES_MAX: usize = 512;

/// Text of a schema and of all it refers to, at most so many bytes: 16 MiB.
pub const REFERENCE_BYTES_MAX: usize = 16 << 20;

/// References followed on the way to them, those seen before included: many schemas may share one.
const STEPS_MAX: usize = 16 * REFERENCES_MAX;

enum Step {
    Enter { reference: Reference, depth: usize },
    Leave { reference: Reference, text: Arc<str> },
}

type Place = (String, u32);

fn place(reference: &Reference) -> Place {
    (reference.subject.clone(), reference.version)
}

impl RegistryClient {
    /// The schema with this id and all it refers to.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`] for the id or something it refers to, [`RegistryError::References`],
    /// and what any call may fail with.
    pub async fn registered_schema(&self, id: u32) -> Result<RegisteredSchema, RegistryError> {
        let schema = self.schema(id).await?;
        let references = self.resolve_references(&schema).await?;
        Ok(RegisteredSchema { id, schema_type: schema.schema_type, text: schema.text, references })
    }

    /// All that a schema refers to, directly or through others, each after those it refers to itself.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`] for a reference that is not registered, [`RegistryError::References`]
    /// for a cycle, a depth over [`REFERENCE_DEPTH_MAX`], more than [`REFERENCES_MAX`] of them, or more text
    /// than [`REFERENCE_BYTES_MAX`].
    pub async fn resolve_references(&self, schema: &Schema) -> Result<Vec<ResolvedReference>, RegistryError> {
        let mut resolved = Vec::new();
        let mut done: HashSet<Reference> = HashSet::new();
        let mut open: HashSet<Place> = HashSet::new();
        let mut fetched: HashMap<Place, (Arc<str>, Arc<[Reference]>)> = HashMap::new();
        let (mut bytes, mut taken) = (schema.text.len(), schema.references.len());
        if let Some(first) = schema.references.first()
            && taken > REFERENCES_MAX
        {
            return Err(self.unresolvable(first, too_many()));
        }
        let mut steps: Vec<Step> = enter(&schema.references, 1);
        while let Some(step) = steps.pop() {
            match step {
                Step::Leave { reference, text } => {
                    open.remove(&place(&reference));
                    let Reference { name, subject, version } = reference.clone();
                    resolved.push(ResolvedReference { name, subject, version, text });
                    done.insert(reference);
                }
                Step::Enter { reference, .. } if done.contains(&reference) => {}
                Step::Enter { reference, depth } => {
                    if open.contains(&place(&reference)) {
                        return Err(self.unresolvable(&reference, "it refers back to itself".to_owned()));
                    }
                    if depth > REFERENCE_DEPTH_MAX || resolved.len() + open.len() >= REFERENCES_MAX {
                        return Err(self.unresolvable(&reference, too_many()));
                    }
                    let (text, children) = match fetched.get(&place(&reference)) {
                        Some(known) => known.clone(),
                        None => {
                            let version = Version::Number(reference.version);
                            // A schema that is still used may have been softly deleted.
                            let found =
                                self.version_of(&reference.subject, version, Listing::WithDeleted).await?;
                            bytes = bytes.saturating_add(found.schema.text.len());
                            if bytes > REFERENCE_BYTES_MAX {
                                let bound = format!("more than {REFERENCE_BYTES_MAX} bytes of text in all");
                                return Err(self.unresolvable(&reference, bound));
                            }
                            let known = (Arc::from(found.schema.text), found.schema.references.into());
                            fetched.insert(place(&reference), known.clone());
                            known
                        }
                    };
                    taken = taken.saturating_add(children.len());
                    if children.len() > REFERENCES_MAX || taken > STEPS_MAX {
                        return Err(self.unresolvable(&reference, too_many()));
                    }
                    open.insert(place(&reference));
                    steps.push(Step::Leave { reference, text });
                    steps.extend(enter(&children, depth + 1));
                }
            }
        }
        Ok(resolved)
    }

    fn unresolvable(&self, reference: &Reference, detail: String) -> RegistryError {
        let Reference { name, subject, version } = reference;
        let asked = Asked {
            what: format!("reference {name:?} to version {version} of subject {subject:?}"),
            method: "GET",
            url: self.urls().into_iter().next().unwrap_or_default(),
        };
        RegistryError::References { asked: Box::new(asked), detail }
    }
}

fn too_many() -> String {
    format!("deeper than {REFERENCE_DEPTH_MAX} or more than {REFERENCES_MAX}")
}

// Reversed, as the last step is taken first.
fn enter(references: &[Reference], depth: usize) -> Vec<Step> {
    references.iter().rev().map(|reference| Step::Enter { reference: reference.clone(), depth }).collect()
}
