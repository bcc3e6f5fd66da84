//! Says on standard error what takes a while: a spinner on a terminal, one plain line elsewhere.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::ProgressBar;
use indicatif::ProgressStyle;

/// How often the spinner turns.
const TURN_EVERY: Duration = Duration::from_millis(100);

/// Does `work` while the user sees what it is, such as `compiling payments.wasm`. Nothing of a spinner
/// is left when the work is done: what came of it is for the caller to say.
pub(crate) fn during<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let spinner = std::io::stderr().is_terminal().then(|| spinner(what));
    if spinner.is_none() {
        anstream::eprintln!("{what} ...");
    }
    let outcome = work();
    if let Some(spinner) = spinner {
        spinner.finish_and_clear();
    }
    outcome
}

fn spinner(what: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner:.cyan} {msg} {elapsed:.dim}");
    let spinner = ProgressBar::new_spinner().with_message(what.to_owned());
    spinner.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    spinner.enable_steady_tick(TURN_EVERY);
    spinner
}
