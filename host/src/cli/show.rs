//! What the command line prints: errors and notices to standard error, results to standard output.
//! Colours only on a terminal.

use anstyle::AnsiColor;
use anstyle::Style;

use crate::model::failure::Refusal;
use crate::model::failure::Stop;

pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const RED: Style = AnsiColor::Red.on_default().bold();
pub(crate) const GREEN: Style = AnsiColor::Green.on_default().bold();
pub(crate) const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
pub(crate) const CYAN: Style = AnsiColor::Cyan.on_default();

pub(crate) fn error(message: &str) {
    anstream::eprintln!("{RED}error{RED:#}: {message}");
}

/// What someone has to act upon, with how.
pub(crate) fn stop(stop: &Stop) {
    let Stop { code, message, remedy } = stop;
    anstream::eprintln!("{RED}error[{code}]{RED:#}: {message}\n  {CYAN}{:>8}:{CYAN:#} {remedy}", "help");
}

pub(crate) fn notice(message: &str) {
    anstream::eprintln!("{YELLOW}note{YELLOW:#}: {message}");
}

pub(crate) fn done(message: &str) {
    anstream::println!("{GREEN}ok{GREEN:#}: {message}");
}

/// A refusal, ours or that of a host, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) code: String,
    pub(crate) field: String,
    pub(crate) message: String,
    pub(crate) found: String,
    pub(crate) expected: String,
    pub(crate) remedy: String,
}

impl From<Refusal> for Shown {
    fn from(refusal: Refusal) -> Self {
        let Refusal { code, field, message, found, expected, remedy } = refusal;
        Self { code: code.0.to_owned(), field, message, found, expected, remedy }
    }
}

/// A problem over several lines.
pub(crate) fn problem(problem: &Shown) {
    anstream::eprint!("{}", problem_text(problem));
}

fn problem_text(problem: &Shown) -> String {
    let Shown { code, field, message, found, expected, remedy } = problem;
    let mut text = if field.is_empty() {
        format!("{RED}error[{code}]{RED:#}: {message}\n")
    } else {
        format!("{RED}error[{code}]{RED:#}: {BOLD}{field}{BOLD:#}\n  {message}\n")
    };
    for (label, value) in [("found", found), ("expected", expected)] {
        if !value.is_empty() {
            text.push_str(&format!("  {DIM}{label:>8}:{DIM:#} {value}\n"));
        }
    }
    if !remedy.is_empty() {
        text.push_str(&format!("  {CYAN}{:>8}:{CYAN:#} {remedy}\n", "help"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::failure::Code;

    #[test]
    fn a_refusal_says_what_where_expected_and_how_to_mend() {
        let refusal = Refusal {
            code: Code("unknown-key"),
            field: "inputs.payments.topc".to_owned(),
            message: "this key is not known here (line 6, column 21)".to_owned(),
            found: "the key `topc`".to_owned(),
            expected: "one of `topic`, `key`".to_owned(),
            remedy: "Did you mean `topic`?".to_owned(),
        };
        let plain = anstream::adapter::strip_str(&problem_text(&refusal.into())).to_string();
        assert_eq!(
            plain,
            "error[unknown-key]: inputs.payments.topc
  this key is not known here (line 6, column 21)
     found: the key `topc`
  expected: one of `topic`, `key`
      help: Did you mean `topic`?
"
        );
    }
}
