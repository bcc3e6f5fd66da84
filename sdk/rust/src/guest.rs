//! The component: the exports, and the host's imports as [`Host`].

use std::borrow::Cow;
use std::cell::RefCell;

use crate::config::Config;
use crate::error::Error;
use crate::error::Result;
use crate::host::Host;
use crate::transform::Instance;
use crate::transform::Transform;
use crate::wire;
use crate::wire::Rows;
use crate::wire::SchemaId;

/// Generated from the WIT package.
#[allow(unsafe_code, unreachable_pub, missing_docs, missing_debug_implementations, clippy::all)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "transform",
        with: { "wasmill:transform/types@0.1.0": crate::wire },
        pub_export_macro: true,
        export_macro_name: "export_component",
        default_bindings_module: "wasmill_sdk::__private::bindings",
    });
}

use self::bindings::wasmill::transform::clock;
use self::bindings::wasmill::transform::log as host_log;
use self::bindings::wasmill::transform::output;
use self::bindings::wasmill::transform::output::EmitError;
use self::bindings::wasmill::transform::rejects;
use self::bindings::wasmill::transform::rejects::RejectError;
use self::bindings::wasmill::transform::schemas;
use self::bindings::wasmill::transform::schemas::SchemaError;

thread_local! {
    static INSTANCE: RefCell<Option<Box<dyn Instance>>> = const { RefCell::new(None) };
}

/// The `open` export.
///
/// # Errors
/// When a configuration value is missing or cannot be parsed.
pub fn open<T: Transform>(config: Vec<(String, String)>) -> Result<(), String> {
    std::panic::set_hook(Box::new(|panic| {
        host_log::log(host_log::Level::Error, "panic", &panic.to_string());
    }));
    let _ = log::set_logger(&LOGGER);
    follow_level();
    let instance = T::open(&Config::new(config)).map_err(|error| error.reason().to_owned())?;
    INSTANCE.set(Some(Box::new(instance)));
    Ok(())
}

/// The `process` export.
///
/// # Errors
/// When the invocation fails as a whole.
pub fn process(batch: wire::Batch) -> Result<(), wire::Failure> {
    follow_level();
    INSTANCE.with_borrow_mut(|instance| match instance {
        Some(instance) => instance.process(batch, &mut Imports),
        None => Err(wire::Failure::Fatal("`process` was called before `open`".to_owned())),
    })
}

struct Imports;

impl Host for Imports {
    fn emit(
        &mut self,
        port: u32,
        schema: Option<SchemaId>,
        rows: Cow<'_, Rows>,
        sources: Cow<'_, [u8]>,
    ) -> Result<()> {
        output::emit(port, schema, &rows, &sources).map_err(|error| match error {
            EmitError::UnknownPort => Error::fatal(format!("the host knows no output port {port}")),
            EmitError::InvalidColumn(why) => {
                Error::fatal(format!("output port {port}: invalid column: {why}"))
            }
            EmitError::InvalidSources(why) => {
                Error::fatal(format!("output port {port}: invalid sources: {why}"))
            }
            EmitError::InvalidSchema(why) => {
                Error::fatal(format!("output port {port}: invalid schema: {why}"))
            }
            // A trap lets the host bisect the batch, until only the record that makes too much is
            // set aside.
            EmitError::LimitExceeded(bytes) => panic!("the output of this batch exceeds {bytes} bytes"),
        })
    }

    fn reject(&mut self, rows: &[u8], reason: &str) -> Result<()> {
        rejects::reject(rows, reason).map_err(|RejectError::InvalidRows(why)| Error::fatal(why))
    }

    fn schema_text(&mut self, id: SchemaId) -> Result<String> {
        schemas::text(id).map_err(|error| schema_error(id, error))
    }

    fn declare_schema(&mut self, text: &str) -> Result<SchemaId> {
        schemas::declare(text).map_err(|error| schema_error(0, error))
    }

    fn processing_time(&mut self) -> i64 {
        clock::processing_time()
    }
}

fn schema_error(id: SchemaId, error: SchemaError) -> Error {
    Error::fatal(match error {
        SchemaError::UnknownId => format!("no schema has the id {id}"),
        SchemaError::Invalid(why) => format!("the schema cannot be declared: {why}"),
    })
}

/// Passes the `log` crate's records to the host.
struct Logger;

static LOGGER: Logger = Logger;

impl log::Log for Logger {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            host_log::log(level(record.level()), record.target(), &record.args().to_string());
        }
    }

    fn flush(&self) {}
}

fn level(level: log::Level) -> host_log::Level {
    match level {
        log::Level::Error => host_log::Level::Error,
        log::Level::Warn => host_log::Level::Warn,
        log::Level::Info => host_log::Level::Info,
        log::Level::Debug => host_log::Level::Debug,
        log::Level::Trace => host_log::Level::Trace,
    }
}

/// Formats no lines that the host would drop.
fn follow_level() {
    log::set_max_level(match host_log::max_level() {
        None => log::LevelFilter::Off,
        Some(host_log::Level::Error) => log::LevelFilter::Error,
        Some(host_log::Level::Warn) => log::LevelFilter::Warn,
        Some(host_log::Level::Info) => log::LevelFilter::Info,
        Some(host_log::Level::Debug) => log::LevelFilter::Debug,
        Some(host_log::Level::Trace) => log::LevelFilter::Trace,
    });
}

/// Exports a transform as the component of the crate.
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($transform:ty) => {
        const _: () = {
            struct Component;

            impl $crate::__private::bindings::exports::wasmill::transform::handler::Guest for Component {
                fn describe() -> String {
                    <$transform as $crate::Transform>::manifest()
                }

                fn open(config: Vec<(String, String)>) -> Result<(), String> {
                    $crate::__private::open::<$transform>(config)
                }

                fn process(batch: $crate::wire::Batch) -> Result<(), $crate::wire::Failure> {
                    $crate::__private::process(batch)
                }
            }

            $crate::__private::bindings::export_component!(Component);
        };
    };
}
