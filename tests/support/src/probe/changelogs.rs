//! The whole state, as a reader of the changelogs sees it.

use std::collections::BTreeMap;
use std::fmt::Debug;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use wasmill::state::format::GROUP_BYTES;
use wasmill::state::format::StoredValue;
use wasmill::state::format::split_state_key;

use crate::payments::take_long;
use crate::probe::model::EntryKey;
use crate::probe::model::Model;
use crate::probe::model::Written;
use crate::test_pipeline::TestPipeline;

/// Key of the record, and the suffix that the transform gave.
type StateKey = (String, Vec<u8>);

/// Key and suffix, with the newest value.
type Entries = BTreeMap<(String, Vec<u8>), Vec<u8>>;

/// Fails with the first difference between the changelogs and the models.
pub(super) fn compare(pipeline: &TestPipeline, models: &[Model]) -> Result<()> {
    let read = |store| Changelog::read(pipeline, store, models.len());
    let numbers = read("number")?;
    let maps = read("map")?;
    let fading = read("fading")?;
    let lists = read("list")?;
    let seen = read("seen")?;
    let counted = read("counted")?;
    let timers = read("timers")?;
    for (partition, model) in models.iter().enumerate() {
        let number = |(key, value): (&String, &i64)| ((key.clone(), Vec::new()), *value);
        numbers.is(partition, model.numbers.iter().map(number).collect())?;
        let entry = |((key, entry), value): (&EntryKey, &i64)| ((key.clone(), entry.clone().into()), *value);
        maps.is(partition, model.maps.iter().map(entry).collect())?;
        let fade = |((key, entry), written): (&EntryKey, &Written<i64>)| {
            ((key.clone(), entry.clone().into()), (Some(written.value), model.is_expired(written)))
        };
        fading.fades(partition, &model.fading.iter().map(fade).collect())?;
        let see = |((key, entry), written): (&EntryKey, &Written<()>)| {
            ((key.clone(), entry.clone().into()), (None, model.is_expired(written)))
        };
        seen.fades(partition, &model.seen.iter().map(see).collect())?;
        lists.counts(partition, model.lists.iter().map(|(key, list)| (key.as_str(), list.len())))?;
        let count = (model.counted > 0).then(|| ((String::new(), Vec::new()), model.counted));
        counted.is(partition, count.into_iter().collect())?;
        // Domain 0 is event time.
        let timer =
            |((key, tag), time): (&EntryKey, &i64)| ((key.clone(), [&[0], tag.as_bytes()].concat()), *time);
        timers.is_at(partition, model.timers.iter().map(timer).collect())?;
    }
    Ok(())
}

struct Changelog {
    store: &'static str,
    partitions: Vec<Entries>,
}

impl Changelog {
    fn read(pipeline: &TestPipeline, store: &'static str, partitions: usize) -> Result<Self> {
        let topic = format!("{}.{store}.changelog", pipeline.group());
        let mut entries = vec![Entries::new(); partitions];
        for record in pipeline.kafka.read_committed(&topic)? {
            let of = entries.get_mut(usize::try_from(record.partition)?).context("a partition too many")?;
            let key = record.key.context("a record of a changelog without a key")?;
            let state_key = key.get(GROUP_BYTES..).context("a key of a changelog without a key group")?;
            let (key, suffix) = split_state_key(state_key)?;
            let key = (String::from_utf8(key.to_vec())?, suffix.to_vec());
            match record.value {
                Some(value) => of.insert(key, StoredValue::parse(&value)?.body.to_vec()),
                None => of.remove(&key),
            };
        }
        Ok(Self { store, partitions: entries })
    }

    fn decoded(
        &self,
        partition: usize,
        decode: impl Fn(&[u8]) -> Result<i64>,
    ) -> Result<BTreeMap<StateKey, i64>> {
        let entries = self.partitions[partition].iter();
        entries.map(|(key, body)| Ok((key.clone(), decode(body)?))).collect()
    }

    /// Whether it holds exactly these numbers.
    fn is(&self, partition: usize, expected: BTreeMap<StateKey, i64>) -> Result<()> {
        same(self.store, partition, &self.decoded(partition, long)?, &expected)
    }

    /// The same of times.
    fn is_at(&self, partition: usize, expected: BTreeMap<StateKey, i64>) -> Result<()> {
        let time = |body: &[u8]| Ok(i64::from_be_bytes(body.try_into().context("a time of 8 bytes")?));
        same(self.store, partition, &self.decoded(partition, time)?, &expected)
    }

    /// Whether it holds everything that has not expired, and nothing that was never there.
    fn fades(&self, partition: usize, expected: &BTreeMap<StateKey, (Option<i64>, bool)>) -> Result<()> {
        let found = &self.partitions[partition];
        for (key, (value, is_expired)) in expected {
            let body = found.get(key);
            ensure!(body.is_some() || *is_expired, "`{}` of partition {partition} lacks {key:?}", self.store);
            if let (Some(body), Some(value)) = (body, value) {
                let body = long(body)?;
                ensure!(
                    body == *value,
                    "`{}` of partition {partition} has {body} under {key:?}, expected {value}",
                    self.store
                );
            }
        }
        let stranger = found.keys().find(|key| !expected.contains_key(*key));
        ensure!(stranger.is_none(), "`{}` of partition {partition} has {stranger:?}", self.store);
        Ok(())
    }

    /// Whether each list has an entry an element, and one for its ends.
    fn counts<'a>(&self, partition: usize, expected: impl Iterator<Item = (&'a str, usize)>) -> Result<()> {
        let mut found: BTreeMap<&str, usize> = BTreeMap::new();
        for (key, _) in self.partitions[partition].keys() {
            *found.entry(key).or_default() += 1;
        }
        let expected = expected.filter(|(_, len)| *len > 0).map(|(key, len)| (key, len + 1));
        same(self.store, partition, &found, &expected.collect())
    }
}

fn same<K: Ord + Debug, V: PartialEq + Debug>(
    store: &str,
    partition: usize,
    found: &BTreeMap<K, V>,
    expected: &BTreeMap<K, V>,
) -> Result<()> {
    for (key, expected) in expected {
        let found = found.get(key);
        ensure!(
            found == Some(expected),
            "`{store}` of partition {partition} has {found:?} under {key:?}, expected {expected:?}"
        );
    }
    let stranger = found.iter().find(|(key, _)| !expected.contains_key(*key));
    ensure!(
        stranger.is_none(),
        "`{store}` of partition {partition} has {stranger:?}, expected nothing there"
    );
    Ok(())
}

fn long(body: &[u8]) -> Result<i64> {
    let mut body = body;
    let number = take_long(&mut body)?;
    ensure!(body.is_empty(), "{} bytes follow a number", body.len());
    Ok(number)
}
