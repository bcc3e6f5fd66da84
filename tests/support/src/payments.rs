//! Payments: the records that most suites feed, and what the payments filter makes of them.

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use rand::Rng;
use rand::SeedableRng;
use rand::rngs::StdRng;

/// Schema of the input.
pub const PAYMENT_SCHEMA: &str = r#"{"type":"record","name":"Payment","namespace":"payments","fields":[
{"name":"id","type":"long"},{"name":"account","type":"string"},{"name":"amount","type":"double"},
{"name":"country","type":"string"},{"name":"ts","type":"long"},{"name":"card_present","type":"boolean"}]}"#;

/// One payment.
#[derive(Debug, Clone, PartialEq)]
pub struct Payment {
    pub id: i64,
    pub account: String,
    pub amount: f64,
    pub country: &'static str,
    pub ts: i64,
    pub card_present: bool,
}

/// A seeded stream of payments: the same seed gives the same payments.
#[derive(Debug)]
pub struct Payments {
    random: StdRng,
    next_id: i64,
    accounts: u32,
}

impl Payments {
    /// Payments of accounts `acct-<0..accounts>`.
    #[must_use]
    pub fn new(seed: u64, accounts: u32) -> Self {
        Self { random: StdRng::seed_from_u64(seed), next_id: 0, accounts }
    }
}

impl Iterator for Payments {
    type Item = Payment;

    fn next(&mut self) -> Option<Payment> {
        let id = self.next_id;
        self.next_id += 1;
        let countries = ["DE", "FR", "US", "JP", "BR", "IN"];
        Some(Payment {
            id,
            account: format!("acct-{}", self.random.random_range(0..self.accounts)),
            amount: f64::from(self.random.random_range(0..100_000_u32)) / 100.0,
            country: countries[self.random.random_range(0..countries.len())],
            ts: 1_700_000_000_000 + id,
            card_present: self.random.random(),
        })
    }
}

impl Payment {
    /// The value in the Confluent wire format.
    #[must_use]
    pub fn encode(&self, schema_id: u32) -> Vec<u8> {
        let mut out = frame(schema_id);
        long(&mut out, self.id);
        text(&mut out, &self.account);
        out.extend_from_slice(&self.amount.to_le_bytes());
        text(&mut out, self.country);
        long(&mut out, self.ts);
        out.push(u8::from(self.card_present));
        out
    }

    /// What the payments filter emits for it, if it keeps it: the value without its frame.
    #[must_use]
    pub fn kept(&self) -> Option<Vec<u8>> {
        (self.amount > 500.0).then(|| {
            let mut out = Vec::new();
            text(&mut out, &self.account);
            out.extend_from_slice(&self.amount.to_le_bytes());
            long(&mut out, self.ts);
            out
        })
    }
}

/// Magic byte and schema id.
#[must_use]
pub fn frame(schema_id: u32) -> Vec<u8> {
    let mut out = vec![0];
    out.extend_from_slice(&schema_id.to_be_bytes());
    out
}

/// Zigzag varint, as Avro writes int and long.
pub fn long(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest >= 0x80 {
        out.push((rest as u8 & 0x7f) | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Takes what [`long`] wrote from the front of `body`.
///
/// # Errors
/// When it is cut off, or has more than 64 bits.
pub fn take_long(body: &mut &[u8]) -> Result<i64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = body.split_first().context("a number that is cut off")?;
        *body = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok((number >> 1).cast_signed() ^ -((number & 1).cast_signed()));
        }
    }
    bail!("a number of more than 64 bits")
}

/// Length and bytes, as Avro writes strings.
pub fn text(out: &mut Vec<u8>, value: &str) {
    long(out, value.len() as i64);
    out.extend_from_slice(value.as_bytes());
}

/// Takes what [`text`] wrote from the front of `body`.
///
/// # Errors
/// When it is cut off, or is not UTF-8.
pub fn take_text(body: &mut &[u8]) -> Result<String> {
    let length = usize::try_from(take_long(body)?)?;
    let (text, rest) = body.split_at_checked(length).context("a text that is cut off")?;
    *body = rest;
    Ok(std::str::from_utf8(text)?.to_owned())
}
