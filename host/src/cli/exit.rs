//! How a command fails.

use std::path::Path;
use std::process::ExitCode;

use crate::app::Refused;
use crate::cli::show;
use crate::cli::show::Shown;
use crate::model::failure::Code;
use crate::model::failure::Refusal;
use crate::model::failure::Stop;

/// A file, a setting or a request is wrong.
pub(crate) const REFUSED: u8 = 3;
/// The host cannot be reached.
pub(crate) const UNREACHABLE: u8 = 4;

/// Why a command did not do its work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something broke on the way.
    Failed(anyhow::Error),
    /// Something is wrong with what was given; a heading and the list.
    Refused { what: String, refusals: Vec<Refusal> },
    /// The host's API refuses; a heading and the list.
    Problems { what: String, problems: Vec<Shown> },
    /// The host's API does not answer.
    Unreachable(String),
}

impl Failure {
    pub(crate) fn refused(what: impl Into<String>, refusals: Vec<Refusal>) -> Self {
        Self::Refused { what: what.into(), refusals }
    }

    /// A file that was named and cannot be read.
    pub(crate) fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> Self {
        let refusal = Refusal {
            code: Code("file-missing"),
            field: path.display().to_string(),
            message: "the file cannot be read".to_owned(),
            found: error.to_string(),
            expected: "a file that this process may read".to_owned(),
            remedy: "Correct the path, or the rights of the file.".to_owned(),
        };
        Self::refused("a file cannot be used", vec![refusal])
    }

    /// The same as an error to put a context on; of a list, every message.
    pub(crate) fn into_error(self) -> anyhow::Error {
        match self {
            Self::Failed(error) => error,
            Self::Refused { what, refusals } => {
                let problems = refusals.into_iter().map(Shown::from).collect();
                Self::Problems { what, problems }.into_error()
            }
            Self::Problems { what, problems } => {
                let messages: Vec<String> = problems
                    .into_iter()
                    .map(|problem| format!("{}: {}", problem.code, problem.message))
                    .collect();
                anyhow::anyhow!("{what}: {}", messages.join("; "))
            }
            Self::Unreachable(message) => anyhow::anyhow!(message),
        }
    }

    /// Prints the failure and gives the process's exit code.
    pub(crate) fn report(self) -> ExitCode {
        match self {
            Self::Failed(error) => {
                match error.downcast_ref::<Stop>() {
                    Some(stop) => show::stop(stop),
                    None => show::error(&format!("{error:#}")),
                }
                ExitCode::FAILURE
            }
            Self::Refused { what, refusals } => {
                let problems = refusals.into_iter().map(Shown::from).collect();
                Self::Problems { what, problems }.report()
            }
            Self::Problems { what, problems } => {
                for problem in &problems {
                    show::problem(problem);
                }
                let count = problems.len();
                show::error(&format!("{what}: {count} problem{}", if count == 1 { "" } else { "s" }));
                ExitCode::from(REFUSED)
            }
            Self::Unreachable(message) => {
                show::error(&message);
                ExitCode::from(UNREACHABLE)
            }
        }
    }
}

/// An error that is a refusal, however deep, is one; under a context, that is the heading.
impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = error.into();
        let heading = error.to_string();
        let error = match error.downcast::<Refused>() {
            Ok(Refused { what, refusals }) => return Self::Refused { what, refusals },
            Err(error) => error,
        };
        let refusal = match error.downcast::<Box<Refusal>>() {
            Ok(refusal) => Ok(*refusal),
            Err(error) => error.downcast::<Refusal>(),
        };
        match refusal {
            Ok(refusal) => {
                let what = if heading == refusal.to_string() { "refused".to_owned() } else { heading };
                Self::Refused { what, refusals: vec![refusal] }
            }
            Err(error) => Self::Failed(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    fn refusal() -> Refusal {
        Refusal {
            code: Code("kafka-brokers"),
            field: "kafka.brokers".to_owned(),
            message: "this is not the address of a broker".to_owned(),
            found: "`x`".to_owned(),
            expected: "host:port".to_owned(),
            remedy: "Correct it.".to_owned(),
        }
    }

    #[track_caller]
    fn heading(error: impl Into<anyhow::Error>) -> String {
        let Failure::Refused { what, refusals } = Failure::from(error) else { panic!("no refusal") };
        assert_eq!(refusals, [refusal()]);
        what
    }

    #[test]
    fn a_refusal_is_one_however_it_comes() {
        assert_eq!(heading(refusal()), "refused");
        assert_eq!(heading(Box::new(refusal())), "refused");
        let outer = |error: anyhow::Error| error.context("the settings are wrong");
        assert_eq!(heading(outer(refusal().into())), "the settings are wrong");
        assert_eq!(heading(outer(Box::new(refusal()).into())), "the settings are wrong");
        let several = Refused { what: "the pipeline is refused".to_owned(), refusals: vec![refusal()] };
        assert_eq!(heading(several), "the pipeline is refused");
        let other =
            Err::<(), _>(std::io::Error::other("full")).context("it cannot be written").expect_err("one");
        assert!(matches!(Failure::from(other), Failure::Failed(_)));
    }
}
