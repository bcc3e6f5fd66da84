//! Starts logging to standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The form of log events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogOutput {
    /// One line for people; with colours on a terminal, unless `NO_COLOR` is set.
    Text,
    /// One JSON object a line.
    Json,
}

/// Why logging did not start.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    #[error(
        "`{directives}` are no log directives: {reason}; write a level, or for example `info,wasmill::source=debug`"
    )]
    Directives { directives: String, reason: String },
    #[error("logging is already started")]
    AlreadyStarted,
}

/// Starts logging for the whole process, once.
///
/// # Errors
/// When the directives are wrong, or logging was started before.
pub fn init(output: LogOutput, directives: &str) -> Result<(), InitError> {
    let colours =
        std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let subscriber = subscriber(output, directives, colours, std::io::stderr)?;
    subscriber.try_init().map_err(|_| InitError::AlreadyStarted)
}

pub(crate) fn subscriber<W>(
    output: LogOutput,
    directives: &str,
    colours: bool,
    writer: W,
) -> Result<Box<dyn tracing::Subscriber + Send + Sync>, InitError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(directives).map_err(|error| InitError::Directives {
        directives: directives.to_owned(),
        reason: error.to_string(),
    })?;
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(colours);
    Ok(match output {
        LogOutput::Text => Box::new(registry.with(layer)),
        LogOutput::Json => Box::new(registry.with(layer.json().flatten_event(true).with_current_span(false))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::captured_log::CapturedLog;

    fn logged(output: LogOutput, directives: &str) -> CapturedLog {
        let log = CapturedLog::default();
        log.during(output, directives, || {
            let span = tracing::info_span!("worker", pipeline = "p", worker = 1).entered();
            tracing::info!(offset = 7, "record set aside");
            tracing::debug!("detail");
            drop(span);
        });
        log
    }

    #[test]
    fn json_events_are_one_object_a_line_with_the_fields_of_their_spans() {
        let events = logged(LogOutput::Json, "info").events();
        let [event] = events.as_slice() else { panic!("one event, got {events:?}") };
        assert_eq!(event["message"], "record set aside");
        assert_eq!(event["offset"], 7);
        assert_eq!(event["spans"][0]["pipeline"], "p");
        assert_eq!(event["spans"][0]["worker"], 1);
    }

    #[test]
    fn text_events_have_no_colours_off_a_terminal_and_directives_choose_the_level() {
        let text = logged(LogOutput::Text, "debug").text();
        assert!(text.contains("record set aside") && text.contains("detail"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn wrong_directives_are_an_error_with_an_example() {
        let error = init(LogOutput::Text, "a=b=c").expect_err("wrong");
        assert!(error.to_string().contains("info,wasmill::source=debug"), "{error}");
    }
}
