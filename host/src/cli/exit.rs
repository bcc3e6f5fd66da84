//! How a command fails.

use std::process::ExitCode;

use crate::cli::show;
use crate::cli::show::Shown;
use crate::model::failure::Refusal;

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

    /// Prints the failure and gives the process's exit code.
    pub(crate) fn report(self) -> ExitCode {
        match self {
            Self::Failed(error) => {
                show::error(&format!("{error:#}"));
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

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}
