//! Counts and sums the payments of every account: for each payment, what the account has paid so far.

use wasmill_sdk::prelude::*;

/// What is read of a payment. Its key is the account.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(namespace = "com.example.payments")]
pub struct Payment {
    pub amount: f64,
}

/// What an account has paid so far.
#[derive(Debug, Clone, Default, PartialEq, Record)]
#[record(namespace = "com.example.payments")]
pub struct Totals {
    pub total: f64,
    pub count: i64,
}

/// What an account has paid with this payment and all before it.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(namespace = "com.example.payments")]
pub struct RunningTotal<'a> {
    pub account: &'a str,
    pub total: f64,
    pub count: i64,
}

/// Counts and sums payments per account.
#[transform]
#[input(payments, key = String)]
pub struct RunningTotals {
    /// What each account has paid so far.
    totals: Value<Totals>,
    running_totals: Output<RunningTotal<'_>>,
}

impl Process<Payment> for RunningTotals {
    fn process(&mut self, payment: Payment, ctx: &mut Context<'_>) -> Result<()> {
        let Totals { total, count } = self.totals.get_or_default()?;
        let (total, count) = (total + payment.amount, count + 1);
        self.totals.set(Totals { total, count })?;
        let account = ctx.key::<&str>()?.unwrap_or_default();
        self.running_totals.emit(RunningTotal { account, total, count })
    }
}

#[cfg(test)]
mod tests {
    use wasmill_sdk::native::same_in_any_batches;

    use super::*;

    fn payment(account: &str, amount: f64) -> TestRecord<Payment, String> {
        TestRecord::new(Payment { amount }).key(account.to_owned())
    }

    #[test]
    fn every_payment_gives_the_totals_of_its_account() {
        let mut harness = TestHarness::new::<RunningTotals>();
        harness.send_all([payment("a", 1.5), payment("b", 10.0), payment("a", 2.5)]);
        harness.send(payment("b", -10.0));
        let expected = [("a", 1.5, 1), ("b", 10.0, 1), ("a", 4.0, 2), ("b", 0.0, 2)]
            .map(|(account, total, count)| RunningTotal { account, total, count });
        assert_eq!(harness.values::<RunningTotal<'_>>("running_totals"), expected);
        assert_eq!(harness.state::<Totals>("totals", "a"), Some(Totals { total: 4.0, count: 2 }));
        assert_eq!(harness.state::<Totals>("totals", "c"), None);
    }

    #[test]
    fn a_payment_without_an_account_is_set_aside() {
        let mut harness = TestHarness::new::<RunningTotals>();
        let nobody = TestRecord::new(Payment { amount: 1.0 }).null_key();
        harness.send_all([payment("a", 1.0), nobody, payment("a", 1.0)]);
        assert_eq!(harness.values::<RunningTotal<'_>>("running_totals").len(), 2);
        assert_eq!(harness.rejected()[0].reason, "the record's key is null, but `totals` is kept by key");
    }

    #[test]
    fn batches_make_no_difference() {
        let harness = same_in_any_batches::<RunningTotals>(&[], |harness| {
            let account = |n: u32| format!("acct-{}", n.wrapping_mul(2_654_435_761) % 97);
            harness.send_all((0..3000).map(|n| payment(&account(n), f64::from(n) / 8.0)));
        });
        let totals = harness.values::<RunningTotal<'_>>("running_totals");
        assert_eq!(totals.len(), 3000);
        let last = totals.iter().rev().find(|total| total.account == "acct-0").expect("it has paid");
        assert_eq!(harness.state::<Totals>("totals", "acct-0").map(|totals| totals.count), Some(last.count));
    }
}
