//! From a status and a body to a value or an error that says who recovers.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::Asked;
use crate::error::Missing;
use crate::error::RegistryError;
use crate::secret::Secret;
use crate::transport::scrub;

/// Of a body that is shown in an error, at most this many characters.
const EXCERPT_CHARS: usize = 200;

/// Of a registry's own message: reasons of incompatibility may be many.
const MESSAGE_CHARS: usize = 8000;

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) asked: Asked,
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    pub(crate) secrets: Arc<[Secret]>,
}

/// What a call was about, to name what is missing.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Topic<'a> {
    Registry,
    Subject(&'a str),
    Version(&'a str, crate::schema::Version),
    SchemaId(u32),
    SchemaOf(&'a str),
}

#[derive(Debug, Deserialize)]
struct ErrorBody {
    error_code: u32,
    #[serde(default)]
    message: Option<String>,
}

impl Answer {
    /// The value of a 2xx answer; `expected` describes its shape.
    pub(crate) fn into_value<T: DeserializeOwned>(
        self,
        topic: Topic<'_>,
        expected: &'static str,
    ) -> Result<T, RegistryError> {
        let answer = self.success(topic)?;
        serde_json::from_slice(&answer.body).map_err(|error| {
            // The parser repeats what it found.
            let error = cut(&scrub(&answer.secrets, error.to_string()), EXCERPT_CHARS);
            let found = excerpt(&answer.body, &answer.secrets);
            answer.protocol(format!("expected {expected}, found {found}: {error}"))
        })
    }

    fn success(self, topic: Topic<'_>) -> Result<Self, RegistryError> {
        if (200..300).contains(&self.status) { Ok(self) } else { Err(self.into_error(topic)) }
    }

    fn into_error(self, topic: Topic<'_>) -> RegistryError {
        let body = serde_json::from_slice::<ErrorBody>(&self.body).ok();
        let code = body.as_ref().map_or(u32::from(self.status), |body| body.error_code);
        let message = message(&self.body, &self.secrets);
        let asked = Box::new(self.asked.clone());
        match self.status {
            401 => RegistryError::Unauthorized { asked, message },
            403 => RegistryError::Forbidden { asked, message },
            // A registry names what is missing. Any other 404 comes from a wrong path or another server,
            // and must never pass for "this schema does not exist".
            404 if (40401..=40499).contains(&code) => {
                RegistryError::NotFound { asked, what: missing(code, topic), code, message }
            }
            404 => self.protocol(format!("no such route: {message}")),
            409 => RegistryError::Incompatible {
                asked,
                subject: subject(topic).unwrap_or_default().to_owned(),
                messages: vec![message],
            },
            // Without the registry's error body a 400 is somebody else's.
            400 | 422 if body.is_some() => RegistryError::Invalid { asked, code, message },
            _ => {
                let detail = format!(
                    "expected an answer of a schema registry, found {}",
                    excerpt(&self.body, &self.secrets)
                );
                self.protocol(detail)
            }
        }
    }

    fn protocol(self, detail: String) -> RegistryError {
        RegistryError::Protocol { asked: Box::new(self.asked), status: self.status, detail }
    }
}

fn subject(topic: Topic<'_>) -> Option<&str> {
    match topic {
        Topic::Subject(subject) | Topic::Version(subject, _) | Topic::SchemaOf(subject) => Some(subject),
        Topic::Registry | Topic::SchemaId(_) => None,
    }
}

fn missing(code: u32, topic: Topic<'_>) -> Missing {
    match (code, topic) {
        (_, Topic::SchemaId(id)) => Missing::SchemaId(id),
        (40403, Topic::SchemaOf(subject)) => Missing::SchemaOf(subject.to_owned()),
        (40402, Topic::Version(subject, version)) => {
            Missing::Version { subject: subject.to_owned(), version: version.to_string() }
        }
        (40408 | 40409, topic) => Missing::Setting(subject(topic).unwrap_or_default().to_owned()),
        (40401, topic) => {
            subject(topic).map_or(Missing::Other, |subject| Missing::Subject(subject.to_owned()))
        }
        _ => Missing::Other,
    }
}

/// What an error body says, or how it begins if it is not the registry's. Without secrets.
pub(crate) fn message(body: &[u8], secrets: &[Secret]) -> String {
    match serde_json::from_slice::<ErrorBody>(body) {
        Ok(ErrorBody { message: Some(message), .. }) if !message.is_empty() => {
            cut(&scrub(secrets, message), MESSAGE_CHARS)
        }
        _ => excerpt(body, secrets),
    }
}

fn excerpt(body: &[u8], secrets: &[Secret]) -> String {
    if body.is_empty() {
        return "an empty body".to_owned();
    }
    // Cut before decoding, as a body may be many MiB of anything, and again after secrets are out, as
    // the first cut may have left half of one.
    let head = body.get(..8 * EXCERPT_CHARS).unwrap_or(body);
    let shown = scrub(secrets, String::from_utf8_lossy(head).into_owned());
    format!("{:?}", cut(&shown, EXCERPT_CHARS))
}

fn cut(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Version;

    fn error(status: u16, body: &str, topic: Topic<'_>) -> RegistryError {
        let asked = Asked { what: "a test".into(), method: "GET", url: "http://h/x".into() };
        let secrets = Arc::new([Secret::new("hunter2")]);
        Answer { asked, status, body: body.into(), secrets }
            .into_value::<u32>(topic, "a number")
            .expect_err("an error")
    }

    #[test]
    fn a_404_without_the_registrys_code_is_not_a_missing_schema() {
        for body in ["<html>nginx</html>", r#"{"error_code":404,"message":"HTTP 404 Not Found"}"#, ""] {
            let error = error(404, body, Topic::SchemaId(7));
            assert!(matches!(error, RegistryError::Protocol { .. }) && !error.is_definite(), "{error}");
        }
        let error = error(404, r#"{"error_code":40403,"message":"Schema not found"}"#, Topic::SchemaId(7));
        assert!(matches!(error, RegistryError::NotFound { what: Missing::SchemaId(7), code: 40403, .. }));
    }

    #[test]
    fn each_status_names_who_recovers() {
        use crate::error::Recovery;
        let body = r#"{"error_code":42201,"message":"why"}"#;
        for (status, recovery) in [
            (401, Recovery::ChangeSettings),
            (403, Recovery::ChangeSettings),
            (409, Recovery::ChangeSchema),
            (422, Recovery::ChangeSchema),
            (405, Recovery::ChangeSettings),
        ] {
            let error = error(status, body, Topic::Version("s", Version::Latest));
            assert_eq!(error.recovery(), recovery, "{status}: {error}");
            assert!(error.to_string().contains("http://h/x"), "{error}");
        }
    }

    #[test]
    fn bodies_are_cut_and_scrubbed() {
        let error = error(200, &format!("\"hunter2 {}\"", "ü".repeat(10_000)), Topic::Registry);
        let text = error.to_string();
        assert!(text.contains("*** ü") && !text.contains("hunter2") && text.chars().count() < 700, "{text}");
    }
}
