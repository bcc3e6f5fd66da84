//! What `running-totals` would be if it remembered nothing: it reads and writes the same, so that the
//! difference in time is what state costs.

use wasmill_sdk::prelude::*;

/// What is read of a payment. Its key is the account.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(namespace = "com.example.payments")]
pub struct Payment {
    pub amount: f64,
}

/// What an account has paid with this payment alone.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(namespace = "com.example.payments")]
pub struct RunningTotal<'a> {
    pub account: &'a str,
    pub total: f64,
    pub count: i64,
}

/// Counts and sums each payment by itself.
#[transform]
#[input(payments, key = String)]
pub struct SingleTotals {
    running_totals: Output<RunningTotal<'_>>,
}

impl Process<Payment> for SingleTotals {
    fn process(&mut self, payment: Payment, ctx: &mut Context<'_>) -> Result<()> {
        let account = ctx.key::<&str>()?.unwrap_or_default();
        self.running_totals.emit(RunningTotal { account, total: payment.amount, count: 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_payment_counts_by_itself() {
        let mut harness = TestHarness::new::<SingleTotals>();
        harness.send_all(
            [("a", 1.5), ("a", 2.5)]
                .map(|(account, amount)| TestRecord::new(Payment { amount }).key(account.to_owned())),
        );
        let expected = [1.5, 2.5].map(|total| RunningTotal { account: "a", total, count: 1 });
        assert_eq!(harness.values::<RunningTotal<'_>>("running_totals"), expected);
    }
}
