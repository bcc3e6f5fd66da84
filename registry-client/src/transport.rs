//! One call: which servers are asked, how often, and what is made of their answers.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::ACCEPT;
use reqwest::header::CONTENT_TYPE;
use reqwest::header::HeaderMap;
use reqwest::header::LOCATION;
use reqwest::header::RETRY_AFTER;
use tracing::debug;

use crate::answer::Answer;
use crate::answer::message;
use crate::endpoint::Endpoint;
use crate::endpoint::Endpoints;
use crate::error::Asked;
use crate::error::Outage;
use crate::error::RegistryError;
use crate::retry::RetryPolicy;
use crate::secret::Secret;

const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";
const ACCEPTED: &str = "application/vnd.schemaregistry.v1+json, application/json";

/// Whether sending a request twice is harmless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replay {
    Harmless,
    /// Only when the first one certainly was not carried out.
    OnlyUnsent,
}

#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Encoded, with its query, starting with a slash.
    pub(crate) path: String,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) replay: Replay,
    /// In words, for errors.
    pub(crate) what: String,
}

pub(crate) struct Transport {
    pub(crate) http: reqwest::Client,
    pub(crate) endpoints: Endpoints,
    pub(crate) secrets: Arc<[Secret]>,
    pub(crate) retry: RetryPolicy,
    pub(crate) request_timeout: Duration,
    pub(crate) response_bytes_max: usize,
}

// By hand: the HTTP client holds the default headers.
impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("endpoints", &self.endpoints)
            .field("retry", &self.retry)
            .field("request_timeout", &self.request_timeout)
            .field("response_bytes_max", &self.response_bytes_max)
            .finish_non_exhaustive()
    }
}

enum Failure {
    /// Another server, or the same one later, may answer.
    Outage {
        cause: Outage,
        retry_after: Option<Duration>,
    },
    Unusable {
        status: u16,
        detail: String,
    },
}

impl Transport {
    /// Asks until a server answers, at most `retry.passes_max` times over all servers.
    pub(crate) async fn send(&self, call: &Call, retry: &RetryPolicy) -> Result<Answer, RegistryError> {
        let (mut attempts, mut passes) = (0, 0);
        loop {
            let mut retry_after = None;
            let mut last = None;
            for (index, endpoint) in self.endpoints.in_order() {
                attempts += 1;
                let asked = Asked {
                    what: call.what.clone(),
                    method: method_name(&call.method),
                    url: endpoint.join(&call.path),
                };
                let (cause, asks_for) = match self.attempt(endpoint, call).await {
                    Ok((status, body)) => {
                        self.endpoints.prefer(index);
                        return Ok(Answer { asked, status, body, secrets: Arc::clone(&self.secrets) });
                    }
                    Err(Failure::Unusable { status, detail }) => {
                        return Err(RegistryError::Protocol { asked: Box::new(asked), status, detail });
                    }
                    Err(Failure::Outage { cause, retry_after }) => (cause, retry_after),
                };
                debug!(url = asked.url, attempts, %cause, "schema registry attempt failed");
                retry_after = retry_after.max(asks_for);
                let unsent = matches!(cause, Outage::Connect(_) | Outage::Status { status: 429, .. });
                if call.replay == Replay::OnlyUnsent && !unsent {
                    return Err(unavailable(asked, cause, attempts, false, asks_for));
                }
                last = Some((asked, cause));
            }
            passes += 1;
            if let Some((asked, cause)) = last
                && passes >= retry.passes_max
            {
                return Err(unavailable(asked, cause, attempts, true, retry_after));
            }
            tokio::time::sleep(retry.wait(passes, retry_after)).await;
        }
    }

    async fn attempt(&self, endpoint: &Endpoint, call: &Call) -> Result<(u16, Vec<u8>), Failure> {
        let mut request =
            self.http.request(call.method.clone(), endpoint.join(&call.path)).header(ACCEPT, ACCEPTED);
        if let Some(body) = &call.body {
            request = request.header(CONTENT_TYPE, MEDIA_TYPE).body(body.clone());
        }
        let mut response = request.send().await.map_err(|error| self.outage(error))?;
        let status = response.status().as_u16();
        let retry_after = retry_after(response.headers());
        if response.status().is_redirection() {
            return Err(Failure::Unusable { status, detail: self.redirection(response.headers()) });
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.outage(error))? {
            if body.len() + chunk.len() > self.response_bytes_max {
                let detail =
                    format!("the answer is longer than the {} bytes allowed", self.response_bytes_max);
                return Err(Failure::Unusable { status, detail });
            }
            body.extend_from_slice(&chunk);
        }
        // 501 and 505 do not pass by themselves.
        if matches!(status, 408 | 429 | 500 | 502..=504 | 506..) {
            let message = message(&body, &self.secrets);
            let cause = Outage::Status { status, message: self.scrub(message) };
            return Err(Failure::Outage { cause, retry_after });
        }
        Ok((status, body))
    }

    fn outage(&self, error: reqwest::Error) -> Failure {
        let error = error.without_url();
        let cause = if error.is_timeout() && !error.is_connect() {
            Outage::Timeout(self.request_timeout)
        } else if error.is_connect() {
            Outage::Connect(self.scrub(chain(&error)))
        } else {
            Outage::Broken(self.scrub(chain(&error)))
        };
        Failure::Outage { cause, retry_after: None }
    }

    fn redirection(&self, headers: &HeaderMap) -> String {
        let target = headers.get(LOCATION).and_then(|target| target.to_str().ok());
        match target.and_then(|target| Endpoint::parse(target).ok()) {
            Some((endpoint, _)) => self.scrub(format!(
                "a redirection to {}, which is not followed; give that server's base URL",
                endpoint.join("")
            )),
            None => "a redirection, which is not followed; give the base URL it leads to".to_owned(),
        }
    }

    fn scrub(&self, text: String) -> String {
        scrub(&self.secrets, text)
    }
}

/// A server may repeat what it was sent. Secrets of less than four characters are left: taking them out
/// would garble the text and thereby tell them.
pub(crate) fn scrub(secrets: &[Secret], mut text: String) -> String {
    for secret in secrets.iter().map(Secret::expose) {
        if secret.len() >= 4 && text.contains(secret) {
            text = text.replace(secret, "***");
        }
    }
    text
}

fn unavailable(
    asked: Asked,
    cause: Outage,
    attempts: u32,
    retryable: bool,
    retry_after: Option<Duration>,
) -> RegistryError {
    RegistryError::Unavailable { asked: Box::new(asked), cause, attempts, retryable, retry_after }
}

fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        _ => "DELETE",
    }
}

/// Seconds only: the other form, a date, would need both clocks to agree.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let part = error.to_string();
        if !text.contains(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        cause = error.source();
    }
    text
}
