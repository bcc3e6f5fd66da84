//! The HTTP edge: one resource a file, every error a problem document.

pub mod auth;
pub mod openapi;
pub mod problem;
pub mod router;
pub mod server;
pub mod state;

mod admission;
mod body;
mod check;
mod connection;
mod guard;
mod health;
mod multipart;
mod parameters;
mod pipeline_actions;
mod pipeline_logs;
mod pipeline_seek;
mod pipeline_status;
mod pipelines;
mod precondition;
mod problem_of_control;
mod schemas;
mod task_state;
mod transforms;
mod trial;
mod versions;

#[cfg(test)]
mod tests;

pub use auth::check_listener;
pub use openapi::openapi;
pub use router::router;
pub use router::sidecar_router;
pub use server::serve;
pub use state::ApiParts;
pub use state::ApiState;
pub use state::HealthState;
