//! The `stateless` and the `count` work, by hand: what every loop that is compared does with a record.

use std::time::Duration;

use rand::Rng as _;
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use wasmill::model::murmur2::partition_of_key;

/// Records whose amount is above it are kept.
pub const THRESHOLD: f64 = 500.0;
/// Records of one batch at most.
pub const BATCH_MAX: usize = 1000;
/// Time between two commits.
pub const COMMIT_INTERVAL: Duration = Duration::from_millis(100);
/// Timestamp of the first payment; each later one is a millisecond after the one before it.
pub const FIRST_TS: i64 = 1_760_000_000_000;
/// Accounts, and so keys.
pub const ACCOUNTS: u32 = 100_000;

/// Where a loop runs, and on what.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `host:port`.
    pub brokers: String,
    pub input: String,
    pub output: String,
    /// Consumer group, and prefix of the transactional id.
    pub group: String,
    /// Topic of the state's changes, with as many partitions as the input; none without state.
    pub changelog: Option<String>,
}

/// What a loop did.
#[derive(Debug, Clone, Copy)]
pub struct Report {
    /// Input records.
    pub records: u64,
    /// Output records.
    pub outputs: u64,
    /// User and system time of the whole process, from before the clients were made.
    pub cpu_seconds: f64,
    pub wall_seconds: f64,
    pub commits: u64,
}

impl Report {
    /// One line of JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::json!({
            "records": self.records,
            "outputs": self.outputs,
            "cpu_seconds": self.cpu_seconds,
            "wall_seconds": self.wall_seconds,
            "commits": self.commits,
            "records_per_cpu_second": self.records as f64 / self.cpu_seconds,
        })
        .to_string()
    }
}

/// CPU time of this process so far, in seconds.
#[must_use]
#[expect(unsafe_code, reason = "getrusage has no safe wrapper here")]
pub fn cpu_seconds() -> f64 {
    // SAFETY: all zeros is a valid rusage, which the call fills.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

/// Properties that the consumers of all loops share; those of the host by default.
pub const CONSUMER: &[(&str, &str)] = &[
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("auto.offset.reset", "error"),
    ("isolation.level", "read_committed"),
    ("queued.max.messages.kbytes", "16384"),
    ("queued.min.messages", "50000"),
    ("fetch.max.bytes", "8388608"),
    ("max.partition.fetch.bytes", "1048576"),
    ("fetch.queue.backoff.ms", "5"),
];

/// Properties that the producers of all loops share; those of the host by default.
pub const PRODUCER: &[(&str, &str)] = &[
    ("enable.idempotence", "true"),
    ("acks", "all"),
    ("max.in.flight", "5"),
    ("delivery.report.only.error", "true"),
    ("compression.type", "lz4"),
    ("linger.ms", "5"),
    ("queue.buffering.max.kbytes", "65536"),
    ("transaction.timeout.ms", "8000"),
];

/// Makes the input, record by record, always the same for one seed.
#[derive(Debug)]
pub struct Payments {
    random: SmallRng,
    next: i64,
    schema: u32,
    accounts: u32,
}

impl Payments {
    #[must_use]
    pub fn new(seed: u64, schema: u32) -> Self {
        Self { random: SmallRng::seed_from_u64(seed), next: 0, schema, accounts: ACCOUNTS }
    }

    /// Of so many accounts, each of which pays once before any pays twice.
    #[must_use]
    pub fn of_accounts(seed: u64, schema: u32, accounts: u32) -> Self {
        Self { accounts, ..Self::new(seed, schema) }
    }

    /// How many were written.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.next.cast_unsigned()
    }

    fn account(&mut self) -> u32 {
        let random = self.random.random_range(0..self.accounts);
        match u32::try_from(self.next) {
            // A prime that divides no number of accounts met here: every account in turn, none beside
            // the one before it.
            Ok(next) if self.accounts > ACCOUNTS && next < self.accounts => {
                (u64::from(next) * 2_147_483_647 % u64::from(self.accounts)) as u32
            }
            _ => random,
        }
    }

    /// Writes the next record: the key, and the value as Confluent-framed Avro.
    pub fn write_next(&mut self, key: &mut Vec<u8>, value: &mut Vec<u8>) {
        use std::io::Write as _;
        const COUNTRIES: [&str; 8] = ["DE", "FR", "US", "GB", "IT", "ES", "PL", "SE"];
        let account = self.account();
        let amount = self.random.random_range(0..100_000_u32);
        let country = COUNTRIES[self.random.random_range(0..COUNTRIES.len())];
        let present: bool = self.random.random();
        key.clear();
        let _ = write!(key, "acct-{account}");
        value.clear();
        value.push(0);
        value.extend_from_slice(&self.schema.to_be_bytes());
        write_long(value, self.next);
        write_bytes(value, key);
        value.extend_from_slice(&(f64::from(amount) / 100.0).to_le_bytes());
        write_bytes(value, country.as_bytes());
        write_long(value, FIRST_TS + self.next);
        value.push(u8::from(present));
        self.next += 1;
    }
}

