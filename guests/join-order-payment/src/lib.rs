//! Joins orders with their payments, whichever comes first, and says which orders were not paid in time.
//! A payment without an order is forgotten after the same time.

use wasmill_sdk::prelude::*;

/// An order. Its key is its id.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(namespace = "com.example.shop")]
pub struct Order {
    pub total: f64,
    #[record(logical = "timestamp-millis")]
    pub ordered_at: i64,
}

/// A payment. Its key is the id of the order.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(namespace = "com.example.shop")]
pub struct Payment {
    pub amount: f64,
    #[record(logical = "timestamp-millis")]
    pub paid_at: i64,
}

/// An order with its payment.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(namespace = "com.example.shop")]
pub struct PaidOrder {
    pub order: i64,
    pub total: f64,
    pub amount: f64,
    /// Milliseconds from the order to the payment.
    pub took_ms: i64,
}

/// An order that was not paid in time.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(namespace = "com.example.shop")]
pub struct UnpaidOrder {
    pub order: i64,
    pub total: f64,
}

/// Joins orders with their payments.
#[transform]
#[input(orders: Order, key = i64, event_time = "ordered_at", out_of_orderness = "10s")]
#[input(payments: Payment, key = i64, event_time = "paid_at", out_of_orderness = "10s")]
pub struct JoinOrderPayment {
    /// An order is unpaid when no payment has come after so long.
    #[config(default = 3_600_000)]
    patience_ms: i64,
    /// Orders that wait for their payment.
    order: Value<Order>,
    /// Payments that wait for their order.
    payment: Value<Payment>,
    timers: Timers,
    paid: Output<PaidOrder>,
    unpaid: Output<UnpaidOrder>,
}

const EXPIRY: &str = "expiry";

impl JoinOrderPayment {
    fn join(&mut self, id: Option<i64>, order: &Order, payment: &Payment) -> Result<()> {
        self.order.clear()?;
        self.payment.clear()?;
        self.timers.cancel_event(EXPIRY)?;
        self.paid.emit(PaidOrder {
            order: id.unwrap_or_default(),
            total: order.total,
            amount: payment.amount,
            took_ms: payment.paid_at - order.ordered_at,
        })
    }
}

impl Process<Order> for JoinOrderPayment {
    fn process(&mut self, order: Order, ctx: &mut Context<'_>) -> Result<()> {
        match self.payment.get()? {
            Some(payment) => self.join(ctx.key()?, &order, &payment),
            None => {
                self.timers.register_event(order.ordered_at + self.patience_ms, EXPIRY)?;
                self.order.set(order)
            }
        }
    }
}

impl Process<Payment> for JoinOrderPayment {
    fn process(&mut self, payment: Payment, ctx: &mut Context<'_>) -> Result<()> {
        match self.order.get()? {
            Some(order) => self.join(ctx.key()?, &order, &payment),
            None => {
                self.timers.register_event(payment.paid_at + self.patience_ms, EXPIRY)?;
                self.payment.set(payment)
            }
        }
    }
}

impl OnTimer for JoinOrderPayment {
    fn on_timer(&mut self, _: Timer<'_>, ctx: &mut Context<'_>) -> Result<()> {
        if let (Some(order), Some(id)) = (self.order.get()?, ctx.key::<i64>()?) {
            self.unpaid.emit(UnpaidOrder { order: id, total: order.total })?;
        }
        self.order.clear()?;
        self.payment.clear()
    }
}

#[cfg(test)]
mod tests {
    use wasmill_sdk::native::same_in_any_batches;

    use super::*;

    const HOUR: i64 = 3_600_000;

    fn order(id: i64, ordered_at: i64) -> TestRecord<Order, i64> {
        TestRecord::new(Order { total: 9.5, ordered_at }).key(id)
    }

    fn payment(id: i64, paid_at: i64) -> TestRecord<Payment, i64> {
        TestRecord::new(Payment { amount: 9.5, paid_at }).key(id)
    }

    #[test]
    fn order_and_payment_meet_whichever_comes_first() {
        let mut harness = TestHarness::new::<JoinOrderPayment>();
        harness.send_to("orders", [order(1, 1000)]);
        harness.send_to("payments", [payment(1, 3000), payment(2, 4000)]);
        harness.send_to("orders", [order(2, 3500)]);
        let paid = harness.values::<PaidOrder>("paid");
        let seen: Vec<_> = paid.iter().map(|paid| (paid.order, paid.took_ms)).collect();
        assert_eq!(seen, [(1, 2000), (2, 500)]);
        assert!(harness.timers().is_empty());
        assert_eq!(harness.state::<Order>("order", 1_i64), None);
        assert_eq!(harness.outputs::<PaidOrder>("paid")[1].key::<i64>(), Some(2));
    }

    #[test]
    fn an_order_that_is_not_paid_within_an_hour_is_reported() {
        let mut harness = TestHarness::new::<JoinOrderPayment>();
        harness.send_to("orders", [order(1, 0), order(2, HOUR / 2)]);
        harness.send_to("payments", [payment(3, HOUR + 10_000)]);
        assert!(harness.values::<UnpaidOrder>("unpaid").is_empty(), "orders may still come");
        harness.send_to("orders", [order(4, HOUR + 10_000)]);
        assert_eq!(harness.values::<UnpaidOrder>("unpaid"), [UnpaidOrder { order: 1, total: 9.5 }]);
        let outputs = harness.outputs::<UnpaidOrder>("unpaid");
        assert_eq!((outputs[0].key::<i64>(), outputs[0].timestamp()), (Some(1), Some(HOUR)));
        harness.send_to("payments", [payment(1, HOUR + 20_000)]);
        assert!(harness.values::<PaidOrder>("paid").is_empty(), "it came too late");
    }

    #[test]
    fn batches_make_no_difference() {
        let harness = same_in_any_batches::<JoinOrderPayment>(&[("patience_ms", "60000")], |harness| {
            for round in 0..10_i64 {
                let ids = round * 100..round * 100 + 100;
                harness.send_to("orders", ids.clone().map(|id| order(id, id * 1000)));
                harness
                    .send_to("payments", ids.filter(|id| id % 3 != 0).map(|id| payment(id, id * 1000 + 500)));
            }
            harness.advance_event_time(10_000_000);
        });
        assert_eq!(harness.values::<PaidOrder>("paid").len(), 666);
        assert_eq!(harness.values::<UnpaidOrder>("unpaid").len(), 334);
        assert!(harness.timers().is_empty());
    }
}
