//! What `#[transform]`, the context and the outputs promise, seen through the test kit.

use wasmill_sdk::Transform;
use wasmill_sdk::prelude::*;
use wasmill_sdk::wire::Failure;

#[derive(Debug, Clone, PartialEq, Record)]
struct Order<'a> {
    customer: &'a str,
    amount: i64,
}

#[derive(Debug, Clone, PartialEq, Record)]
struct Customer {
    name: String,
}

#[derive(Debug, Clone, PartialEq, Record)]
struct Note {
    text: String,
}

/// Joins nothing, notes everything.
///
/// This paragraph is not for the manifest.
#[transform(name = "note-taker")]
#[input(orders: Order, key = String, timestamp, headers, offset)]
#[input("customer-changes": Customer)]
#[config(key = "unused", description = "Read by nobody.")]
struct NoteTaker {
    /// What stands before each note.
    #[config(default = "> ")]
    prefix: String,
    #[config(key = "max-amount")]
    max_amount: Option<i64>,
    #[open(|config: &Config| config.parse_or::<u32>("max-amount", Some("7")))]
    digits: u32,
    /// The notes.
    #[output(name = "all-notes")]
    notes: Output<Note, String>,
    raw: Output<Raw<'_>>,
}

impl Process<Order<'_>> for NoteTaker {
    fn process(&mut self, order: Order<'_>, ctx: &mut Context<'_>) -> Result<()> {
        if self.max_amount.is_some_and(|most| order.amount > most) {
            reject!("{} is too much for {}", order.amount, order.customer);
        }
        let key = ctx.key::<&str>()?.unwrap_or("nobody");
        let headers: Vec<_> = ctx.headers()?.iter().map(|header| header.key.to_owned()).collect();
        let text = format!(
            "{}{key} at {:?} offset {} headers {headers:?} digits {}",
            self.prefix,
            ctx.timestamp()?,
            ctx.offset()?,
            self.digits
        );
        self.notes.message(Note { text }).key(order.customer).timestamp(1).header("by", "test").send()?;
        self.raw.emit(order.customer.as_bytes())
    }
}

impl Process<Customer> for NoteTaker {
    fn process(&mut self, customer: Customer, ctx: &mut Context<'_>) -> Result<()> {
        match customer.name.as_str() {
            "retry" => return Err(Error::retry("later")),
            "fatal" => return Err(Error::fatal("never")),
            "reject" => ctx.reject("said so"),
            "unknown key" => {
                ctx.key::<String>()?;
            }
            _ => {}
        }
        self.notes.emit(Note { text: format!("{} from {}", customer.name, ctx.port()) })
    }

    fn tombstone(&mut self, ctx: &mut Context<'_>) -> Result<()> {
        log::info!("row {} is gone", ctx.row());
        self.notes.tombstone().null_key().no_timestamp().send()
    }
}

fn customer(name: &str) -> Customer {
    Customer { name: name.to_owned() }
}

fn texts(harness: &TestHarness) -> Vec<String> {
    let notes = harness.outputs::<Note>("all-notes");
    notes.into_iter().map(|note| note.value.map_or("-".to_owned(), |note| note.text)).collect()
}

#[test]
fn the_context_knows_the_record() {
    let mut harness = TestHarness::new::<NoteTaker>();
    let order = |customer| TestRecord::new(Order { customer, amount: 3 });
    harness.send_to(
        "orders",
        [
            order("ann").key("k-1".to_owned()).timestamp(5).header("a", "1").null_header("a"),
            order("bob").null_key(),
        ],
    );
    assert_eq!(
        texts(&harness),
        [
            "> k-1 at Some(5) offset 0 headers [\"a\", \"a\"] digits 7",
            "> nobody at None offset 1 headers [] digits 7"
        ]
    );
    let notes = harness.outputs::<Note>("all-notes");
    assert_eq!(notes[0].key::<String>().as_deref(), Some("ann"));
    assert_eq!(notes[0].timestamp(), Some(1));
    assert_eq!(notes[0].headers(), [Header::new("by", "test")]);
    let raw = harness.outputs::<Raw<'_>>("raw");
    assert_eq!(raw[0].value, Some(Raw(b"ann")));
    assert_eq!(raw[0].key::<&str>(), Some("k-1"));
    assert_eq!(raw[0].headers().len(), 2);
    assert_eq!(raw[1].key::<&str>(), None);
}

#[test]
fn an_error_rejects_its_record_alone() {
    let mut harness = TestHarness::with_config::<NoteTaker>(&[("max-amount", "10"), ("prefix", "")]);
    let order = |amount| TestRecord::new(Order { customer: "ann", amount }).key("k".to_owned());
    harness.send_to("orders", [order(11), order(10), order(12)]);
    assert_eq!(texts(&harness).len(), 1);
    let reasons: Vec<_> = harness.rejected().iter().map(|rejected| rejected.reason.as_str()).collect();
    assert_eq!(reasons, ["11 is too much for ann", "12 is too much for ann"]);
    assert_eq!(harness.rejected()[1].record, 2);
}

#[test]
fn a_rejected_record_loses_what_it_emitted() {
    let mut harness = TestHarness::new::<NoteTaker>();
    harness.send_to("customer-changes", [customer("x"), customer("reject"), customer("y")]);
    assert_eq!(texts(&harness), ["x from customer-changes", "y from customer-changes"]);
    assert_eq!(harness.rejected()[0].reason, "said so");
}

