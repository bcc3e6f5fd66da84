//! Passes payments through without reading them, as whole columns: the benchmark of what the
//! boundary itself costs.

use wasmill_sdk::prelude::*;

/// A card payment.
#[derive(Debug, Clone, PartialEq, Record)]
pub struct Payment<'a> {
    pub id: i64,
    pub account: &'a str,
    pub amount: f64,
    pub country: &'a str,
    /// Milliseconds since the Unix epoch.
    pub ts: i64,
    pub card_present: bool,
}

/// Passes payments through unread.
#[transform]
#[input(payments)]
pub struct Identity {
    copies: Output<Payment<'_>>,
}

impl Process<Batch<Payment<'_>>> for Identity {
    fn process(&mut self, batch: Batch<Payment<'_>>, _: &mut Context<'_>) -> Result<()> {
        self.copies.emit_rows(batch.into_rows(), Sources::Same)
    }
}
