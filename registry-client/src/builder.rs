use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::AUTHORIZATION;
use reqwest::header::HeaderMap;
use reqwest::header::HeaderName;
use reqwest::header::HeaderValue;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls_platform_verifier::Verifier;

use crate::client::RegistryClient;
use crate::endpoint::Endpoint;
use crate::endpoint::Endpoints;
use crate::endpoint::UserInfo;
use crate::retry::RetryPolicy;
use crate::secret::Secret;
use crate::settings_error::SettingsError;
use crate::transport::Transport;

/// Settings of a [`RegistryClient`]. Nothing is read from files or the environment, proxies included.
#[must_use]
pub struct RegistryClientBuilder {
    urls: Vec<String>,
    basic: Option<UserInfo>,
    bearer: Option<Secret>,
    headers: Vec<(String, Secret)>,
    root_certificates_pem: Option<Vec<u8>>,
    connect_timeout: Duration,
    request_timeout: Duration,
    retry: RetryPolicy,
    response_bytes_max: usize,
}

impl Default for RegistryClientBuilder {
    fn default() -> Self {
        Self {
            urls: Vec::new(),
            basic: None,
            bearer: None,
            headers: Vec::new(),
            root_certificates_pem: None,
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(10),
            retry: RetryPolicy::default(),
            response_bytes_max: 16 << 20,
        }
    }
}

// By hand: URLs may hold passwords, headers may hold tokens.
impl fmt::Debug for RegistryClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryClientBuilder")
            .field("urls", &self.urls.len())
            .field("headers", &self.headers.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("connect_timeout", &self.connect_timeout)
            .field("request_timeout", &self.request_timeout)
            .field("retry", &self.retry)
            .field("response_bytes_max", &self.response_bytes_max)
            .finish_non_exhaustive()
    }
}

impl RegistryClientBuilder {
    /// Adds a server, `http` or `https`, with or without a path. Several must serve the same registry:
    /// when one is unavailable the next is asked. `user:password@` in it is taken as
    /// [`basic_auth`](Self::basic_auth), and sent to all of them.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.urls.push(url.into());
        self
    }

    /// Sends `Authorization: Basic`. Default none.
    pub fn basic_auth(mut self, user: impl Into<String>, password: impl Into<Secret>) -> Self {
        self.basic = Some((user.into(), password.into()));
        self
    }

    /// Sends `Authorization: Bearer`. Default none.
    pub fn bearer_token(mut self, token: impl Into<Secret>) -> Self {
        self.bearer = Some(token.into());
        self
    }

    /// Sends a further header with every request. Its value is treated as a secret.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Secret>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Trusts these certificates (PEM, one or more blocks) besides the system's. Default none.
    pub fn root_certificates_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.root_certificates_pem = Some(pem.into());
        self
    }

    /// For a connection to stand, TLS included. Default 5 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// For one attempt, from the connection to the last byte of the answer. Default 10 s. A call may
    /// take as many attempts as the [`RetryPolicy`] allows.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// Default: see [`RetryPolicy`].
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// A longer answer is refused. Bytes, default 16 MiB.
    pub fn response_bytes_max(mut self, bytes: usize) -> Self {
        self.response_bytes_max = bytes;
        self
    }

    /// Nothing is sent yet.
    ///
    /// # Errors
    /// [`SettingsError`]: no URL or one that cannot be used, credentials given twice, an illegal header,
    /// certificates that do not parse, no usable trust store for an `https` URL.
    pub fn build(self) -> Result<RegistryClient, SettingsError> {
        let mut basic = self.basic.map(|user| (user, "basic_auth"));
        let mut endpoints = Vec::with_capacity(self.urls.len());
        for url in &self.urls {
            let (endpoint, user) = Endpoint::parse(url)?;
            endpoints.push(endpoint);
            match (&basic, user) {
                (Some((known, _)), Some(user)) if *known == user => {}
                (Some((_, first)), Some(_)) => {
                    return Err(SettingsError::CredentialsTwice { first, second: "a registry URL" });
                }
                (None, Some(user)) => basic = Some((user, "a registry URL")),
                (_, None) => {}
            }
        }
        if endpoints.is_empty() {
            return Err(SettingsError::NoUrl);
        }
        let (headers, secrets) = headers(basic, self.bearer, self.headers)?;
        let https = endpoints.iter().any(|endpoint| endpoint.https);
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls(https, self.root_certificates_pem.as_deref())?)
            .user_agent(concat!("wasmill-registry-client/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .connect_timeout(self.connect_timeout)
            .timeout(self.request_timeout)
            // Following one would send custom headers, which may be secrets, to another host.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| SettingsError::HttpClient { reason: error.without_url().to_string() })?;
        Ok(RegistryClient::new(Arc::new(Transport {
            http,
            endpoints: Endpoints::new(endpoints),
            secrets: secrets.into(),
            retry: self.retry,
            request_timeout: self.request_timeout,
            response_bytes_max: self.response_bytes_max,
        })))
    }
}

