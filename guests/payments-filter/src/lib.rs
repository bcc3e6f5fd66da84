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
