//! Takes and gives keys of every primitive type, and values of text. For tests of the formats.

use wasmill_sdk::prelude::*;

/// Answers each record with its key as the guest saw it, under that key plus one.
#[transform]
#[input(flags: String, key = bool)]
#[input(ints: String, key = i32)]
#[input(longs: String, key = i64)]
#[input(doubles: String, key = f64)]
pub struct KeyProbe {
    flags: Output<String, bool>,
    ints: Output<String, i32>,
    longs: Output<String, i64>,
    doubles: Output<String, f64>,
}

impl Process<String> for KeyProbe {
    fn process(&mut self, value: String, ctx: &mut Context<'_>) -> Result<()> {
        match ctx.port() {
            "flags" => {
                let key = ctx.key::<bool>()?;
                let message = self.flags.message(format!("{value} {key:?}"));
                key.map_or(Ok(()), |key| message.key(!key).send())
            }
            "ints" => {
                let key = ctx.key::<i32>()?;
                let message = self.ints.message(format!("{value} {key:?}"));
                key.map_or(Ok(()), |key| message.key(key + 1).send())
            }
            "longs" => {
                let key = ctx.key::<i64>()?;
                let message = self.longs.message(format!("{value} {key:?}"));
                key.map_or(Ok(()), |key| message.key(key + 1).send())
            }
            _ => {
                let key = ctx.key::<f64>()?;
                let message = self.doubles.message(format!("{value} {key:?}"));
                key.map_or(Ok(()), |key| message.key(key + 1.0).send())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_grow_by_one() {
        let mut harness = TestHarness::new::<KeyProbe>();
        harness.send_to("longs", [TestRecord::new("a".to_owned()).key(41_i64)]);
        let outputs = harness.outputs::<String>("longs");
        assert_eq!(outputs[0].key::<i64>(), Some(42));
        assert_eq!(outputs[0].value.as_deref(), Some("a Some(41)"));
    }
}