/// The headers of every request, and the texts that must never be shown.
fn headers(
    basic: Option<(UserInfo, &'static str)>,
    bearer: Option<Secret>,
    custom: Vec<(String, Secret)>,
) -> Result<(HeaderMap, Vec<Secret>), SettingsError> {
    let mut headers = HeaderMap::new();
    let mut secrets = Vec::new();
    if let (Some((_, first)), Some(_)) = (&basic, &bearer) {
        return Err(SettingsError::CredentialsTwice { first, second: "bearer_token" });
    }
    if let Some(((user, password), _)) = basic {
        let pair = STANDARD.encode(format!("{user}:{}", password.expose()));
        headers.insert(AUTHORIZATION, sensitive(&format!("Basic {pair}"), "basic_auth")?);
        secrets.extend([password, Secret::new(pair)]);
    }
    if let Some(token) = bearer {
        headers.insert(AUTHORIZATION, sensitive(&format!("Bearer {}", token.expose()), "bearer_token")?);
        secrets.push(token);
    }
    for (name, value) in custom {
        let header = HeaderName::try_from(name.as_str())
            .map_err(|_| SettingsError::Header { what: format!("header {name:?}"), part: "name" })?;
        if header == AUTHORIZATION && headers.contains_key(AUTHORIZATION) {
            return Err(SettingsError::CredentialsTwice {
                first: "basic_auth or bearer_token",
                second: "header",
            });
        }
        headers.append(header, sensitive(value.expose(), &format!("header {name:?}"))?);
        secrets.push(value);
    }
    Ok((headers, secrets))
}

fn sensitive(text: &str, what: &str) -> Result<HeaderValue, SettingsError> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| SettingsError::Header { what: what.to_owned(), part: "value" })?;
    value.set_sensitive(true);
    Ok(value)
}

/// TLS by ring, passed explicitly: the process may have no default provider, or another.
fn tls(https: bool, roots: Option<&[u8]>) -> Result<rustls::ClientConfig, SettingsError> {
    let refuse = |error: &dyn fmt::Display| SettingsError::Tls { reason: error.to_string() };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| refuse(&error))?;
    let roots = roots.map(parse_roots).transpose()?.unwrap_or_default();
    // Only where it is used: a machine without CA certificates can still speak plain HTTP.
    if !https {
        return Ok(config.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth());
    }
    let verifier = Verifier::new_with_extra_roots(roots, provider).map_err(|error| refuse(&error))?;
    Ok(config.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth())
}

fn parse_roots(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, SettingsError> {
    let roots = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| SettingsError::RootCertificates { reason: error.to_string() })?;
    if roots.is_empty() {
        return Err(SettingsError::RootCertificates { reason: "no certificate found".to_owned() });
    }
    Ok(roots)
}
