//! The settings of brokers and registry.

use std::time::Duration;

use url::Url;

use crate::config::section::Item;
use crate::config::section::Problems;
use crate::config::settings::Credentials;
use crate::config::settings::KafkaSettings;
use crate::config::settings::RegistrySettings;
use crate::config::settings::SaslSettings;
use crate::config::settings::TlsSettings;
use crate::config::settings_keys::Key;
use crate::config::settings_reader::Reader;
use crate::config::tree::Value;
use crate::config::tree::cut;

// A closure that only calls the method is what clippy refuses, and the method itself is not
// general enough in its lifetimes.
fn boolean(item: &Item<'_>, problems: &mut Problems) -> Option<bool> {
    item.boolean(problems)
}

impl Reader<'_> {
    pub(crate) fn kafka(&mut self) -> Option<KafkaSettings> {
        let brokers = self.with("kafka.brokers", |item, problems| {
            let items = match &item.node.value {
                // A file may have one text as well as a list.
                Value::Text(text) => return Some(text.split(',').map(|b| b.trim().to_owned()).collect()),
                _ => item.items(problems)?,
            };
            let brokers = items.into_iter().filter_map(|item| item.text(problems).map(str::to_owned));
            Some(brokers.collect::<Vec<String>>())
        });
        for broker in brokers.iter().flatten() {
            let port = broker.rsplit_once(':').and_then(|(host, port)| {
                let plain = !host.is_empty() && !host.contains("//") && !host.contains(char::is_whitespace);
                port.parse::<u16>().ok().filter(|port| plain && *port > 0)
            });
            if port.is_none() {
                let remedy = "Write the brokers as `host:9092`.";
                let message = "this is no address of a broker";
                self.problems.add(
                    "invalid-value",
                    "kafka.brokers",
                    message,
                    format!("`{broker}`"),
                    "host:port",
                    remedy,
                );
            }
        }
        let (tls, sasl) = (self.tls(), self.sasl());
        let brokers = brokers.filter(|brokers| !brokers.is_empty())?;
        Some(KafkaSettings { brokers, tls, sasl })
    }

    fn tls(&mut self) -> Option<TlsSettings> {
        let enabled = self.with("kafka.tls.enabled", boolean);
        let any = self.values.keys().any(|key| key.starts_with("kafka.tls."));
        let mut tls = TlsSettings {
            ca_file: self.file("kafka.tls.ca_file"),
            certificate_file: self.file("kafka.tls.certificate_file"),
            key_file: self.file("kafka.tls.key_file"),
            key_password: self.secret("kafka.tls.key_password", "kafka.tls.key_password_file"),
            ..TlsSettings::default()
        };
        self.set(&mut tls.verify_hostname, "kafka.tls.verify_hostname", boolean);
        if self.has("kafka.tls.certificate_file") != self.has("kafka.tls.key_file") {
            let message = "a certificate and its key go together";
            let remedy = "Set both `kafka.tls.certificate_file` and `kafka.tls.key_file`, or none.";
            self.problems.add("missing-key", "kafka.tls", message, "one of the two", "both", remedy);
        }
        enabled.unwrap_or(any).then_some(tls)
    }

    fn sasl(&mut self) -> Option<SaslSettings> {
        #[derive(Clone, Copy)]
        enum Mechanism {
            Plain,
            Scram256,
            Scram512,
            Oauth,
        }
        let mechanisms = [
            ("plain", Mechanism::Plain),
            ("scram-sha-256", Mechanism::Scram256),
            ("scram-sha-512", Mechanism::Scram512),
            ("oauthbearer", Mechanism::Oauth),
        ];
        let Some(mechanism) =
            self.with("kafka.sasl.mechanism", |item, problems| item.choice(problems, &mechanisms))
        else {
            if !self.has("kafka.sasl.mechanism")
                && let Some(key) = self.values.keys().find(|key| key.starts_with("kafka.sasl."))
            {
                let remedy = "Set `kafka.sasl.mechanism`.";
                let found = format!("`{key}`");
                self.problems.add(
                    "missing-key",
                    "kafka.sasl.mechanism",
                    "no mechanism is chosen",
                    found,
                    "a mechanism",
                    remedy,
                );
            }
            return None;
        };
        if let Mechanism::Oauth = mechanism {
            let token_file = self.file("kafka.sasl.token_file");
            self.need("kafka.sasl.token_file", "oauthbearer");
            return Some(SaslSettings::OauthBearer { token_file: token_file? });
        }
        self.need("kafka.sasl.username", "plain and scram");
        if !self.has("kafka.sasl.password_file") {
            self.need("kafka.sasl.password", "plain and scram");
        }
        let username = self.text("kafka.sasl.username")?;
        let password = self.secret("kafka.sasl.password", "kafka.sasl.password_file")?;
        Some(match mechanism {
            Mechanism::Scram256 => SaslSettings::ScramSha256 { username, password },
            Mechanism::Scram512 => SaslSettings::ScramSha512 { username, password },
            Mechanism::Plain | Mechanism::Oauth => SaslSettings::Plain { username, password },
        })
    }

    fn need(&mut self, key: &'static str, what: &str) {
        if !self.has(key) {
            let message = format!("{what} needs this key");
            let doc = Key::find(key).map_or("", |key| key.doc);
            self.problems.add("missing-key", key, message, "nothing", doc.trim_end_matches('.'), "Set it.");
        }
    }

    pub(crate) fn registry(&mut self) -> Option<RegistrySettings> {
        let urls = self.with("registry.urls", |item, problems| {
            let texts = match &item.node.value {
                Value::Text(text) => text.split(',').map(str::trim).collect::<Vec<_>>(),
                _ => item.items(problems)?.into_iter().filter_map(|item| item.text(problems)).collect(),
            };
            let mut urls = Vec::new();
            for text in texts {
                match Url::parse(text) {
                    Ok(url)
                        if matches!(url.scheme(), "http" | "https")
                            && url.has_host()
                            && url.password().is_none() =>
                    {
                        urls.push(url);
                    }
                    _ => {
                        let remedy =
                            "Write it as `http://host:8081`; user and password are keys of their own.";
                        let message = "this is no address of a registry";
                        // It may hold a password.
                        let found = match text.contains('@') {
                            true => "another text".to_owned(),
                            false => format!("`{}`", cut(text, 80)),
                        };
                        problems.add(
                            "invalid-value",
                            &item.path,
                            message,
                            found,
                            "an http or https URL",
                            remedy,
                        );
                    }
                }
            }
            Some(urls)
        });
        let mut timeout = Duration::from_secs(5);
        self.millis(&mut timeout, "registry.timeout_ms", 600_000);
        let username = self.text("registry.username");
        let password = self.secret("registry.password", "registry.password_file");
        let credentials = match (username, password) {
            (Some(username), Some(password)) => Some(Credentials { username, password }),
            (None, None) => None,
            _ => {
                let message = "user and password go together";
                let remedy = "Set both `registry.username` and `registry.password_file`, or none.";
                self.problems.add("missing-key", "registry", message, "one of the two", "both", remedy);
                None
            }
        };
        let urls = urls.filter(|urls| !urls.is_empty())?;
        Some(RegistrySettings { urls, credentials, timeout })
    }
}
