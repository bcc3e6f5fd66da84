//! Reads changelogs from given offsets to given ends.
//!
//! What makes the end a safe one: the group's stable offsets are read first, then the high watermarks
//! ([`bounds`]). So every transaction whose offsets were read lies before the marks, and the reader, which
//! sees committed records only, is done when the last stable offset has passed them. It waits for that: a
//! transaction that a dead worker left open ends by fencing or by its timeout.

use std::ops::Range;
use std::time::Duration;
use std::time::Instant;

use crate::kafka::admin::Admin;
use crate::kafka::admin_offsets::Edge;
use crate::kafka::error::ErrorCode;
use crate::kafka::error::KafkaError;
use crate::kafka::messages::Messages;
use crate::kafka::partition_reader::PartitionReader;
use crate::kafka::partition_reader::Read;
use crate::kafka::settings::ClientSettings;
use crate::model::failure::Outage;
use crate::model::failure::Stop;
use crate::model::position::Offset;
use crate::model::position::TopicPartition;
use crate::model::record_batch::RawRecords;
use crate::pipeline::state_ports::ChangelogIndex;

/// Bytes that the client may hold, which is what a restore needs beside the state itself.
const BUFFER_BYTES_MAX: u64 = 32 << 20;
/// Records that wait in the client, from which on nothing more is fetched.
const MESSAGES_QUEUED: u32 = 50_000;
/// How long a changelog may be unknown before that is believed: the news of a topic that was just
/// created takes a moment to reach every broker.
const MISSING_GRACE: Duration = Duration::from_secs(5);
/// How long the last stable offset may stand still before the log says so.
const HELD_UP_NOTICE: Duration = Duration::from_secs(15);

/// A part of a changelog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangelogSpan {
    pub changelog: ChangelogIndex,
    pub partition: TopicPartition,
    /// The first offset to read.
    pub from: Offset,
    /// The offset after the last.
    pub until: Offset,
}

