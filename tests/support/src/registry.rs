//! Schema registries: one that all tests share, and private ones to break.

use std::sync::OnceLock;

use anyhow::Context;
use anyhow::Result;
use anyhow::anyhow;
use anyhow::bail;
use serde_json::Value;
use serde_json::json;
use xtask::servers::RegistryServer;

/// Set by the test runner to the base address of the registry it started.
const SHARED_REGISTRY: &str = "WASMILL_TEST_REGISTRY";

/// The registry that all tests share. Never stop it, and use fresh subjects on it.
///
/// # Errors
/// The runner named none, and none could be started.
pub fn shared_registry() -> Result<RegistryApi> {
    static OWN: OnceLock<Result<Registry, String>> = OnceLock::new();
    if let Ok(url) = std::env::var(SHARED_REGISTRY) {
        return Ok(RegistryApi::new(url));
    }
    let own = OWN.get_or_init(|| Registry::start().map_err(|error| format!("{error:#}")));
    match own {
        Ok(registry) => Ok(registry.api()),
        Err(error) => bail!("{error}"),
    }
}

/// A private registry, for tests that break it. It keeps its schemas in memory. Dropping it kills it.
#[derive(Debug)]
pub struct Registry {
    server: RegistryServer,
}

impl Registry {
    /// Starts an empty registry; about 3 s.
    ///
    /// # Errors
    /// It cannot be fetched or does not start.
    pub fn start() -> Result<Self> {
        let server = RegistryServer::start(None).context("start a private schema registry")?;
        Ok(Self { server })
    }

    /// The base address, without a slash at its end; the same over kills and restarts.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Ways to register and look.
    pub fn api(&self) -> RegistryApi {
        RegistryApi::new(self.server.url())
    }

    /// `kill -9`. Its schemas are gone.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.server.kill()
    }

    /// Starts it again, empty, on its old address.
    ///
    /// # Errors
    /// It does not start.
    pub fn restart(&mut self) -> Result<()> {
        self.server.restart()
    }
}

/// A registry's address, with what tests do there. Calls block. Deliberately not the client under test.
#[derive(Debug, Clone)]
pub struct RegistryApi {
    url: String,
}

impl RegistryApi {
    /// `url` as of [`Registry::url`].
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into() }
    }

    /// The base address, without a slash at its end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Registers an Avro schema under a subject, and returns its id.
    ///
    /// # Errors
    /// The registry refuses it; the message carries its answer.
    pub fn register_avro(&self, subject: &str, schema: &str) -> Result<u32> {
        let answer =
            self.call("POST", &format!("/subjects/{subject}/versions"), Some(json!({ "schema": schema })))?;
        let id = answer.get("id").and_then(Value::as_u64);
        Ok(u32::try_from(id.with_context(|| format!("the registry answered without an id: {answer}"))?)?)
    }

    /// The text of the schema with this id.
    ///
    /// # Errors
    /// There is none.
    pub fn schema_text(&self, id: u32) -> Result<String> {
        let answer = self.call("GET", &format!("/schemas/ids/{id}"), None)?;
        let text = answer.get("schema").and_then(Value::as_str);
        Ok(text.with_context(|| format!("the registry answered without a schema: {answer}"))?.to_owned())
    }

    /// The versions of a subject, in order.
    ///
    /// # Errors
    /// There is no such subject.
    pub fn versions(&self, subject: &str) -> Result<Vec<u32>> {
        let answer = self.call("GET", &format!("/subjects/{subject}/versions"), None)?;
        serde_json::from_value(answer).context("the registry's versions are no list of numbers")
    }

    /// Sets the compatibility rule of a subject, such as `BACKWARD`. Apicurio starts with `NONE`.
    ///
    /// # Errors
    /// The registry refuses.
    pub fn set_compatibility(&self, subject: &str, rule: &str) -> Result<()> {
        self.call("PUT", &format!("/config/{subject}"), Some(json!({ "compatibility": rule }))).map(drop)
    }

    /// Any call: `path` starts with a slash. Returns the parsed answer.
    ///
    /// # Errors
    /// The registry does not answer within 10 s, or answers with anything but 2xx: the message has the status.
    pub fn call(&self, method: &str, path: &str, body: Option<Value>) -> Result<Value> {
        let url = format!("{}{path}", self.url);
        // On a thread of its own: the caller may be inside an asynchronous runtime, which refuses to block.
        std::thread::scope(|scope| {
            let asked = scope.spawn(|| -> Result<Value> {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(send(method, &url, body))
            });
            asked.join().map_err(|_| anyhow!("the thread of a request to the registry panicked"))?
        })
    }
}

async fn send(method: &str, url: &str, body: Option<Value>) -> Result<Value> {
    // The client insists on a TLS provider, although loopback needs none. It fails when there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().timeout(std::time::Duration::from_secs(10)).no_proxy().build()?;
    let mut request = client
        .request(method.parse()?, url)
        .header("Content-Type", "application/vnd.schemaregistry.v1+json")
        .header("Accept", "application/vnd.schemaregistry.v1+json");
    if let Some(body) = body {
        request = request.body(body.to_string());
    }
    let response = request.send().await.with_context(|| format!("{method} {url}"))?;
    let status = response.status();
    let text = response.text().await.with_context(|| format!("{method} {url}"))?;
    if !status.is_success() {
        bail!("{method} {url}: {status}: {text}");
    }
    serde_json::from_str(&text).with_context(|| format!("{method} {url}: no JSON: {text}"))
}
