//! The client against the in-memory registry, over HTTP on loopback, with faults put in between.

mod cache;
mod calls;
mod deploy;
mod memory;
mod outages;
mod real;
mod secrets;
mod server;
mod subjects;