/// Changed keys of a changelog as they were committed, in offset order.
#[derive(Debug)]
pub struct ChangelogRun {
    pub changelog: ChangelogIndex,
    /// None where only the end of the log has moved.
    pub records: Option<Messages>,
    /// The offset to read on from after them.
    pub next: Offset,
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum ChangelogFailure {
    #[error(transparent)]
    Outage(#[from] Outage),
    /// The log begins after this offset, or ends before it: what is known up to there is no use.
    #[error("offset {offset} of the changelog {partition} is not in its log")]
    OffsetGone { partition: TopicPartition, offset: Offset },
    #[error(transparent)]
    Stop(#[from] Stop),
}

/// First offset and high watermark of partitions, in their order.
///
/// # Errors
/// See [`ChangelogFailure`].
pub fn bounds(admin: &Admin, partitions: &[TopicPartition]) -> Result<Vec<Range<Offset>>, ChangelogFailure> {
    let failed = |error: KafkaError| failure(&error, None);
    let first = admin.edges(partitions, Edge::First).map_err(failed)?;
    let high = admin.edges(partitions, Edge::High).map_err(failed)?;
    Ok(first.into_iter().zip(high).map(|(first, high)| first..high).collect())
}

/// Reads spans of changelogs, all at once.
#[derive(Debug)]
pub struct ChangelogReader {
    spans: Vec<Reading>,
    /// By part of the client: the index of its span.
    parts: Vec<usize>,
    /// None when there was nothing to read from the start.
    reader: Option<PartitionReader>,
    missing: Option<Missing>,
    moved: Instant,
    noticed: bool,
    /// Empty between calls.
    found: Vec<Read>,
}

/// A changelog of which the client says that it is not there. It says so once.
#[derive(Debug)]
struct Missing {
    since: Instant,
    error: KafkaError,
    partition: Option<TopicPartition>,
}

#[derive(Debug)]
struct Reading {
    span: ChangelogSpan,
    /// Everything before it was read.
    next: Offset,
}

impl Reading {
    fn is_done(&self) -> bool {
        self.next >= self.span.until
    }
}

impl ChangelogReader {
    /// Begins to read. `name` stands in logs.
    ///
    /// # Errors
    /// See [`ChangelogFailure`].
    pub fn start(
        client: &ClientSettings,
        name: String,
        spans: Vec<ChangelogSpan>,
    ) -> Result<Self, ChangelogFailure> {
        let mut parts = Vec::new();
        let mut from = Vec::new();
        for (index, span) in spans.iter().enumerate().filter(|(_, span)| span.from < span.until) {
            parts.push(index);
            from.push((span.partition.clone(), span.from));
        }
        let reader = if from.is_empty() {
            None
        } else {
            let started = PartitionReader::start(client, name, &properties(), &from);
            Some(started.map_err(|error| failure(&error, None))?)
        };
        let spans = spans.into_iter().map(|span| Reading { next: span.from, span }).collect();
        Ok(Self {
            spans,
            parts,
            reader,
            missing: None,
            moved: Instant::now(),
            noticed: false,
            found: Vec::new(),
        })
    }

    /// Takes what is there; waits up to `wait` for the first of it. Tells whether this was all.
    ///
    /// # Errors
    /// See [`ChangelogFailure`]; what was taken before stands.
    pub fn read(&mut self, wait: Duration, out: &mut Vec<ChangelogRun>) -> Result<bool, ChangelogFailure> {
        let Some(reader) = &mut self.reader else {
            return Ok(true);
        };
        if self.spans.iter().all(Reading::is_done) {
            return Ok(true);
        }
        let mut found = std::mem::take(&mut self.found);
        reader.read(wait, &mut found);
        let mut outcome = Ok(());
        for read in found.drain(..) {
            match read {
                Read::Run { part, run } => self.take(part, Some(run), None, out),
                Read::End { part, offset } => self.take(part, None, Some(offset), out),
                Read::Failed { part, error } => outcome = outcome.and(self.failed(part, &error)),
            }
        }
        self.found = found;
        outcome?;
        let missing = self.missing.as_ref().filter(|missing| missing.since.elapsed() >= MISSING_GRACE);
        if let Some(missing) = missing {
            return Err(failure(&missing.error, missing.partition.as_ref()));
        }
        self.notice_if_held_up();
        Ok(self.spans.iter().all(Reading::is_done))
    }

    fn take(&mut self, part: usize, run: Option<Messages>, end: Option<Offset>, out: &mut Vec<ChangelogRun>) {
        let Some(reading) = self.parts.get(part).and_then(|index| self.spans.get_mut(*index)) else { return };
        let before = reading.next;
        let run = run.map(|mut run| {
            run.skip_before(before);
            // What came in after the end was taken belongs to nobody who could have committed it.
            let next = run.next_offset();
            run.keep_before(reading.span.until);
            (run, next)
        });
        let (records, next) = match run {
            Some((run, next)) => ((run.len() > 0).then_some(run), next),
            None => (None, end),
        };
        let Some(next) = next.filter(|next| *next > before) else { return };
        reading.next = next;
        // An end beyond the span's is that of the log as it is now; it was read up to there as well.
        let changelog = reading.span.changelog;
        out.push(ChangelogRun { changelog, records, next: next.min(reading.span.until) });
        (self.moved, self.noticed, self.missing) = (Instant::now(), false, None);
    }

    /// Offsets still to come: at least as many as records.
    #[must_use]
    pub fn left(&self) -> u64 {
        let left = |reading: &Reading| u64::try_from(reading.span.until.0 - reading.next.0).unwrap_or(0);
        self.spans.iter().map(left).sum()
    }

    fn failed(&mut self, part: Option<usize>, error: &KafkaError) -> Result<(), ChangelogFailure> {
        let index = part.and_then(|part| self.parts.get(part));
        let reading = index.and_then(|index| self.spans.get(*index));
        match error.code {
            ErrorCode::UNKNOWN_TOPIC
            | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
            | ErrorCode::UNKNOWN_PARTITION => {
                let partition = reading.map(|reading| reading.span.partition.clone());
                let since = Instant::now();
                self.missing.get_or_insert(Missing { since, error: error.clone(), partition });
                return Ok(());
            }
            ErrorCode::AUTO_OFFSET_RESET | ErrorCode::OFFSET_OUT_OF_RANGE | ErrorCode::NO_OFFSET => {
                let Some(reading) = reading else { return Ok(()) };
                let partition = reading.span.partition.clone();
                return Err(ChangelogFailure::OffsetGone { partition, offset: reading.next });
            }
            ErrorCode::TOPIC_AUTHORIZATION_FAILED | ErrorCode::INVALID_TOPIC => {}
            // The client connects and fetches again by itself, as long as it takes.
            _ if !error.fatal => {
                tracing::info!(%error, "reading changelogs goes on after an error");
                return Ok(());
            }
            _ => {}
        }
        Err(failure(error, reading.map(|reading| &reading.span.partition)))
    }

    /// An open transaction holds the last stable offset back, mostly that of a worker that died.
    fn notice_if_held_up(&mut self) {
        if self.noticed || self.moved.elapsed() < HELD_UP_NOTICE {
            return;
        }
        self.noticed = true;
        for reading in self.spans.iter().filter(|reading| !reading.is_done()) {
            let (partition, until) = (&reading.span.partition, reading.span.until);
            tracing::warn!(%partition, at = %reading.next, %until, "a changelog cannot be read on: its brokers are away, or an open transaction has not ended");
        }
    }
}

/// A changelog has many small records, of which the client holds each in 300 bytes of its own: so what
/// is counted is records, and a fetch brings no more of them than are wanted.
fn properties() -> Vec<(&'static str, String)> {
    let fetch = BUFFER_BYTES_MAX / 32;
    vec![
        ("queued.max.messages.kbytes", (BUFFER_BYTES_MAX / 2 / 1024).to_string()),
        ("queued.min.messages", MESSAGES_QUEUED.to_string()),
        ("fetch.max.bytes", (fetch * 2).to_string()),
        ("max.partition.fetch.bytes", fetch.to_string()),
        // How soon the end is told once everything was read, and how soon to fetch again after the queue
        // was full.
        ("fetch.wait.max.ms", "20".to_owned()),
        ("fetch.queue.backoff.ms", "2".to_owned()),
        ("topic.metadata.propagation.max.ms", "5000".to_owned()),
    ]
}

fn failure(error: &KafkaError, partition: Option<&TopicPartition>) -> ChangelogFailure {
    let named = partition.map_or_else(|| error.message.clone(), |partition| format!("`{partition}`"));
    match error.code {
        code if code.is_outage() => error.outage().into(),
        ErrorCode::UNKNOWN_TOPIC | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION | ErrorCode::UNKNOWN_PARTITION => {
            Stop::new(
                "changelog-missing",
                format!("a changelog, or the task's partition of it, does not exist: {named}"),
                "The state cannot be rebuilt without it. Bring the topic back if you can, and do not make it anew by hand: an empty one would be taken for the state. `wasmill check` of the pipeline says what is left, and how to start over",
            )
            .into()
        }
        ErrorCode::TOPIC_AUTHORIZATION_FAILED => Stop::new(
            "changelog-forbidden",
            format!("the broker does not let this host read a changelog: {named}"),
            "Allow the host's principal READ, WRITE and DESCRIBE on topics that begin with `wasmill.`",
        )
        .into(),
        // Nothing that is known to need a person: try again with a new client.
        _ => Outage::new("changelog-unreadable", error.to_string()).into(),
    }
}