#[test]
fn a_failure_drops_the_batch() {
    let mut harness = TestHarness::new::<NoteTaker>();
    let failure = harness.try_send_to("customer-changes", [customer("x"), customer("retry")]);
    assert_eq!(failure, Err(Failure::Retry("later".into())));
    let failure = harness.try_send_to("customer-changes", [customer("x"), customer("fatal")]);
    assert_eq!(failure, Err(Failure::Fatal("never".into())));
    harness.send_to("customer-changes", [customer("z")]);
    assert_eq!(texts(&harness), ["z from customer-changes"]);
}

#[test]
fn an_undeclared_key_is_a_clear_failure() {
    let mut harness = TestHarness::new::<NoteTaker>();
    let failure = harness.try_send_to("customer-changes", [customer("unknown key")]);
    let Err(Failure::Fatal(reason)) = failure else { panic!("{failure:?}") };
    assert_eq!(
        reason,
        "input `customer-changes` does not declare it: write #[input(\"customer-changes\", key = ..)] above the transform"
    );
}

#[test]
fn records_keep_their_order_when_their_parts_differ() {
    let mut harness = TestHarness::new::<NoteTaker>();
    harness.send_to(
        "customer-changes",
        [TestRecord::new(customer("a")), TestRecord::tombstone(), TestRecord::new(customer("b"))],
    );
    assert_eq!(texts(&harness), ["a from customer-changes", "-", "b from customer-changes"]);
    assert_eq!(harness.logs()[0].message, "row 1 is gone");
    assert_eq!(harness.logs()[0].target, "transforms");
}

#[test]
fn a_tombstone_goes_to_every_output_with_its_key_schema() {
    let mut harness = TestHarness::new::<NoteTaker>();
    harness.send_to("orders", [TestRecord::<Order<'_>>::tombstone().key("k".to_owned())]);
    // The notes have the key schema of the orders, and raw values keep the key.
    assert_eq!(texts(&harness), ["-"]);
    assert_eq!(harness.outputs::<Raw<'_>>("raw")[0].value, None);
    assert!(harness.logs().is_empty());
}

#[test]
fn the_manifest_says_it_all() {
    let order = r#"{"type":"record","name":"Order","fields":[{"name":"customer","type":"string"},{"name":"amount","type":"long"}]}"#;
    let customer = r#"{"type":"record","name":"Customer","fields":[{"name":"name","type":"string"}]}"#;
    let note = r#"{"type":"record","name":"Note","fields":[{"name":"text","type":"string"}]}"#;
    let expected = format!(
        concat!(
            r#"{{"manifest_version":1,"name":"note-taker","description":"Joins nothing, notes everything.","#,
            r#""sdk":{{"language":"rust","version":"{version}"}},"inputs":["#,
            r#"{{"name":"orders","key":{{"kind":"typed","schema":"string"}},"value":{{"kind":"typed","schema":{order}}},"#,
            r#""timestamp":true,"headers":true,"offset":true}},"#,
            r#"{{"name":"customer-changes","value":{{"kind":"typed","schema":{customer}}}}}],"outputs":["#,
            r#"{{"name":"all-notes","description":"The notes.","key":{{"kind":"typed","schema":"string"}},"#,
            r#""value":{{"kind":"typed","schema":{note}}}}},{{"name":"raw","value":{{"kind":"raw"}}}}],"config":["#,
            r#"{{"key":"unused","description":"Read by nobody."}},"#,
            r#"{{"key":"prefix","description":"What stands before each note.","default":"> "}},"#,
            r#"{{"key":"max-amount"}}]}}"#,
        ),
        version = env!("CARGO_PKG_VERSION"),
        order = order,
        customer = customer,
        note = note,
    );
    assert_eq!(NoteTaker::manifest(), expected);
}

/// Sums amounts by column.
#[transform]
#[input(orders, key = i64)]
struct Total {
    totals: Output<i64>,
}

impl Process<Batch<Order<'_>>> for Total {
    fn process(&mut self, batch: Batch<Order<'_>>, ctx: &mut Context<'_>) -> Result<()> {
        let keys = batch.key()?.read::<i64>()?;
        let amounts = batch.value()?.field(1)?.read::<i64>()?;
        let mut totals = ColumnBuilder::<i64>::with_capacity(1);
        let mut total = 0;
        for (row, order) in batch.records()?.iter().enumerate() {
            match (order?, keys.get(row)?) {
                (Some(order), Some(_)) => {
                    assert_eq!(Some(order.amount), amounts.get(row)?);
                    total += order.amount;
                }
                _ => ctx.reject_rows(&[row as u32], "no value or no key"),
            }
        }
        totals.push(&total);
        let mut rows = Rows { count: 1, ..Rows::default() };
        rows.value = Some(totals.finish(&mut rows.columns)?);
        let last = batch.len() as u32 - 1;
        self.totals.emit_rows(rows, Sources::Rows(vec![last]))
    }
}

#[test]
fn a_batch_can_be_taken_as_columns() {
    let mut harness = TestHarness::new::<Total>();
    let order = |amount| TestRecord::new(Order { customer: "ann", amount });
    let tombstone = TestRecord::<Order<'_>>::tombstone();
    harness.send_all([order(1).key(1_i64), tombstone.key(2), order(5).null_key(), order(10).key(4)]);
    let totals = harness.outputs::<i64>("totals");
    assert_eq!(totals[0].value, Some(11));
    assert_eq!(totals[0].key::<i64>(), Some(4));
    assert_eq!(harness.rejected().len(), 2);
}
