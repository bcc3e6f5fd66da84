//! Control: what should run, kept on disk, and the tasks that make it so.

pub mod catalog;
pub mod error;
pub mod lifecycle;
pub mod limits;
pub mod page;
pub mod pipeline_record;
pub mod runner;
pub mod service;
pub mod status;
pub mod version_record;

mod artifacts;
pub mod commands;
mod deployment;
mod folder;
mod reconcile;
mod reconcile_task;
pub mod seek;
mod shelf;
pub mod trial;

#[cfg(test)]
pub(crate) mod fake_runner;
#[cfg(test)]
mod tests;
