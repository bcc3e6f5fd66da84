//! Payments from a seed, as Confluent-framed Avro, and what must become of them.

/// The writer schema of the payments.
pub(super) const PAYMENT_SCHEMA: &str = r#"{"type":"record","name":"Payment","namespace":"com.example.payments","fields":[{"name":"id","type":"long"},{"name":"account","type":"string"},{"name":"amount","type":"double"},{"name":"country","type":"string"},{"name":"ts","type":"long"},{"name":"card_present","type":"boolean"}]}"#;
/// A payment is kept above this amount.
pub(super) const THRESHOLD: f64 = 500.0;
/// Of the first part.
const ACCOUNTS: u64 = 100_000;
/// About one record in this many cannot be decoded.
const POISON_EVERY: u64 = 20_000;
const COUNTRIES: [&str; 12] = ["DE", "FR", "GB", "IN", "IT", "JP", "NG", "NO", "PL", "SE", "US", "ZA"];
/// 2026-01-01T00:00:00Z; each payment is a millisecond after the one before.
const FIRST_TS: i64 = 1_767_225_600_000;
/// Outputs before this time are kept to be shown beside their inputs.
pub(super) const SAMPLE_TS_END: i64 = FIRST_TS + 100;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Payment {
    pub(super) id: i64,
    pub(super) account: String,
    pub(super) amount: f64,
    pub(super) country: &'static str,
    pub(super) ts: i64,
    pub(super) card_present: bool,
}

/// What the transform writes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LargePayment {
    pub(super) account: String,
    pub(super) amount: f64,
    pub(super) ts: i64,
}

/// How a record is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Poison {
    /// The body ends in the middle of a field.
    Truncated,
    /// The first byte is not 0.
    Magic,
    /// No schema has the id.
    UnknownSchema,
}

/// One record to send.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) payment: Payment,
    pub(super) poison: Option<Poison>,
    pub(super) value: Vec<u8>,
}

pub(super) struct Generator {
    random: SplitMix64,
    schema_id: u32,
    accounts: u64,
    next_id: i64,
}

impl Generator {
    pub(super) fn new(seed: u64, schema_id: u32) -> Self {
        Self::of_accounts(seed, schema_id, ACCOUNTS)
    }

    /// Payments of so many accounts.
    pub(super) fn of_accounts(seed: u64, schema_id: u32, accounts: u64) -> Self {
        Self { random: SplitMix64(seed), schema_id, accounts, next_id: 0 }
    }

    pub(super) fn next(&mut self) -> Record {
        let id = self.next_id;
        self.next_id += 1;
        // Many small amounts, few large ones; half of them above the threshold.
        let share = self.random.unit();
        let amount = (share * share * 4.0 * THRESHOLD * 100.0).round() / 100.0;
        let country = self.random.below(COUNTRIES.len() as u64) as usize;
        let payment = Payment {
            id,
            account: format!("acct-{}", self.random.below(self.accounts)),
            amount,
            country: COUNTRIES.get(country).copied().unwrap_or("NO"),
            ts: FIRST_TS + id,
            card_present: self.random.below(3) > 0,
        };
        let poison = (self.random.below(POISON_EVERY) == 0).then(|| match self.random.below(3) {
            0 => Poison::Truncated,
            1 => Poison::Magic,
            _ => Poison::UnknownSchema,
        });
        let value = self.encode(&payment, poison);
        Record { payment, poison, value }
    }

    fn encode(&self, payment: &Payment, poison: Option<Poison>) -> Vec<u8> {
        let id = if poison == Some(Poison::UnknownSchema) { u32::MAX / 2 } else { self.schema_id };
        let mut out = Vec::with_capacity(64);
        out.push(if poison == Some(Poison::Magic) { 7 } else { 0 });
        out.extend_from_slice(&id.to_be_bytes());
        put_long(&mut out, payment.id);
        put_text(&mut out, &payment.account);
        out.extend_from_slice(&payment.amount.to_le_bytes());
        put_text(&mut out, payment.country);
        put_long(&mut out, payment.ts);
        out.push(u8::from(payment.card_present));
        if poison == Some(Poison::Truncated) {
            out.truncate(out.len() / 2);
        }
        out
    }
}

