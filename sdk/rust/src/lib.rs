#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

// The derives below name the crate as its users do.
extern crate self as wasmill_sdk;

mod avro_type;
mod batch;
mod binaries;
mod body;
mod builder;
mod columns;
mod config;
mod context;
mod error;
#[cfg(target_arch = "wasm32")]
mod guest;
mod header;
mod host;
mod json;
mod manifest;
mod message;
#[cfg(not(target_arch = "wasm32"))]
pub mod native;
mod output;
mod process;
mod schema;
mod schema_writer;
pub mod state;
pub mod timers;
mod transform;
pub mod types;
mod union_column;
pub mod wire;

pub use wasmill_sdk_macros::Record;
pub use wasmill_sdk_macros::transform;

pub use crate::avro_type::AvroType;
pub use crate::avro_type::Kind;
pub use crate::avro_type::NotNull;
pub use crate::avro_type::Read;
pub use crate::avro_type::Write;
pub use crate::batch::Batch;
pub use crate::batch::ColumnBuilder;
pub use crate::batch::ColumnRef;
pub use crate::batch::Values;
pub use crate::binaries::Binaries;
pub use crate::body::Body;
pub use crate::body::BodyError;
pub use crate::body::Decode;
pub use crate::body::Encode;
pub use crate::body::Form;
pub use crate::body::Stored;
pub use crate::body::StoredOwned;
pub use crate::columns::ColumnError;
pub use crate::config::Config;
pub use crate::config::FromConfig;
pub use crate::context::Context;
pub use crate::error::Error;
pub use crate::error::Outcome;
pub use crate::error::Result;
pub use crate::header::Header;
pub use crate::host::Host;
pub use crate::message::Message;
pub use crate::output::Output;
pub use crate::output::OutputKey;
pub use crate::output::SourceKey;
pub use crate::output::Sources;
pub use crate::process::Input;
pub use crate::process::Prefetch;
pub use crate::process::Process;
pub use crate::schema::Schema;
pub use crate::schema::SchemaChild;
pub use crate::schema::SchemaParseError;
pub use crate::state::Aggregate;
pub use crate::state::Aggregator;
pub use crate::state::Deduplicate;
pub use crate::state::List;
pub use crate::state::Map;
pub use crate::state::Reducing;
pub use crate::state::Set;
pub use crate::state::Value;
pub use crate::timers::OnTimer;
pub use crate::timers::TimeDomain;
pub use crate::timers::Timer;
pub use crate::timers::Timers;
pub use crate::transform::Transform;

/// Everything that a transform usually needs.
pub mod prelude {
    pub use crate::batch::Batch;
    pub use crate::batch::ColumnBuilder;
    pub use crate::config::Config;
    pub use crate::context::Context;
    pub use crate::error::Error;
    pub use crate::error::Result;
    pub use crate::header::Header;
    #[cfg(not(target_arch = "wasm32"))]
    pub use crate::native::TestHarness;
    #[cfg(not(target_arch = "wasm32"))]
    pub use crate::native::TestRecord;
    pub use crate::output::Output;
    pub use crate::output::SourceKey;
    pub use crate::output::Sources;
    pub use crate::process::Prefetch;
    pub use crate::process::Process;
    pub use crate::reject;
    pub use crate::schema::Schema;
    pub use crate::state::Aggregate;
    pub use crate::state::Aggregator;
    pub use crate::state::Deduplicate;
    pub use crate::state::List;
    pub use crate::state::Map;
    pub use crate::state::Reducing;
    pub use crate::state::Set;
    pub use crate::state::Value;
    pub use crate::timers::AnyTime;
    pub use crate::timers::OnTimer;
    pub use crate::timers::ProcessingTime;
    pub use crate::timers::Timer;
    pub use crate::timers::Timers;
    pub use crate::types::Dynamic;
    pub use crate::types::Raw;
    pub use crate::wire::Rows;
    pub use wasmill_sdk_macros::Record;
    pub use wasmill_sdk_macros::transform;
}

/// What the macros generate calls to. No part of the API.
#[doc(hidden)]
pub mod __private {
    pub use crate::avro_type::AvroType;
    pub use crate::avro_type::Kind;
    pub use crate::avro_type::NotNull;
    pub use crate::avro_type::Read;
    pub use crate::avro_type::Write;
    pub use crate::body::Body;
    pub use crate::body::BodyError;
    pub use crate::body::Decode;
    pub use crate::body::Encode;
    pub use crate::body::Form;
    pub use crate::body::Stored;
    pub use crate::body::put_long;
    pub use crate::builder::Builder;
    pub use crate::builder::FixedBuilder;
    pub use crate::builder::Nulls;
    pub use crate::builder::place;
    pub use crate::builder::put;
    pub use crate::columns::ColumnError;
    pub use crate::columns::Columns;
    pub use crate::config::Config;
    pub use crate::error::Error;
    pub use crate::error::Result;
    #[cfg(target_arch = "wasm32")]
    pub use crate::guest::bindings;
    #[cfg(target_arch = "wasm32")]
    pub use crate::guest::on_timers;
    #[cfg(target_arch = "wasm32")]
    pub use crate::guest::open;
    #[cfg(target_arch = "wasm32")]
    pub use crate::guest::process;
    #[cfg(target_arch = "wasm32")]
    pub use crate::guest::timed_bindings;
    pub use crate::host::Host;
    pub use crate::manifest::ConfigKey;
    pub use crate::manifest::Declaration;
    pub use crate::manifest::EventTime;
    pub use crate::manifest::EventTimeDeclaration;
    pub use crate::manifest::InputPort;
    pub use crate::manifest::OutputPort;
    pub use crate::manifest::Part;
    pub use crate::output::Output;
    pub use crate::output::Port;
    pub use crate::process::input_part;
    pub use crate::process::run;
    pub use crate::process::run_prefetching;
    pub use crate::process::unknown_input;
    pub use crate::schema_writer::FieldSchema;
    pub use crate::schema_writer::Fixed;
    pub use crate::schema_writer::SchemaWriter;
    pub use crate::schema_writer::TypeName;
    pub use crate::state::declaration::Keep;
    pub use crate::state::declaration::StateDeclaration;
    pub use crate::state::declaration::StateField;
    pub use crate::state::declaration::StateStore;
    pub use crate::state::declaration::TimeToLive;
    pub use crate::state::declaration::stored_schema;
    pub use crate::state::key_bytes::scope_batch;
    pub use crate::state::scope::Scope;
    pub use crate::timers::Fired;
    pub use crate::timers::TimeDomain;
    pub use crate::timers::TimerDomain;
    pub use crate::timers::TimerKeys;
    pub use crate::timers::Timers;
    pub use crate::timers::fire;
    pub use crate::transform::Timed;
    pub use crate::transform::Transform;
    pub use crate::union_column::UnionBuilder;
    pub use crate::union_column::UnionReader;
    pub use crate::wire::Batch;
    pub use crate::wire::Column;
    pub use crate::wire::Failure;
}
