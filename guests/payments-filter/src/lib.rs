//! Keeps the payments over a threshold and projects three of their fields.

use wasmill_sdk::prelude::*;

/// A card payment.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(namespace = "com.example.payments")]
pub struct Payment<'a> {
    pub id: i64,
    pub account: &'a str,
    pub amount: f64,
    pub country: &'a str,
    /// Milliseconds since the Unix epoch.
    pub ts: i64,
    pub card_present: bool,
}

/// What is kept of a large payment.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(namespace = "com.example.payments")]
pub struct LargePayment<'a> {
    pub account: &'a str,
    pub amount: f64,
    /// Milliseconds since the Unix epoch.
    pub ts: i64,
}

/// Keeps payments over a threshold.
#[transform]
#[input(payments)]
pub struct PaymentsFilter {
    /// Payments of at most this amount are dropped.
    #[config(default = 500)]
    threshold: f64,
    large_payments: Output<LargePayment<'_>>,
}

impl Process<Payment<'_>> for PaymentsFilter {
    fn process(&mut self, payment: Payment<'_>, _: &mut Context<'_>) -> Result<()> {
        if payment.amount > self.threshold {
            let Payment { account, amount, ts, .. } = payment;
            self.large_payments.emit(LargePayment { account, amount, ts })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payment(account: &str, amount: f64) -> Payment<'_> {
        Payment { id: 1, account, amount, country: "DE", ts: 1_700_000_000_000, card_present: true }
    }

    #[test]
    fn only_payments_over_the_threshold_are_kept() {
        let mut harness = TestHarness::new::<PaymentsFilter>();
        harness.send_all([
            payment("a", 499.99),
            payment("b", 500.0),
            payment("c", 500.01),
            payment("d", f64::NAN),
        ]);
        let expected = LargePayment { account: "c", amount: 500.01, ts: 1_700_000_000_000 };
        assert_eq!(harness.values::<LargePayment<'_>>("large_payments"), [expected]);
    }

    #[test]
    fn the_threshold_is_configured() {
        let mut harness = TestHarness::with_config::<PaymentsFilter>(&[("threshold", "10")]);
        harness.send_all([payment("a", 9.0), payment("b", 11.0)]);
        assert_eq!(harness.values::<LargePayment<'_>>("large_payments").len(), 1);
    }

    #[test]
    fn key_timestamp_and_headers_stay_with_the_record() {
        let mut harness = TestHarness::new::<PaymentsFilter>();
        let record = TestRecord::new(payment("a", 900.0)).key("acct-7").timestamp(5).header("trace", "t-1");
        harness.send(record);
        let outputs = harness.outputs::<LargePayment<'_>>("large_payments");
        assert_eq!(outputs[0].key::<&str>(), Some("acct-7"));
        assert_eq!(outputs[0].timestamp(), Some(5));
        assert_eq!(outputs[0].headers(), [Header::new("trace", "t-1")]);
    }
}