impl Payment {
    /// What the pipeline must write for this payment, if anything.
    pub(super) fn kept(&self) -> Option<LargePayment> {
        let Self { account, amount, ts, .. } = self;
        (*amount > THRESHOLD).then(|| LargePayment { account: account.clone(), amount: *amount, ts: *ts })
    }
}

impl LargePayment {
    /// The Avro body, without the frame.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(32);
        put_text(&mut out, &self.account);
        out.extend_from_slice(&self.amount.to_le_bytes());
        put_long(&mut out, self.ts);
        out
    }

    /// Reads an Avro body, without the frame.
    pub(super) fn decode(body: &[u8]) -> Option<Self> {
        let (length, rest) = take_long(body)?;
        let (account, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        let (amount, rest) = rest.split_first_chunk::<8>()?;
        let (ts, rest) = take_long(rest)?;
        let account = std::str::from_utf8(account).ok()?.to_owned();
        rest.is_empty().then(|| Self { account, amount: f64::from_le_bytes(*amount), ts })
    }
}

fn put_long(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_long(out, text.len() as i64);
    out.extend_from_slice(text.as_bytes());
}

pub(super) fn take_long(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some(((value >> 1) as i64 ^ -((value & 1) as i64), bytes.get(index + 1..)?));
        }
    }
    None
}

/// A small generator whose sequence is the same everywhere, whatever library is in use.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to `bound` - 1.
    fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// From 0 to 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use apache_avro::Schema;
    use apache_avro::reader::datum::GenericDatumReader;
    use apache_avro::types::Value;

    use super::*;

    fn field<'a>(value: &'a Value, name: &str) -> &'a Value {
        let Value::Record(fields) = value else { panic!("a record") };
        &fields.iter().find(|(found, _)| found == name).expect("the field").1
    }

    #[test]
    fn payments_are_what_another_avro_implementation_reads() {
        let schema = Schema::parse_str(PAYMENT_SCHEMA).expect("a schema");
        let mut generator = Generator::new(1, 77);
        for _ in 0..100 {
            let record = generator.next();
            assert_eq!(record.value[..5], [0, 0, 0, 0, 77]);
            let mut body = &record.value[5..];
            let value = GenericDatumReader::builder(&schema)
                .build()
                .expect("a reader")
                .read_value(&mut body)
                .expect("decodes");
            assert!(body.is_empty());
            assert_eq!(field(&value, "account"), &Value::String(record.payment.account.clone()));
            assert_eq!(field(&value, "amount"), &Value::Double(record.payment.amount));
            assert_eq!(field(&value, "ts"), &Value::Long(record.payment.ts));
        }
    }

    #[test]
    fn one_seed_gives_one_sequence_of_which_half_is_kept_and_some_is_broken() {
        let (mut one, mut two) = (Generator::new(42, 1), Generator::new(42, 1));
        let (mut kept, mut poison) = (0, Vec::new());
        for _ in 0..200_000 {
            let record = one.next();
            assert_eq!(record.value, two.next().value);
            kept += u32::from(record.payment.kept().is_some());
            poison.extend(record.poison);
        }
        assert!((98_000..102_000).contains(&kept), "{kept}");
        assert!((2..40).contains(&poison.len()), "{poison:?}");
    }

    #[test]
    fn what_is_kept_reads_back() {
        let large = LargePayment { account: "acct-1".to_owned(), amount: 500.01, ts: -3 };
        assert_eq!(LargePayment::decode(&large.encode()), Some(large.clone()));
        let bytes = large.encode();
        for end in 0..bytes.len() {
            assert_eq!(LargePayment::decode(&bytes[..end]), None);
        }
    }

    #[test]
    fn every_poison_breaks_the_frame_in_its_own_way() {
        let generator = Generator::new(1, 9);
        let payment = Generator::new(1, 9).next().payment;
        let good = generator.encode(&payment, None);
        assert_eq!(generator.encode(&payment, Some(Poison::Magic))[0], 7);
        assert_ne!(generator.encode(&payment, Some(Poison::UnknownSchema))[1..5], good[1..5]);
        assert!(generator.encode(&payment, Some(Poison::Truncated)).len() < good.len());
    }
}
