//! What the demo prints.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::ProgressBar;
use indicatif::ProgressStyle;

use crate::app::DevAddresses;
use crate::cli::demo::journal::Expected;
use crate::cli::demo::journal::Found;
use crate::cli::demo::totals::Totals;
use crate::cli::show::BOLD;
use crate::cli::show::CYAN;
use crate::cli::show::DIM;
use crate::cli::show::GREEN;
use crate::cli::show::RED;
use crate::cli::show::YELLOW;

pub(super) fn step(text: &str) {
    anstream::println!("\n{CYAN}==>{CYAN:#} {BOLD}{text}{BOLD:#}");
}

pub(super) fn item(text: &str) {
    anstream::println!("    {text}");
}

pub(super) fn addresses(addresses: &DevAddresses) {
    let DevAddresses { api, kafka, registry } = addresses;
    item(&format!("API {api}   Kafka {kafka}   registry {registry}"));
}

/// `1,000,000`.
pub(super) fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A bar on a terminal; a line for each tenth elsewhere.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    total: u64,
    tenths: std::cell::Cell<u64>,
}

impl Progress {
    pub(super) fn new(total: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = "    {bar:40.cyan/dim} {human_pos}/{human_len}  {per_sec}  {msg}";
            let bar = ProgressBar::new(total);
            bar.set_style(
                ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar
        });
        Self { bar, total, tenths: std::cell::Cell::new(0) }
    }

    pub(super) fn update(&self, sent: u64, lag: Option<u64>) {
        let lag = lag.map_or_else(|| "starting".to_owned(), |lag| format!("lag {}", number(lag)));
        if let Some(bar) = &self.bar {
            bar.set_position(sent);
            bar.set_message(lag);
        } else if let tenths = sent * 10 / self.total
            && tenths > self.tenths.get()
        {
            self.tenths.set(tenths);
            item(&format!("{:>3} %  {:>11} sent  {lag}", tenths * 10, number(sent)));
        }
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish();
        }
    }
}

/// How the lag went to zero, in at most eight figures.
pub(super) fn lags(lags: &[u64]) {
    let step = lags.len().div_ceil(8).max(1);
    let mut shown: Vec<String> = lags.iter().rev().step_by(step).map(|lag| number(*lag)).collect();
    shown.reverse();
    item(&format!("lag {}", shown.join(" -> ")));
}

/// Some payments beside what became of them.
pub(super) fn samples(expected: &Expected, found: &Found) {
    step("Some payments, and what became of them");
    for payment in &expected.samples {
        let input = format!(
            "#{:<2} {:<11} {:>8.2}  {}  {}",
            payment.id,
            payment.account,
            payment.amount,
            payment.country,
            if payment.card_present { "card   " } else { "no card" }
        );
        match found.samples.get(&payment.ts) {
            Some(large) => item(&format!(
                "{input}  {GREEN}->{GREEN:#}  {:<11} {:>8.2}  ts {}",
                large.account, large.amount, large.ts
            )),
            None if payment.kept().is_some() => item(&format!("{input}  {RED}-> missing{RED:#}")),
            None => item(&format!("{input}  {DIM}-> dropped: not over 500{DIM:#}")),
        }
    }
}

/// One dead letter of each kind.
pub(super) fn dead_letters(found: &Found) {
    step("Dead letters: records that could not be decoded, untouched, with their cause in headers");
    for (code, letter) in &found.letters {
        let count = found.codes.get(code).copied().unwrap_or_default();
        item(&format!(
            "{YELLOW}{code}{YELLOW:#} ({count})   {} key {}   {}",
            letter.origin, letter.key, letter.stage
        ));
        item(&format!("  {DIM}{}{DIM:#}", letter.message));
    }
}

/// The verdict, and the figures.
pub(super) fn outcome(records: u64, took: Duration, expected: &Expected, problems: &[String]) {
    let seconds = took.as_secs_f64();
    let rate = number((records as f64 / seconds).round() as u64);
    step("Outcome");
    item(&format!("{} payments in {seconds:.1} s: {rate} a second, end to end", number(records)));
    let (outputs, letters) = (number(expected.outputs.count), number(expected.dead_letters.count));
    if problems.is_empty() {
        item(&format!(
            "{GREEN}ok{GREEN:#}: {outputs} outputs and {letters} dead letters, as expected; checksum {:016x}",
            expected.outputs.checksum
        ));
    }
    for problem in problems {
        item(&format!("{RED}wrong{RED:#}: {problem}"));
    }
}

/// The verdict of the second part.
pub(super) fn totals(paid: &Totals, problems: &[String]) {
    if problems.is_empty() {
        item(&format!(
            "{GREEN}ok{GREEN:#}: {} payments of {} accounts, each counted once: no total is off by one payment",
            number(paid.count),
            number(paid.accounts.len() as u64)
        ));
        for (account, total) in paid.accounts.iter().take(3) {
            item(&format!("  {account:<9} {:>3} payments {:>10.2}", total.count, total.total));
        }
    }
    for problem in problems {
        item(&format!("{RED}wrong{RED:#}: {problem}"));
    }
}

/// What to do next, as commands that work where the demo was started.
pub(super) fn next_steps() {
    let wasmill = program();
    step("Where to look next");
    for (command, what) in [
        (format!("{wasmill} dev"), "the same playground, for as long as you like"),
        (format!("{wasmill} new my-transform"), "a transform of your own, with its test"),
        ("README.md".to_owned(), "from here to a deployed transform, step by step"),
        ("docs/state.md".to_owned(), "what state is, and what a crash leaves of it"),
    ] {
        item(&format!("{command:<42}  {what}"));
    }
}

/// How to call this program from the folder at hand: as a newcomer has no `wasmill` on the PATH yet.
fn program() -> String {
    let Ok(program) = std::env::current_exe() else {
        return "wasmill".to_owned();
    };
    let folder = std::env::current_dir().unwrap_or_default();
    program.strip_prefix(folder).unwrap_or(&program).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let shown: Vec<String> = [0, 999, 1_000, 1_000_000].map(number).to_vec();
        assert_eq!(shown, ["0", "999", "1,000", "1,000,000"]);
    }
}
