//! Deletes checkpoints that newer ones have made superfluous, and files that none of the rest has.
//!
//! A file that no checkpoint has is deleted only at the next checkpoint after the one that found it so:
//! whoever has claimed a later generation meanwhile, counting on the newest checkpoint's files, is seen
//! before anything of them is gone.

use std::collections::BTreeMap;
use std::collections::HashSet;

use tokio_util::sync::CancellationToken;

use crate::state::checkpoint::CheckpointError;
use crate::state::checkpoint::CheckpointName;
use crate::state::checkpoint::Document;
use crate::state::checkpoint::TaskPlace;

/// How many checkpoints of a task are kept: should the newest be damaged, there are older ones.
pub(super) const KEPT: usize = 3;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Pruner {
    /// Digests that a checkpoint has. None where they cannot be known, because it is damaged.
    contents: BTreeMap<CheckpointName, Option<HashSet<String>>>,
    /// Digests that no checkpoint had when this was last looked at.
    condemned: HashSet<String>,
}

impl Pruner {
    /// A checkpoint was written.
    pub(super) fn wrote(&mut self, name: CheckpointName, document: &Document) {
        self.contents.insert(name, Some(digests(document)));
    }

    /// To be called by the owner of a generation, right after it has written a checkpoint.
    pub(super) fn prune(
        &mut self,
        place: &TaskPlace,
        generation: u64,
        cancel: &CancellationToken,
    ) -> Result<(), CheckpointError> {
        let listing = place.look(cancel)?;
        let newer = listing.generation_max();
        if newer > generation {
            return Err(CheckpointError::Superseded { own: generation, newer });
        }
        for name in &listing.documents {
            if self.contents.contains_key(name) {
                continue;
            }
            let contents = match place.document(*name, cancel) {
                Ok(document) => Some(digests(&document)),
                Err(CheckpointError::Damaged(_)) => None,
                // Of a newer version, or not to be read now: what it has cannot be known.
                Err(error) => return Err(error),
            };
            self.contents.insert(*name, contents);
        }
        self.contents.retain(|name, _| listing.documents.contains(name));
        // A damaged one can be restored by nobody, and takes no other's place.
        let whole = self.contents.iter().rev().filter(|(_, contents)| contents.is_some());
        let kept: HashSet<CheckpointName> = whole.map(|(name, _)| *name).take(KEPT).collect();
        let surplus: Vec<CheckpointName> =
            self.contents.keys().filter(|name| !kept.contains(name)).copied().collect();
        let claims: Vec<u64> = listing.claims.into_iter().filter(|claim| *claim < generation).collect();
        // Documents first: no checkpoint that is there lacks a file.
        if !surplus.is_empty() || !claims.is_empty() {
            place.delete_documents(&surplus, &claims, cancel)?;
            self.contents.retain(|name, _| kept.contains(name));
        }
        let had: HashSet<&String> = self.contents.values().flatten().flatten().collect();
        let unused: HashSet<String> =
            place.files(cancel)?.into_iter().filter(|digest| !had.contains(digest)).collect();
        let doomed: Vec<String> = unused.intersection(&self.condemned).cloned().collect();
        self.condemned = unused;
        if !doomed.is_empty() {
            place.delete_files(&doomed, cancel)?;
            for digest in &doomed {
                self.condemned.remove(digest);
            }
        }
        Ok(())
    }
}

fn digests(document: &Document) -> HashSet<String> {
    document.files.iter().map(|file| file.sha256.clone()).collect()
}
