//! The core: what happens between two commits, without knowing Kafka, Wasm or Avro.
//!
//! It sees the world through the traits in [`ports`] and [`state_ports`]. Reading order: [`driver`]
//! is the loop of a worker, which [`assignment`], [`restoring`], [`cohorts`] and [`commit`] complete;
//! [`run`] takes one run of records through decode, invoke, encode and send, a [`batch`] at a time,
//! and [`firing`] does the same for timers; [`attempts`] and [`bisection`] find a record that breaks
//! its batch; [`emit_order`], [`outputs`] and [`sending`] turn emissions into records. A [`cohort`] is
//! what the tasks of one partition number share: keyed state, timers and [`task_time`].

mod assignment;
pub mod attempts;
pub mod backoff;
mod batch;
pub mod bisection;
pub mod clock;
pub mod cohort;
mod cohorts;
mod commit;
pub mod cycle;
pub mod dead_letter;
pub mod driver;
pub mod emit_order;
pub mod event_time;
pub mod fired;
pub mod firing;
pub mod gap;
pub mod header_copy;
pub mod held_run;
mod inherited;
mod late;
mod memory_layers;
pub mod memory_state;
pub mod observer;
pub mod outputs;
pub mod poison;
pub mod ports;
mod restoring;
pub mod run;
pub mod seek;
pub mod sending;
pub mod settings;
pub mod start;
pub mod state_ports;
pub mod status;
pub mod task;
pub mod task_time;
pub mod token;

#[cfg(test)]
mod determinism_tests;
#[cfg(test)]
mod driver_tests;
#[cfg(test)]
mod event_time_tests;
#[cfg(test)]
pub(crate) mod fakes;
#[cfg(test)]
mod output_limit_tests;
#[cfg(test)]
mod state_tests;
#[cfg(test)]
mod timer_tests;
