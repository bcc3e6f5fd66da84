//! Clients of the object stores of clouds.

use std::sync::Arc;
use std::time::Duration;

use object_store::BackoffConfig;
use object_store::ClientOptions;
use object_store::ObjectStore;
use object_store::RetryConfig;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;

use crate::config::settings::ObjectStoreSettings;
use crate::model::failure::Code;
use crate::model::failure::Refusal;

/// A request is repeated for so long; after that the whole checkpoint is tried again later.
const RETRIES: RetryConfig = RetryConfig {
    backoff: BackoffConfig {
        init_backoff: Duration::from_millis(100),
        max_backoff: Duration::from_secs(5),
        base: 2.0,
    },
    max_retries: 5,
    retry_timeout: Duration::from_secs(30),
};
/// One request, with its body: 8 MiB at most when sending, a file of a database when reading.
const REQUEST_MAX: Duration = Duration::from_secs(60);
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// What S3 of other makers takes, if it looks at it at all.
const DEFAULT_REGION: &str = "us-east-1";

pub(super) fn s3(settings: &ObjectStoreSettings) -> Result<Arc<dyn ObjectStore>, Refusal> {
    let mut builder = match (&settings.account, &settings.secret) {
        (Some(id), Some(secret)) => {
            AmazonS3Builder::new().with_access_key_id(id).with_secret_access_key(secret.expose())
        }
        // The variables and the machine's identity that every client of S3 knows.
        _ => AmazonS3Builder::from_env(),
    };
    let region = settings.region.clone();
    let known = std::env::var_os("AWS_REGION").or_else(|| std::env::var_os("AWS_DEFAULT_REGION"));
    if let Some(region) = region.or_else(|| known.is_none().then(|| DEFAULT_REGION.to_owned())) {
        builder = builder.with_region(region);
    }
    let mut options = options();
    if let Some(endpoint) = &settings.endpoint {
        options = options.with_allow_http(endpoint.scheme() == "http");
        builder = builder.with_endpoint(endpoint.as_str().trim_end_matches('/'));
    }
    let builder = builder.with_bucket_name(&settings.bucket).with_retry(RETRIES).with_client_options(options);
    Ok(Arc::new(builder.build().map_err(|error| unusable(&error))?))
}

pub(super) fn google(settings: &ObjectStoreSettings) -> Result<Arc<dyn ObjectStore>, Refusal> {
    let builder = match &settings.secret {
        Some(key) => GoogleCloudStorageBuilder::new().with_service_account_key(key.expose()),
        None => GoogleCloudStorageBuilder::from_env(),
    };
    let builder =
        builder.with_bucket_name(&settings.bucket).with_retry(RETRIES).with_client_options(options());
    Ok(Arc::new(builder.build().map_err(|error| unusable(&error))?))
}

pub(super) fn azure(settings: &ObjectStoreSettings) -> Result<Arc<dyn ObjectStore>, Refusal> {
    let mut builder = match &settings.secret {
        Some(key) => MicrosoftAzureBuilder::new().with_access_key(key.expose()),
        None => MicrosoftAzureBuilder::from_env(),
    };
    if let Some(account) = &settings.account {
        builder = builder.with_account(account);
    }
    let builder =
        builder.with_container_name(&settings.bucket).with_retry(RETRIES).with_client_options(options());
    Ok(Arc::new(builder.build().map_err(|error| unusable(&error))?))
}

fn options() -> ClientOptions {
    ClientOptions::new().with_timeout(REQUEST_MAX).with_connect_timeout(CONNECT_MAX)
}

/// The clients name what is missing, never a secret.
fn unusable(error: &object_store::Error) -> Refusal {
    Refusal {
        code: Code("object-store-unusable"),
        field: "state.object_store".to_owned(),
        message: "the object store for checkpoints cannot be used".to_owned(),
        found: error.to_string(),
        expected: "an address with what belongs to it".to_owned(),
        remedy: "Correct the settings under `state.object_store`.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::secret::Secret;
    use crate::config::settings::ObjectStoreKind;

    fn settings(kind: ObjectStoreKind, secret: &str) -> ObjectStoreSettings {
        ObjectStoreSettings {
            kind,
            bucket: "states".to_owned(),
            prefix: String::new(),
            endpoint: None,
            region: None,
            account: Some("account".to_owned()),
            secret: Some(Secret::new(secret)),
        }
    }

    #[test]
    fn clients_are_made_without_asking_anybody() {
        // As the command line does first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let key = "c2VjcmV0LXNlY3JldA==";
        let client = s3(&settings(ObjectStoreKind::S3, key)).expect("a client");
        assert_eq!(client.to_string(), "AmazonS3(states)");
        let client = azure(&settings(ObjectStoreKind::Azure, key)).expect("a client");
        assert!(client.to_string().contains("states"), "{client}");
    }

    #[test]
    fn a_key_that_is_none_is_refused_without_being_told() {
        let key = "hush, hush!";
        for refusal in [
            google(&settings(ObjectStoreKind::Google, key)).expect_err("no service account's key"),
            azure(&settings(ObjectStoreKind::Azure, key)).expect_err("no access key"),
        ] {
            assert_eq!(refusal.code.0, "object-store-unusable");
            assert!(!refusal.to_string().contains("hush"), "{refusal}");
        }
    }
}
