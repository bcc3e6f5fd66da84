//! What every account has paid: as it was sent, and as it came back.

use std::collections::BTreeMap;

use crate::cli::demo::payments::Payment;
use crate::cli::demo::payments::take_long;

/// Sum and number of the payments of an account.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Total {
    pub(super) total: f64,
    pub(super) count: i64,
}

/// What the transform writes: the total of an account with one more payment.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RunningTotal {
    pub(super) account: String,
    pub(super) total: Total,
}

impl RunningTotal {
    /// Reads an Avro body, without the frame.
    pub(super) fn decode(body: &[u8]) -> Option<Self> {
        let (length, rest) = take_long(body)?;
        let (account, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        let (total, rest) = rest.split_first_chunk::<8>()?;
        let (count, rest) = take_long(rest)?;
        let total = Total { total: f64::from_le_bytes(*total), count };
        let account = std::str::from_utf8(account).ok()?.to_owned();
        rest.is_empty().then_some(Self { account, total })
    }
}

/// Totals by account.
#[derive(Debug, Clone, Default)]
pub(super) struct Totals {
    pub(super) accounts: BTreeMap<String, Total>,
    /// Payments, or running totals that came back.
    pub(super) count: u64,
    /// Accounts one of whose running totals is missing, doubled or out of place.
    pub(super) broken: BTreeMap<String, i64>,
}

impl Totals {
    /// One more payment was sent.
    pub(super) fn pay(&mut self, payment: &Payment) {
        let of = self.accounts.entry(payment.account.clone()).or_default();
        of.total += payment.amount;
        of.count += 1;
        self.count += 1;
    }

    /// One more running total came back.
    pub(super) fn came_back(&mut self, running: RunningTotal) {
        let of = self.accounts.entry(running.account.clone()).or_default();
        if running.total.count != of.count + 1 {
            self.broken.entry(running.account).or_insert(running.total.count);
        }
        *of = running.total;
        self.count += 1;
    }

    /// Every way in which what came back is not what was paid, as sentences; at most a handful.
    pub(super) fn compare(&self, found: &Self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.count != found.count {
            problems.push(format!("{} running totals came, {} were expected", found.count, self.count));
        }
        for (account, count) in found.broken.iter().take(3) {
            problems.push(format!("the running totals of {account} are not one by one at number {count}"));
        }
        let differs =
            self.accounts.iter().filter(|(account, total)| found.accounts.get(*account) != Some(*total));
        for (account, total) in differs.take(3) {
            let found = found.accounts.get(account).copied().unwrap_or_default();
            problems.push(format!(
                "{account} paid {:.2} in {} payments, but its total is {:.2} of {}",
                total.total, total.count, found.total, found.count
            ));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::demo::payments::Generator;

    /// What was paid, and the running totals of a transform that does its work.
    fn run(payments: usize) -> (Totals, Vec<RunningTotal>) {
        let mut generator = Generator::of_accounts(7, 1, 20);
        let (mut paid, mut running) = (Totals::default(), Vec::new());
        for _ in 0..payments {
            let payment = generator.next().payment;
            paid.pay(&payment);
            let total = paid.accounts[&payment.account];
            running.push(RunningTotal { account: payment.account, total });
        }
        (paid, running)
    }

    fn found(running: &[RunningTotal]) -> Totals {
        let mut found = Totals::default();
        running.iter().for_each(|running| found.came_back(running.clone()));
        found
    }

    #[test]
    fn totals_that_survive_agree() {
        let (paid, running) = run(2_000);
        assert_eq!(paid.accounts.len(), 20);
        assert_eq!(paid.compare(&found(&running)), Vec::<String>::new());
    }

    #[test]
    fn a_lost_and_a_doubled_update_are_found() {
        let (paid, running) = run(2_000);
        let mut lost = running.clone();
        lost.remove(1_000);
        assert_eq!(paid.compare(&found(&lost)).len(), 2, "the count, and the account's gap");
        let mut doubled = running.clone();
        doubled.insert(1_000, running[999].clone());
        assert_eq!(paid.compare(&found(&doubled)).len(), 2);
        let mut changed = running;
        changed.last_mut().expect("some").total.total += 0.01;
        assert!(paid.compare(&found(&changed))[0].contains("but its total is"));
    }

    #[test]
    fn a_running_total_that_is_cut_off_is_none() {
        let body = [2, b'a', 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 4];
        let total = Total { total: 1.0, count: 2 };
        assert_eq!(RunningTotal::decode(&body), Some(RunningTotal { account: "a".to_owned(), total }));
        for end in 0..body.len() {
            assert_eq!(RunningTotal::decode(&body[..end]), None);
        }
    }
}
