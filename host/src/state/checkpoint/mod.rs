//! Copies of a task's state in an object store, from which a host without the state begins.
//!
//! ```text
//! <prefix>/<tenant>/<pipeline>/<id of the meta changelog>/<partition>/
//!     files/<sha-256>                           a file of the database, uploaded once
//!     checkpoints/<generation>-<sequence>.json  what a checkpoint consists of
//!     checkpoints/<generation>-0000000000.claim who may write checkpoints of a generation
//! ```
//!
//! A checkpoint is a cache like the folder that it was made from: it is trusted only as far as the
//! changelogs can bring it up to date. Each time a task is opened, its first checkpoint claims a new
//! generation. Whoever sees a later generation than its own is no longer the owner of the task: it
//! writes and deletes nothing, unless it claims a later one. So nobody deletes what another counts on, but
//! for the time of one listing (`docs/decisions/0008`).

mod digest;
mod document;
mod download;
mod parallel;
mod place;
mod prune;
mod upload;

pub(super) use document::CheckpointName;
pub(super) use document::Document;
pub(super) use download::download;
pub use place::CheckpointError;
pub use place::CheckpointStore;
pub(super) use place::TaskPlace;
pub(super) use upload::Snapshot;
pub(super) use upload::Uploader;
pub(super) use upload::Written;
