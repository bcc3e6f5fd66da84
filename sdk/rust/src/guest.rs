//! The component: the exports, and the host's imports as [`Host`].

use std::borrow::Cow;
use std::cell::RefCell;

use crate::config::Config;
use crate::error::Error;
use crate::error::Result;
use crate::host::Host;
use crate::timers::Fired;
use crate::timers::TimeDomain;
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
        with: {
            "wasmill:transform/types@0.1.0": crate::wire,
            "wasmill:transform/state@0.1.0/binaries": crate::wire::Binaries,
            "wasmill:transform/state@0.1.0/scan-range": crate::wire::ScanRange,
            "wasmill:transform/state@0.1.0/page": crate::wire::ScanPage,
        },
        pub_export_macro: true,
        export_macro_name: "export_component",
        default_bindings_module: "wasmill_sdk::__private::bindings",
    });
}

/// The export that only transforms with timers have: with [`bindings`] the world `timed-transform`.
#[allow(unsafe_code, unreachable_pub, missing_docs, missing_debug_implementations, clippy::all)]
pub mod timed_bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package wasmill:sdk;

            world timed {
                export wasmill:transform/timer-handler@0.1.0;
            }",
        with: {
            "wasmill:transform/types@0.1.0": crate::wire,
            "wasmill:transform/state@0.1.0": super::bindings::wasmill::transform::state,
            "wasmill:transform/state@0.1.0/binaries": crate::wire::Binaries,
            "wasmill:transform/timers@0.1.0": super::bindings::wasmill::transform::timers,
        },
        pub_export_macro: true,
        export_macro_name: "export_timer_handler",
        default_bindings_module: "wasmill_sdk::__private::timed_bindings",
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

use self::bindings::wasmill::transform::timers as host_timers;
use self::timed_bindings::exports::wasmill::transform::timer_handler;

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

/// The `on-timers` export.
///
/// # Errors
/// When the invocation fails as a whole.
pub fn on_timers(fired: timer_handler::Fired) -> Result<(), wire::Failure> {
    follow_level();
    let timer_handler::Fired { partition, watermark, domain, keys, tags, times } = fired;
    let domain = match domain {
        host_timers::TimeDomain::Event => TimeDomain::Event,
        host_timers::TimeDomain::Processing => TimeDomain::Processing,
    };
    let fired = Fired { partition, watermark, domain, keys, tags, times };
    INSTANCE.with_borrow_mut(|instance| match instance {
        Some(instance) => match instance.timed() {
            Some(timed) => timed.fire(fired, &mut Imports),
            None => Err(wire::Failure::Fatal("the transform has no timers".to_owned())),
        },
        None => Err(wire::Failure::Fatal("`on-timers` was called before `open`".to_owned())),
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

/// The host's state and timers, as [`link`](crate::state::link) calls them.
pub(crate) mod state {
    use super::bindings::wasmill::transform::state;
    use super::bindings::wasmill::transform::state::StateError;
    use super::bindings::wasmill::transform::timers;
    use super::bindings::wasmill::transform::timers::TimerError;
    use crate::binaries::Binaries;
    use crate::state::link::Refusal;
    use crate::state::link::ScanPage;
    use crate::state::link::ScanRange;
    use crate::timers::TimeDomain;

    pub(crate) fn get_many(store: u32, keys: &Binaries) -> Result<Binaries, Refusal> {
        state::get_many(store, keys).map_err(of_state)
    }

    pub(crate) fn put_many(store: u32, keys: &Binaries, values: &Binaries) -> Result<(), Refusal> {
        state::put_many(store, keys, values).map_err(of_state)
    }

    pub(crate) fn scan(
        store: u32,
        range: &ScanRange,
        limit: u32,
        cursor: Option<&[u8]>,
    ) -> Result<ScanPage, Refusal> {
        state::scan(store, range, limit, cursor).map_err(of_state)
    }

    pub(crate) fn register(
        domain: TimeDomain,
        keys: &Binaries,
        tags: &Binaries,
        times: &[u8],
    ) -> Result<(), Refusal> {
        timers::register(of_domain(domain), keys, tags, times).map_err(of_timers)
    }

    pub(crate) fn cancel(domain: TimeDomain, keys: &Binaries, tags: &Binaries) -> Result<(), Refusal> {
        timers::cancel(of_domain(domain), keys, tags).map_err(of_timers)
    }

    fn of_domain(domain: TimeDomain) -> timers::TimeDomain {
        match domain {
            TimeDomain::Event => timers::TimeDomain::Event,
            TimeDomain::Processing => timers::TimeDomain::Processing,
        }
    }

    #[cold]
    fn of_state(error: StateError) -> Refusal {
        match error {
            StateError::UnknownStore => Refusal::Invalid("the host knows no such store".to_owned()),
            StateError::InvalidKeys(why) => Refusal::Invalid(format!("invalid keys: {why}")),
            StateError::InvalidValues(why) => Refusal::Invalid(format!("invalid values: {why}")),
            StateError::InvalidScan(why) => Refusal::Invalid(format!("invalid scan: {why}")),
            StateError::LimitExceeded(bytes) => Refusal::Limit(bytes),
        }
    }

    #[cold]
    fn of_timers(error: TimerError) -> Refusal {
        match error {
            TimerError::InvalidTimers(why) => Refusal::Invalid(format!("invalid timers: {why}")),
            TimerError::NotDeclared => Refusal::Invalid("the host knows of no such timers".to_owned()),
            TimerError::LimitExceeded(bytes) => Refusal::Limit(bytes),
        }
    }
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

/// Exports a transform with timers as the component of the crate.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_timed {
    ($transform:ty) => {
        $crate::__export!($transform);

        const _: () = {
            struct Component;

            impl $crate::__private::timed_bindings::exports::wasmill::transform::timer_handler::Guest
                for Component
            {
                fn on_timers(
                    fired: $crate::__private::timed_bindings::exports::wasmill::transform::timer_handler::Fired,
                ) -> Result<(), $crate::wire::Failure> {
                    $crate::__private::on_timers(fired)
                }
            }

            $crate::__private::timed_bindings::export_timer_handler!(Component);
        };
    };
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
