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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payments_come_out_as_they_went_in() {
        let payment = |id, account| Payment {
            id,
            account,
            amount: 0.5,
            country: "FR",
            ts: 1_700_000_000_000 + id,
            card_present: id % 2 == 0,
        };
        let payments: Vec<_> =
            (0..20).zip(["a", "", "äöü"].into_iter().cycle()).map(|(id, a)| payment(id, a)).collect();
        let mut harness = TestHarness::new::<IdentityRows>();
        harness.send_all(payments.clone());
        harness.send(TestRecord::<Payment<'_>>::tombstone().key(7_i64));
        let outputs = harness.outputs::<Payment<'_>>("copies");
        let values: Vec<_> = outputs.iter().filter_map(|output| output.value.clone()).collect();
        assert_eq!(values, payments);
        assert_eq!(outputs.len(), 21);
        assert_eq!(outputs[20].value, None);
        assert_eq!(outputs[20].key::<i64>(), Some(7));
    }
}
