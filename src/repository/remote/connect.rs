//! Builds the client of a cloud from the environment variables that its own tools use.

use std::{sync::Arc, time::Duration};

use object_store::{
    BackoffConfig, ClientConfigKey, ObjectStore, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey},
    azure::{AzureConfigKey, MicrosoftAzureBuilder},
    gcp::{GoogleCloudStorageBuilder, GoogleConfigKey},
};

use super::{
    address::{Cloud, StoreAddress},
    options::RemoteOptions,
    store_error::StoreError,
};

/// How often a request is repeated after a failure that may be temporary.
const MAX_RETRIES: usize = 3;

/// The longest time that the body of an answer may take in total. Each download has a deadline by its size, too.
const MAX_REQUEST_TIME: &str = "1 day";

/// Connects to the store of an address. Does not contact it.
pub(super) fn connect(address: &StoreAddress, options: &RemoteOptions) -> Result<Arc<dyn ObjectStore>, StoreError> {
    // Fails only if a provider was installed before, which serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let failed = |error: object_store::Error| StoreError::Failed { detail: error.to_string() };
    Ok(match address.cloud {
        Cloud::S3 => Arc::new(amazon(address, options)?.build().map_err(failed)?),
        Cloud::GoogleCloudStorage => Arc::new(google(address, options).build().map_err(failed)?),
        Cloud::Azure => Arc::new(azure(address, options).build().map_err(failed)?),
    })
}

fn amazon(address: &StoreAddress, options: &RemoteOptions) -> Result<AmazonS3Builder, StoreError> {
    let mut builder = AmazonS3Builder::new();
    for (key, value) in configuration::<AmazonS3ConfigKey>("AWS_", options) {
        builder = builder.with_config(key, value);
    }
    let endpoint = builder.get_config_value(&AmazonS3ConfigKey::Endpoint);
    let http = builder.get_config_value(&AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp));
    if endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")) && http.as_deref() != Some("true") {
        let detail =
            "the endpoint in AWS_ENDPOINT_URL is not encrypted; set AWS_ALLOW_HTTP=true to use it all the same";
        return Err(StoreError::Failed { detail: detail.to_owned() });
    }
    for (key, value) in timeouts(options.timeout) {
        builder = builder.with_config(AmazonS3ConfigKey::Client(key), value);
    }
    Ok(builder.with_bucket_name(&address.bucket).with_retry(retries(options.timeout)))
}

fn google(address: &StoreAddress, options: &RemoteOptions) -> GoogleCloudStorageBuilder {
    let mut builder = GoogleCloudStorageBuilder::new();
    for (name, path) in &options.environment {
        if name == "SERVICE_ACCOUNT" {
            builder = builder.with_service_account_path(path);
        }
    }
    for (key, value) in configuration::<GoogleConfigKey>("GOOGLE_", options) {
        builder = builder.with_config(key, value);
    }
    for (key, value) in timeouts(options.timeout) {
        builder = builder.with_config(GoogleConfigKey::Client(key), value);
    }
    builder.with_bucket_name(&address.bucket).with_retry(retries(options.timeout))
}

fn azure(address: &StoreAddress, options: &RemoteOptions) -> MicrosoftAzureBuilder {
    let mut builder = MicrosoftAzureBuilder::new();
    for (key, value) in configuration::<AzureConfigKey>("AZURE_", options) {
        builder = builder.with_config(key, value);
    }
    for (name, endpoint) in &options.environment {
        if name == "IDENTITY_ENDPOINT" {
            builder = builder.with_msi_endpoint(endpoint);
        }
    }
    for (key, value) in timeouts(options.timeout) {
        builder = builder.with_config(AzureConfigKey::Client(key), value);
    }
    builder.with_container_name(&address.bucket).with_retry(retries(options.timeout))
}

/// The variables with a prefix that the library knows; as its own `from_env` takes them.
fn configuration<K: std::str::FromStr>(prefix: &str, options: &RemoteOptions) -> Vec<(K, String)> {
    let known = options.environment.iter().filter(|(name, _)| name.starts_with(prefix));
    known.filter_map(|(name, value)| Some((name.to_ascii_lowercase().parse().ok()?, value.clone()))).collect()
}

/// The limits of one request: a third of the timeout to connect, so that a retry is possible. The time between two pieces
/// of a body is limited only here; small objects have the timeout as a whole, which ends first.
fn timeouts(timeout: Duration) -> [(ClientConfigKey, String); 3] {
    let milliseconds = |time: Duration| format!("{}ms", time.as_millis().max(1));
    [
        (ClientConfigKey::Timeout, MAX_REQUEST_TIME.to_owned()),
        (ClientConfigKey::ConnectTimeout, milliseconds(timeout / 3)),
        (ClientConfigKey::ReadTimeout, milliseconds(timeout * 2)),
    ]
}

fn retries(timeout: Duration) -> RetryConfig {
    let backoff =
        BackoffConfig { init_backoff: Duration::from_millis(50), max_backoff: Duration::from_secs(2), base: 2.0 };
    RetryConfig { backoff, max_retries: MAX_RETRIES, retry_timeout: timeout / 2 }
}
