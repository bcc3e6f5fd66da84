//! Plain HTTP requests, as a user's `curl` makes them.

use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use anyhow::anyhow;
use serde_json::Value;

/// How long a request may take: an upload is compiled meanwhile.
const REQUEST_LIMIT: Duration = Duration::from_secs(60);

/// What was answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub status: u16,
    /// Null where the body is no JSON.
    pub json: Value,
    pub text: String,
}

impl Answer {
    /// The `code` of a problem document.
    #[must_use]
    pub fn code(&self) -> &str {
        self.json.get("code").and_then(Value::as_str).unwrap_or_default()
    }
}

/// Makes a request; blocks. The body is its content type and bytes.
///
/// # Errors
/// When there is no answer.
pub fn request(method: &str, url: &str, body: Option<(&str, Vec<u8>)>) -> Result<Answer> {
    // On a thread of its own: the caller may be inside an asynchronous runtime, which refuses to block.
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| -> Result<Answer> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(send(method, url, body))
        });
        asked.join().map_err(|_| anyhow!("the thread of a request panicked"))?
    })
}

async fn send(method: &str, url: &str, body: Option<(&str, Vec<u8>)>) -> Result<Answer> {
    // The client insists on a TLS provider, although loopback needs none. It fails when there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().timeout(REQUEST_LIMIT).no_proxy().build()?;
    let mut request = client.request(method.parse()?, url);
    if let Some((kind, bytes)) = body {
        request = request.header("Content-Type", kind).body(bytes);
    }
    let response = request.send().await.with_context(|| format!("{method} {url}"))?;
    let status = response.status().as_u16();
    let text = response.text().await.with_context(|| format!("{method} {url}"))?;
    let json = serde_json::from_str(&text).unwrap_or_default();
    Ok(Answer { status, json, text })
}
