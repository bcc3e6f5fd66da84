//! A later version of `running-totals`: its state has a field more and calls another by a better name. It
//! goes on with what the first version has written.

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
    /// Was called `total`.
    #[record(alias = "total")]
    pub sum: f64,
    pub count: i64,
    /// Of the payments since this field is there.
    #[record(default = 0.0)]
    pub largest: f64,
}

/// What an account has paid with this payment and all before it.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(namespace = "com.example.payments")]
pub struct RunningTotal<'a> {
    pub account: &'a str,
    pub total: f64,
    pub count: i64,
}

/// Counts and sums payments per account, and knows the largest.
#[transform]
#[input(payments, key = String)]
pub struct RunningTotals {
    /// What each account has paid so far.
    totals: Value<Totals>,
    running_totals: Output<RunningTotal<'_>>,
}

impl Process<Payment> for RunningTotals {
    fn process(&mut self, payment: Payment, ctx: &mut Context<'_>) -> Result<()> {
        let Totals { sum, count, largest } = self.totals.get_or_default()?;
        let (total, count) = (sum + payment.amount, count + 1);
        self.totals.set(Totals { sum: total, count, largest: largest.max(payment.amount) })?;
        let account = ctx.key::<&str>()?.unwrap_or_default();
        self.running_totals.emit(RunningTotal { account, total, count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_has_the_largest_payment() {
        let mut harness = TestHarness::new::<RunningTotals>();
        let payment = |amount: f64| TestRecord::new(Payment { amount }).key("a".to_owned());
        harness.send_all([payment(1.5), payment(4.0), payment(2.5)]);
        let expected = Totals { sum: 8.0, count: 3, largest: 4.0 };
        assert_eq!(harness.state::<Totals>("totals", "a"), Some(expected));
    }
}
