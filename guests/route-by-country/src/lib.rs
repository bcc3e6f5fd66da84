//! Routes payments to one output per region, by their country. Each output is bound to a topic of
//! its own.

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

/// Routes payments by their country.
#[transform]
#[input(payments)]
pub struct RouteByCountry {
    /// Countries that count as domestic, separated by commas.
    #[config(default = "DE,AT,CH")]
    domestic_countries: Vec<String>,
    /// Payments from a domestic country.
    domestic: Output<Payment<'_>>,
    /// Payments from any other country.
    foreign: Output<Payment<'_>>,
    /// Payments without a country code of two letters.
    unknown: Output<Payment<'_>>,
}

impl Process<Payment<'_>> for RouteByCountry {
    fn process(&mut self, payment: Payment<'_>, _: &mut Context<'_>) -> Result<()> {
        let country = payment.country;
        if country.len() != 2 || !country.bytes().all(|letter| letter.is_ascii_alphabetic()) {
            self.unknown.emit(payment)
        } else if self.domestic_countries.iter().any(|domestic| domestic.eq_ignore_ascii_case(country)) {
            self.domestic.emit(payment)
        } else {
            self.foreign.emit(payment)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payment(id: i64, country: &str) -> Payment<'_> {
        Payment { id, account: "acct-1", amount: 9.5, country, ts: 1_700_000_000_000, card_present: false }
    }

    fn ids(harness: &TestHarness, port: &str) -> Vec<i64> {
        harness.values::<Payment<'_>>(port).iter().map(|payment| payment.id).collect()
    }

    #[test]
    fn each_payment_goes_to_the_output_of_its_country() {
        let mut harness = TestHarness::new::<RouteByCountry>();
        harness.send_all([
            payment(1, "DE"),
            payment(2, "FR"),
            payment(3, "ch"),
            payment(4, ""),
            payment(5, "D3"),
        ]);
        assert_eq!(ids(&harness, "domestic"), [1, 3]);
        assert_eq!(ids(&harness, "foreign"), [2]);
        assert_eq!(ids(&harness, "unknown"), [4, 5]);
    }

    #[test]
    fn the_domestic_countries_are_configured() {
        let mut harness = TestHarness::with_config::<RouteByCountry>(&[("domestic_countries", "FR, IT")]);
        harness.send_all([payment(1, "DE"), payment(2, "IT")]);
        assert_eq!(ids(&harness, "domestic"), [2]);
        assert_eq!(ids(&harness, "foreign"), [1]);
    }

    #[test]
    fn a_tombstone_goes_to_every_output() {
        let mut harness = TestHarness::new::<RouteByCountry>();
        harness.send(TestRecord::<Payment<'_>>::tombstone().key("acct-1".to_owned()));
        for port in ["domestic", "foreign", "unknown"] {
            let outputs = harness.outputs::<Payment<'_>>(port);
            assert_eq!(outputs.len(), 1, "{port}");
            assert_eq!(outputs[0].value, None, "{port}");
            assert_eq!(outputs[0].key::<&str>(), Some("acct-1"), "{port}");
        }
    }
}
