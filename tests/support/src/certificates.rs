//! Certificates that live as long as a test.

use anyhow::Context;
use anyhow::Result;
use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::CertifiedIssuer;
use rcgen::DnType;
use rcgen::IsCa;
use rcgen::KeyPair;
use rcgen::KeyUsagePurpose;

/// An authority that signs certificates of servers.
#[derive(Debug)]
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// An authority that nobody trusts yet.
    ///
    /// # Errors
    /// When there is no randomness for its key.
    pub(crate) fn new(name: &str) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?);
        Ok(Self { issuer: issuer.context("sign an authority's own certificate")? })
    }

    /// What clients need to trust it.
    #[must_use]
    pub(crate) fn certificate_pem(&self) -> String {
        self.issuer.pem()
    }

    /// Key and certificate of a server that clients reach under `names`: host names or IP addresses.
    ///
    /// # Errors
    /// When a name is none.
    pub(crate) fn issue_pem(&self, names: &[&str]) -> Result<String> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(names)?.signed_by(&key, &self.issuer)?;
        Ok(format!("{}{}", key.serialize_pem(), certificate.pem()))
    }
}
