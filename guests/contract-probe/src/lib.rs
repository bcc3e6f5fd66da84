//! Shows what the host hands over of each record, and sets every part of what it emits. For tests
//! of the contract between host and guest.

use wasmill_sdk::prelude::*;

/// What to do with a record.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(namespace = "com.example.contract")]
pub struct Order<'a> {
    /// Words such as `copy`, `key`, `null-key`; see [`ContractProbe`].
    pub what: &'a str,
    /// The key, timestamp or header to set.
    pub to: Option<&'a str>,
}

/// What the guest saw.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(namespace = "com.example.contract")]
pub struct Seen<'a> {
    pub what: &'a str,
    pub saw: &'a str,
}

/// Emits as each record says:
/// `copy` (nothing set), `key`, `null-key`, `timestamp`, `no-timestamp`, `headers` (`a=1,a=2,b`),
/// `no-headers`, `tombstone`, `ports` (second, first, second), `reject` (after an output to each
/// port), `nothing`.
#[transform]
#[input(orders: Order, key = String, timestamp, headers, offset)]
pub struct ContractProbe {
    first: Output<Seen<'_>, String>,
    second: Output<Seen<'_>, String>,
}

impl Process<Order<'_>> for ContractProbe {
    fn process(&mut self, order: Order<'_>, ctx: &mut Context<'_>) -> Result<()> {
        let saw = saw(ctx)?;
        let Order { what, to } = order;
        let seen = Seen { what, saw: &saw };
        let to = to.unwrap_or_default();
        match what {
            "copy" => self.first.emit(seen),
            "key" => self.first.message(seen).key(to).send(),
            "null-key" => self.first.message(seen).null_key().send(),
            "timestamp" => self.first.message(seen).timestamp(to.parse()?).send(),
            "no-timestamp" => self.first.message(seen).no_timestamp().send(),
            "headers" => self.first.message(seen).headers(headers(to)).send(),
            "no-headers" => self.first.message(seen).headers([]).send(),
            "tombstone" => self.first.tombstone().send(),
            "ports" => {
                self.second.emit(Seen { saw: "1", ..seen.clone() })?;
                self.first.emit(Seen { saw: "2", ..seen.clone() })?;
                self.second.emit(Seen { saw: "3", ..seen })
            }
            "reject" => {
                self.first.emit(seen.clone())?;
                self.second.emit(seen)?;
                reject!("rejected after its outputs: {to}")
            }
            "nothing" => Ok(()),
            other => reject!("`{other}` is no order"),
        }
    }
}

/// Key, timestamp, offset and headers in one line.
fn saw(ctx: &Context<'_>) -> Result<String> {
    let key = ctx.key::<&str>()?.unwrap_or("<null>");
    let timestamp = ctx.timestamp()?.map_or_else(|| "<null>".to_owned(), |at| at.to_string());
    let mut line = format!("{key}@{timestamp}#{}", ctx.offset()?);
    for header in ctx.headers()? {
        let value = header.value.map_or("<null>".into(), String::from_utf8_lossy);
        line.push_str(&format!(" {}={value}", header.key));
    }
    Ok(line)
}

/// `a=1,a=2,b`: a name without `=` has a null value.
fn headers(text: &str) -> Vec<Header<'_>> {
    let header = |part| match str::split_once(part, '=') {
        Some((key, value)) => Header::new(key, value),
        None => Header { key: part, value: None },
    };
    text.split(',').map(header).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(what: &'static str, to: &'static str) -> TestRecord<Order<'static>, String> {
        TestRecord::new(Order { what, to: Some(to) }).key("k".to_owned()).timestamp(7).header("h", "1")
    }

    #[test]
    fn each_part_is_shown_and_set() {
        let mut harness = TestHarness::new::<ContractProbe>();
        harness.send_all([order("copy", ""), order("key", "other"), order("headers", "a=1,a=2,b")]);
        let outputs = harness.outputs::<Seen<'_>>("first");
        assert_eq!(outputs[0].value.as_ref().map(|seen| seen.saw), Some("k@7#0 h=1"));
        assert_eq!(outputs[1].key::<&str>(), Some("other"));
        let expected = [Header::new("a", "1"), Header::new("a", "2"), Header { key: "b", value: None }];
        assert_eq!(outputs[2].headers(), expected);
    }

    #[test]
    fn a_rejected_order_leaves_nothing() {
        let mut harness = TestHarness::new::<ContractProbe>();
        harness.send_all([order("reject", "x"), order("unheard of", "")]);
        assert!(harness.outputs::<Seen<'_>>("second").is_empty());
        assert_eq!(harness.rejected().len(), 2);
    }
}
