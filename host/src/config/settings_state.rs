//! The settings of keyed state.

use std::path::Path;

use url::Url;

use crate::config::section::Item;
use crate::config::section::Problems;
use crate::config::settings::ObjectStoreKind;
use crate::config::settings::ObjectStoreSettings;
use crate::config::settings::StateSettings;
use crate::config::settings_reader::Reader;

const HOUR_MS: u64 = 3_600_000;
const URL: &str = "state.object_store.url";
const ENDPOINT: &str = "state.object_store.endpoint";
const REGION: &str = "state.object_store.region";
const ACCOUNT: &str = "state.object_store.account";
const SECRET: &str = "state.object_store.secret";
const SECRET_FILE: &str = "state.object_store.secret_file";

const KINDS: [(&str, ObjectStoreKind); 4] = [
    ("file", ObjectStoreKind::Folder),
    ("s3", ObjectStoreKind::S3),
    ("gs", ObjectStoreKind::Google),
    ("az", ObjectStoreKind::Azure),
];

/// Kind, bucket and prefix.
type Place = (ObjectStoreKind, String, String);

impl Reader<'_> {
    pub(crate) fn state(&mut self) -> StateSettings {
        let mut state = StateSettings::default();
        self.set(&mut state.memory_bytes_max, "state.memory_bytes_max", |item, problems| {
            item.bytes(problems, 8 << 20..=1 << 40)
        });
        self.millis(&mut state.flush_interval, "state.flush_interval_ms", HOUR_MS);
        self.set(&mut state.overlay_bytes_max, "state.overlay_bytes_max", |item, problems| {
            item.bytes(problems, 1 << 20..=16 << 30)
        });
        self.set(&mut state.restores_max, "state.restores_max", |item, problems| item.u32(problems, 1..=64));
        state.object_store = self.object_store();
        state
    }

    fn object_store(&mut self) -> Option<ObjectStoreSettings> {
        let keys = [ENDPOINT, REGION, ACCOUNT, SECRET, SECRET_FILE];
        if !self.has(URL) {
            if let Some(key) = keys.into_iter().find(|key| self.has(key)) {
                let (found, remedy) = (format!("`{key}`"), "Set `state.object_store.url`, or remove it.");
                let message = "there is no object store that it could belong to";
                self.problems.add("missing-key", URL, message, found, "the address of one", remedy);
            }
            return None;
        }
        let place = self.with(URL, place);
        let endpoint = self.with(ENDPOINT, address);
        let (region, account) = (self.text(REGION), self.text(ACCOUNT));
        let secret = self.secret(SECRET, SECRET_FILE);
        let (kind, bucket, prefix) = place?;
        let foreign: &[&str] = match kind {
            ObjectStoreKind::Folder => &keys,
            ObjectStoreKind::S3 => &[],
            ObjectStoreKind::Google => &[ENDPOINT, REGION, ACCOUNT],
            ObjectStoreKind::Azure => &[ENDPOINT, REGION],
        };
        let values = self.values;
        for key in foreign.iter().filter(|key| values.contains_key(**key)) {
            let message = "an object store of this kind has no such setting";
            let scheme = KINDS.iter().find(|(_, known)| *known == kind).map_or("", |(scheme, _)| scheme);
            let expected = format!("no such key with `{scheme}:`");
            self.problems.add("conflicting-keys", key, message, format!("`{key}`"), expected, "Remove it.");
        }
        if kind == ObjectStoreKind::Azure && account.is_none() {
            let message = "an object store of Azure needs its account";
            self.problems.add("missing-key", ACCOUNT, message, "nothing", "the account's name", "Set it.");
        }
        if kind == ObjectStoreKind::S3 && account.is_some() != secret.is_some() {
            let message = "an access key has an id and a secret";
            let remedy =
                "Set both `state.object_store.account` and `state.object_store.secret_file`, or none.";
            self.problems.add("missing-key", SECRET, message, "one of the two", "both, or none", remedy);
        }
        Some(ObjectStoreSettings { kind, bucket, prefix, endpoint, region, account, secret })
    }
}

fn place(item: &Item<'_>, problems: &mut Problems) -> Option<Place> {
    let text = item.text(problems)?;
    let found = if Path::new(text).is_absolute() {
        Some((ObjectStoreKind::Folder, text.to_owned(), String::new()))
    } else {
        Url::parse(text).ok().and_then(|url| place_of(&url))
    };
    if found.is_none() {
        let expected =
            "an absolute folder, `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`";
        let remedy = "Write it in one of these forms.";
        item.problem(problems, "invalid-value", "this is no address of an object store", expected, remedy);
    }
    found
}

fn place_of(url: &Url) -> Option<Place> {
    let (_, kind) = KINDS.iter().find(|(scheme, _)| *scheme == url.scheme())?;
    let plain = url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none()
        && url.port().is_none();
    if !plain {
        return None;
    }
    if *kind == ObjectStoreKind::Folder {
        let folder = url.to_file_path().ok()?;
        return Some((*kind, folder.to_str()?.to_owned(), String::new()));
    }
    let bucket = url.host_str().filter(|host| !host.is_empty())?;
    Some((*kind, bucket.to_owned(), url.path().trim_matches('/').to_owned()))
}

fn address(item: &Item<'_>, problems: &mut Problems) -> Option<Url> {
    let text = item.text(problems)?;
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() && url.password().is_none() => {
            Some(url)
        }
        _ => {
            let expected = "an http or https URL without user and password";
            let remedy = "Write it as `https://host:9000`.";
            item.problem(problems, "invalid-value", "this is no address of a server", expected, remedy);
            None
        }
    }
}
