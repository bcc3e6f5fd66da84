//! Adds to orders what a compacted topic says of their customers.
//!
//! Both topics are keyed by the customer and have as many partitions. A pipeline binds `customers` as a
//! table: it is read to its end before the first order is, and later changes are applied as they come.

use wasmill_sdk::prelude::*;

/// An order. Its key is the customer.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(namespace = "com.example.shop")]
pub struct Order<'a> {
    pub id: i64,
    pub product: &'a str,
}

/// A customer. A tombstone removes one.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(namespace = "com.example.shop")]
pub struct Customer<'a> {
    pub name: &'a str,
    pub country: &'a str,
}

/// An order with its customer; without one, if the customer is unknown.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(namespace = "com.example.shop")]
pub struct EnrichedOrder<'a> {
    pub id: i64,
    pub product: &'a str,
    pub customer: Option<Customer<'a>>,
}

/// Adds customers to orders.
#[transform]
#[input(orders: Order, key = String)]
#[input(customers: Customer, key = String)]
pub struct EnrichOrders {
    /// What is known of the customers.
    customer: Value<Customer<'_>>,
    enriched_orders: Output<EnrichedOrder<'_>>,
}

impl Process<Order<'_>> for EnrichOrders {
    fn process(&mut self, order: Order<'_>, _: &mut Context<'_>) -> Result<()> {
        let Order { id, product } = order;
        // Read where it lies: no text is copied.
        let customer = self.customer.get()?;
        self.enriched_orders.emit(EnrichedOrder { id, product, customer })
    }
}

impl Process<Customer<'_>> for EnrichOrders {
    fn process(&mut self, customer: Customer<'_>, _: &mut Context<'_>) -> Result<()> {
        self.customer.set(customer)
    }

    fn tombstone(&mut self, _: &mut Context<'_>) -> Result<()> {
        self.customer.clear()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn customer<'a>(key: &str, name: &'a str) -> TestRecord<Customer<'a>, String> {
        TestRecord::new(Customer { name, country: "DE" }).key(key.to_owned())
    }

    fn order(key: &str, id: i64) -> TestRecord<Order<'static>, String> {
        TestRecord::new(Order { id, product: "tea" }).key(key.to_owned())
    }

    fn names(harness: &TestHarness) -> Vec<Option<&str>> {
        let orders = harness.values::<EnrichedOrder<'_>>("enriched_orders");
        orders.iter().map(|order| order.customer.as_ref().map(|customer| customer.name)).collect()
    }

    #[test]
    fn orders_have_what_is_known_of_their_customer() {
        let mut harness = TestHarness::new::<EnrichOrders>();
        harness.send_to("customers", [customer("c-1", "Ann"), customer("c-2", "Bob")]);
        harness.send_to("orders", [order("c-2", 1), order("c-1", 2), order("c-3", 3)]);
        assert_eq!(names(&harness), [Some("Bob"), Some("Ann"), None]);
        let outputs = harness.outputs::<EnrichedOrder<'_>>("enriched_orders");
        assert_eq!(outputs[0].key::<&str>(), Some("c-2"));
    }

    #[test]
    fn customers_change_and_go() {
        let mut harness = TestHarness::new::<EnrichOrders>();
        harness.send_to("customers", [customer("c-1", "Ann"), customer("c-1", "Anna")]);
        harness.send_to("orders", [order("c-1", 1)]);
        let gone = TestRecord::<Customer<'_>>::tombstone().key("c-1".to_owned());
        harness.send_to("customers", [gone]);
        harness.send_to("orders", [order("c-1", 2)]);
        assert_eq!(names(&harness), [Some("Anna"), None]);
    }
}