/// The fields of a payment that the work looks at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Payment<'a> {
    pub account: &'a [u8],
    pub amount: f64,
    pub ts: i64,
}

impl<'a> Payment<'a> {
    /// Decodes every field of a Confluent-framed value; none when it is malformed.
    #[inline]
    #[must_use]
    pub fn decode(value: &'a [u8]) -> Option<Self> {
        let mut rest = value.strip_prefix(&[0])?.get(4..)?;
        read_long(&mut rest)?;
        let account = read_bytes(&mut rest)?;
        let (amount, after) = rest.split_first_chunk::<8>()?;
        rest = after;
        let country = read_bytes(&mut rest)?;
        let ts = read_long(&mut rest)?;
        std::str::from_utf8(account).ok()?;
        std::str::from_utf8(country).ok()?;
        matches!(rest, [0 | 1]).then_some(Self { account, amount: f64::from_le_bytes(*amount), ts })
    }

    /// Appends the output value.
    #[inline]
    pub fn encode(&self, schema: u32, out: &mut Vec<u8>) {
        out.push(0);
        out.extend_from_slice(&schema.to_be_bytes());
        write_bytes(out, self.account);
        out.extend_from_slice(&self.amount.to_le_bytes());
        write_long(out, self.ts);
    }
}

/// An output of the work.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LargePayment<'a> {
    pub account: &'a [u8],
    pub amount: f64,
    pub ts: i64,
}

impl<'a> LargePayment<'a> {
    /// Decodes a Confluent-framed value; none when it is malformed.
    #[must_use]
    pub fn decode(value: &'a [u8]) -> Option<Self> {
        let mut rest = value.strip_prefix(&[0])?.get(4..)?;
        let account = read_bytes(&mut rest)?;
        let (amount, after) = rest.split_first_chunk::<8>()?;
        rest = after;
        let ts = read_long(&mut rest)?;
        rest.is_empty().then_some(Self { account, amount: f64::from_le_bytes(*amount), ts })
    }
}

/// An output of the `count` work: what an account has paid with this payment and all before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RunningTotal<'a> {
    pub account: &'a [u8],
    pub total: f64,
    pub count: i64,
}

impl<'a> RunningTotal<'a> {
    /// Appends the Confluent-framed value.
    #[inline]
    pub fn encode(&self, schema: u32, out: &mut Vec<u8>) {
        out.push(0);
        out.extend_from_slice(&schema.to_be_bytes());
        write_bytes(out, self.account);
        out.extend_from_slice(&self.total.to_le_bytes());
        write_long(out, self.count);
    }

    /// Decodes a Confluent-framed value; none when it is malformed.
    #[must_use]
    pub fn decode(value: &'a [u8]) -> Option<Self> {
        let mut rest = value.strip_prefix(&[0])?.get(4..)?;
        let account = read_bytes(&mut rest)?;
        let (total, after) = rest.split_first_chunk::<8>()?;
        rest = after;
        let count = read_long(&mut rest)?;
        rest.is_empty().then_some(Self { account, total: f64::from_le_bytes(*total), count })
    }
}

/// The partition of a key, as the Java client chooses it.
#[inline]
#[must_use]
pub fn partition(key: &[u8], count: usize) -> usize {
    partition_of_key(key, count as u32).0 as usize
}

#[inline]
fn write_long(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

#[inline]
fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_long(out, bytes.len() as i64);
    out.extend_from_slice(bytes);
}

#[inline]
fn read_long(rest: &mut &[u8]) -> Option<i64> {
    let mut value = 0_u64;
    let mut shift = 0;
    loop {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((value >> 1) as i64 ^ -((value & 1) as i64));
        }
        shift += 7;
        if shift > 63 {
            return None;
        }
    }
}

#[inline]
fn read_bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(read_long(rest)?).ok()?;
    let (bytes, after) = rest.split_at_checked(len)?;
    *rest = after;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payments_are_decoded_as_they_were_made_and_repeat_by_seed() {
        let (mut one, mut two) = (Payments::new(7, 1), Payments::new(7, 1));
        let (mut key, mut value) = (Vec::new(), Vec::new());
        let mut kept = 0;
        for number in 0..10_000 {
            one.write_next(&mut key, &mut value);
            let first = (key.clone(), value.clone());
            two.write_next(&mut key, &mut value);
            assert_eq!(first, (key.clone(), value.clone()));
            let payment = Payment::decode(&value).expect("a payment");
            assert_eq!((payment.account, payment.ts), (&key[..], 1_760_000_000_000 + number));
            kept += u32::from(payment.amount > THRESHOLD);
            let mut out = Vec::new();
            payment.encode(2, &mut out);
            let Payment { account, amount, ts } = payment;
            assert_eq!(LargePayment::decode(&out), Some(LargePayment { account, amount, ts }));
            assert_eq!(Payment::decode(&value[..value.len() - 1]), None);
        }
        assert!((4800..5200).contains(&kept), "{kept}");
    }
}
