//! Makes one record of every line of an order, keyed by the product, so that a topic of orders
//! becomes a topic of sales.

use wasmill_sdk::prelude::*;
use wasmill_sdk::types::Decimal;
use wasmill_sdk::types::TimestampMillis;

/// An amount of money with two decimals.
pub type Money = Decimal<18, 2>;

/// An order of a shop.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(namespace = "com.example.shop")]
pub struct Order<'a> {
    pub order_id: &'a str,
    pub customer: &'a str,
    pub placed_at: TimestampMillis,
    pub channel: Channel,
    pub lines: Vec<Line<'a>>,
}

/// Where an order was placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Record)]
#[record(namespace = "com.example.shop", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Channel {
    Web,
    App,
    Store,
    #[record(default)]
    Other,
}

/// One product of an order.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(namespace = "com.example.shop")]
pub struct Line<'a> {
    pub product: &'a str,
    pub quantity: i32,
    pub unit_price: Money,
    /// A voucher code.
    pub voucher: Option<&'a str>,
}

/// One sold product.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(namespace = "com.example.shop")]
pub struct Sale<'a> {
    pub order_id: &'a str,
    /// The place of the line in its order, counted from 0.
    pub line: i32,
    pub product: &'a str,
    pub quantity: i32,
    pub total: Money,
    pub channel: Channel,
    pub voucher: Option<&'a str>,
}

/// Makes one record of every line of an order.
#[transform]
#[input(orders)]
pub struct ExplodeOrder {
    sales: Output<Sale<'_>, String>,
}

impl Process<Order<'_>> for ExplodeOrder {
    fn process(&mut self, order: Order<'_>, _: &mut Context<'_>) -> Result<()> {
        for (line, item) in (0..).zip(&order.lines) {
            if item.quantity <= 0 {
                reject!("line {line} of order {} has the quantity {}", order.order_id, item.quantity);
            }
            let total = item.unit_price.unscaled().checked_mul(i128::from(item.quantity));
            let Some(total) = total else { reject!("line {line} of order {} is too dear", order.order_id) };
            let sale = Sale {
                order_id: order.order_id,
                line,
                product: item.product,
                quantity: item.quantity,
                total: Money::new(total)?,
                channel: order.channel,
                voucher: item.voucher,
            };
            self.sales.message(sale).key(item.product).timestamp(order.placed_at.0).send()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(product: &str, quantity: i32, cents: i128) -> Line<'_> {
        Line { product, quantity, unit_price: Money::new(cents).expect("few digits"), voucher: None }
    }

    fn order<'a>(order_id: &'a str, lines: Vec<Line<'a>>) -> Order<'a> {
        Order { order_id, customer: "c-1", placed_at: TimestampMillis(1_000), channel: Channel::App, lines }
    }

    #[test]
    fn every_line_becomes_a_sale_keyed_by_its_product() {
        let mut harness = TestHarness::new::<ExplodeOrder>();
        let voucher = Line { voucher: Some("SPRING"), ..line("pen", 3, 120) };
        harness.send_all([order("o-1", vec![line("ink", 1, 499), voucher]), order("o-2", vec![])]);
        let sales = harness.outputs::<Sale<'_>>("sales");
        assert_eq!(sales.len(), 2);
        assert_eq!(sales[0].key::<&str>(), Some("ink"));
        assert_eq!(sales[0].timestamp(), Some(1_000));
        let pens = sales[1].value.as_ref().expect("no tombstone");
        assert_eq!((pens.line, pens.total.to_string().as_str(), pens.voucher), (1, "3.60", Some("SPRING")));
        assert_eq!(pens.channel, Channel::App);
    }

    #[test]
    fn a_bad_line_rejects_its_order_alone() {
        let mut harness = TestHarness::new::<ExplodeOrder>();
        let bad = order("o-1", vec![line("ink", 1, 499), line("pen", 0, 120)]);
        harness.send_all([bad, order("o-2", vec![line("cap", 2, 50)])]);
        let sales = harness.values::<Sale<'_>>("sales");
        assert_eq!(sales.iter().map(|sale| sale.product).collect::<Vec<_>>(), ["cap"]);
        assert_eq!(harness.rejected().len(), 1);
        assert_eq!(harness.rejected()[0].reason, "line 1 of order o-1 has the quantity 0");
    }

    #[test]
    fn a_tombstone_has_no_product_to_go_to() {
        let mut harness = TestHarness::new::<ExplodeOrder>();
        harness.send(TestRecord::<Order<'_>>::tombstone());
        assert!(harness.outputs::<Sale<'_>>("sales").is_empty());
        assert!(harness.logs().iter().any(|line| line.message.contains("dropped 1 tombstones")));
    }
}
