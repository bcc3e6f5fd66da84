//! Reads every field of every payment and writes it anew: the benchmark of what rows cost over
//! plain columns.

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

/// Copies payments row by row.
#[transform]
#[input(payments)]
pub struct IdentityRows {
    copies: Output<Payment<'_>>,
}

impl Process<Payment<'_>> for IdentityRows {
    fn process(&mut self, payment: Payment<'_>, _: &mut Context<'_>) -> Result<()> {
        self.copies.emit(payment)
    }
}
