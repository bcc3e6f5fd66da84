//! librdkafka, wrapped once: every unsafe call to it stands in this module.
//!
//! `source` and `sink` build on these types and hold no raw pointer. Why not the safe calls of the
//! `rdkafka` crate: they cost an event and an `Arc` a consumed message, a C string a produced one,
//! and up to 100 ms a commit. The contract with the C library that everything here rests on:
//!
//! - a client ([`client::Client`]) outlives whatever was made from it: queues, topic handles and
//!   messages hold it by `Arc`;
//! - callbacks run only inside calls that serve the client's queue, except the log callback, which
//!   runs on any thread, and the token callback, which runs on librdkafka's background thread;
//! - error codes are read as integers, because brokers send codes that no enum lists: calls that
//!   return one are declared in `ffi`.
#![expect(unsafe_code, reason = "this module is the boundary to librdkafka")]

pub mod admin;
pub mod admin_offsets;
pub mod admin_topics;
pub mod allocator;
mod bucket;
mod client;
pub mod config;
pub mod consumer;
mod consumer_answers;
pub mod dev_broker;
pub mod error;
pub mod events;
mod ffi;
pub mod group;
mod group_members;
mod headers;
mod interceptor;
mod layout;
pub mod messages;
pub mod overrides;
mod partition_list;
pub mod partition_reader;
pub mod producer;
mod producer_transactions;
pub mod secret;
pub mod security;
pub mod settings;
pub mod statistics;
pub mod timeouts;
pub mod waker;
