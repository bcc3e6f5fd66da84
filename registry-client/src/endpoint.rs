//! Base URLs, what may stand in them, and which of them is asked first.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use url::Url;

use crate::error::RegistryError;
use crate::secret::Secret;
use crate::settings_error::SettingsError;

/// One registry server: its address without credentials, ready to be followed by a path.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    // Never ends in a slash.
    base: String,
    pub(crate) https: bool,
}

/// User and password taken out of a base URL.
pub(crate) type UserInfo = (String, Secret);

impl Endpoint {
    pub(crate) fn parse(text: &str) -> Result<(Self, Option<UserInfo>), SettingsError> {
        // The text may hold a password: an error names it only without what stands before the `@`.
        let shown = || shown_without_credentials(text);
        let refuse = |reason: &str| SettingsError::Url { url: shown(), reason: reason.to_owned() };
        let mut url = Url::parse(text.trim()).map_err(|error| refuse(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refuse("the scheme must be http or https"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("a base URL holds no query and no fragment"));
        }
        let user = (!url.username().is_empty() || url.password().is_some())
            .then(|| (decode(url.username()), Secret::new(decode(url.password().unwrap_or_default()))));
        // Both only fail on URLs without a host, which http and https do not allow.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        let https = url.scheme() == "https";
        Ok((Self { base: url.as_str().trim_end_matches('/').to_owned(), https }, user))
    }

    /// `path` starts with a slash and is encoded already.
    pub(crate) fn join(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

fn shown_without_credentials(text: &str) -> String {
    let text = text.split(['?', '#']).next().unwrap_or_default();
    match (text.split_once("://"), text.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) if !scheme.contains('@') => format!("{scheme}://{rest}"),
        (_, Some((_, rest))) => rest.to_owned(),
        (_, None) => text.to_owned(),
    }
}

fn decode(part: &str) -> String {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = match (first, after) {
            (b'%', [high, low, ..]) => hex_digit(*high).zip(hex_digit(*low)),
            _ => None,
        };
        rest = match hex {
            Some((high, low)) => {
                bytes.push(high << 4 | low);
                after.get(2..).unwrap_or_default()
            }
            None => {
                bytes.push(first);
                after
            }
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// The servers and which of them answered last.
#[derive(Debug)]
pub(crate) struct Endpoints {
    all: Vec<Endpoint>,
    preferred: AtomicUsize,
}

impl Endpoints {
    pub(crate) fn new(all: Vec<Endpoint>) -> Self {
        Self { all, preferred: AtomicUsize::new(0) }
    }

    pub(crate) fn all(&self) -> &[Endpoint] {
        &self.all
    }

    /// Every endpoint once, the one that answered last first.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = (usize, &Endpoint)> {
        let first = self.preferred.load(Ordering::Relaxed);
        let (before, from) = self.all.split_at(first.min(self.all.len()));
        from.iter()
            .enumerate()
            .map(move |(index, endpoint)| (first + index, endpoint))
            .chain(before.iter().enumerate())
    }

    pub(crate) fn prefer(&self, index: usize) {
        self.preferred.store(index, Ordering::Relaxed);
    }
}

/// A subject as one path segment: everything but unreserved characters is percent-encoded.
///
/// `.` and `..` are refused, encoded or not every URL parser takes them for steps in the path.
pub(crate) fn subject_segment(subject: &str) -> Result<String, RegistryError> {
    if matches!(subject, "" | "." | "..") {
        return Err(RegistryError::SubjectName { subject: subject.to_owned() });
    }
    let mut segment = String::with_capacity(subject.len());
    for byte in subject.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            segment.push(char::from(byte));
        } else {
            segment.push_str(&format!("%{byte:02X}"));
        }
    }
    Ok(segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_the_base_url_is_kept() {
        for base in ["http://h:1/apis/ccompat/v7", "http://h:1/apis/ccompat/v7/"] {
            let (endpoint, _) = Endpoint::parse(base).expect("a URL");
            assert_eq!(endpoint.join("/subjects"), "http://h:1/apis/ccompat/v7/subjects");
        }
        assert_eq!(Endpoint::parse("https://h").expect("a URL").0.join("/mode"), "https://h/mode");
    }

    #[test]
    fn credentials_leave_the_url() {
        let (endpoint, user) = Endpoint::parse("https://us%40er:p%3Aw@h/x").expect("a URL");
        assert_eq!(endpoint.join(""), "https://h/x");
        let (name, password) = user.expect("a user");
        assert_eq!((name.as_str(), password.expose()), ("us@er", "p:w"));
    }

    #[test]
    fn a_refused_url_is_named_without_its_secrets() {
        for url in [
            "ftp://u:hunter2@h/",
            "http://h/?token=hunter2",
            "http://u:hunter2@h:port",
            "http://h#hunter2",
            "u:hunter2@h",
        ] {
            let error = Endpoint::parse(url).expect_err(url);
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
            assert!(error.to_string().contains('h'), "{error}");
        }
    }

    #[test]
    fn the_one_that_answered_last_is_asked_first() {
        let parse = |url| Endpoint::parse(url).expect("a URL").0;
        let endpoints = Endpoints::new(["http://a", "http://b", "http://c"].map(parse).to_vec());
        endpoints.prefer(1);
        let order: Vec<usize> = endpoints.in_order().map(|(index, _)| index).collect();
        assert_eq!(order, [1, 2, 0]);
    }

    #[test]
    fn subjects_are_one_segment() {
        assert_eq!(subject_segment("a/b c%:ü").expect("a name"), "a%2Fb%20c%25%3A%C3%BC");
        for name in ["", ".", ".."] {
            assert!(subject_segment(name).is_err());
        }
    }
}
