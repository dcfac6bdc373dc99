//! The URL of a repository in an object store: the cloud, the bucket, and the prefix of the models in it.

use std::{fmt, path::Path};

use super::super::error::ModelError;

/// The object stores that are supported, by the scheme of their URLs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cloud {
    /// `s3://`: Amazon S3 and stores with its API.
    S3,
    /// `gs://`: Google Cloud Storage.
    GoogleCloudStorage,
    /// `az://`: Azure Blob Storage; the bucket is a container.
    Azure,
}

/// Where the models are: `s3://bucket/prefix`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreAddress {
    /// The cloud.
    pub cloud: Cloud,
    /// The bucket, or Azure's container.
    pub bucket: String,
    /// The prefix of the models, without slashes at its ends; may be empty.
    pub prefix: String,
}

const EXPECTED: &str = "expected s3://<bucket>/<prefix>, gs://<bucket>/<prefix> or az://<container>/<prefix>";

/// Whether `repository.models` names an object store rather than a path.
pub fn is_remote(models: &Path) -> bool {
    models.to_str().is_some_and(|text| text.contains("://"))
}

impl Cloud {
    /// The scheme of its URLs.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::GoogleCloudStorage => "gs",
            Self::Azure => "az",
        }
    }

    /// The environment variables that hold its credentials.
    fn credentials(self) -> &'static str {
        match self {
            Self::S3 => "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            Self::GoogleCloudStorage => "GOOGLE_SERVICE_ACCOUNT",
            Self::Azure => "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
        }
    }
}

impl fmt::Display for StoreAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}://{}", self.cloud.scheme(), self.bucket)?;
        if self.prefix.is_empty() { Ok(()) } else { write!(formatter, "/{}", self.prefix) }
    }
}

impl StoreAddress {
    /// Parses a URL.
    ///
    /// # Errors
    /// Returns what is wrong with it and what is expected. The message does not quote credentials.
    pub fn parse(url: &str) -> Result<Self, ModelError> {
        let refused = |url: &str, detail: &str| ModelError::Content { path: url.into(), detail: detail.to_owned() };
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(refused(url, &format!("is not the URL of an object store: {EXPECTED}")));
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let Some(cloud) = cloud(scheme) else {
            let shown = format!("{scheme}://{}", bucket.rsplit('@').next().unwrap_or_default());
            return Err(refused(&shown, &format!("has a scheme that is not supported: {EXPECTED}")));
        };
        if let Some((_, bucket)) = bucket.rsplit_once('@') {
            let detail = format!("must not contain credentials: set {}", cloud.credentials());
            return Err(refused(&format!("{scheme}://…@{bucket}"), &detail));
        }
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        let segments = || prefix.split('/');
        if bucket.is_empty() {
            return Err(refused(url, &format!("names no bucket: {EXPECTED}")));
        }
        if rest.contains(['?', '#']) {
            return Err(refused(url, "must not have a query or a fragment"));
        }
        if !bucket.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
            let detail = format!("names the bucket {bucket:?}; use the characters A-Z a-z 0-9 . _ -");
            return Err(refused(url, &detail));
        }
        if !prefix.is_empty() && segments().any(|segment| ["", ".", ".."].contains(&segment)) {
            return Err(refused(url, "has a prefix with an empty, \".\" or \"..\" segment"));
        }
        if prefix.chars().any(char::is_control) {
            return Err(refused(url, "has a control character in its prefix"));
        }
        Ok(Self { cloud, bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }

    /// The key of an object below the prefix.
    pub(super) fn key(&self, below: &str) -> String {
        if self.prefix.is_empty() { below.to_owned() } else { format!("{}/{below}", self.prefix) }
    }

    /// The URL of something below the prefix.
    pub(super) fn url(&self, below: &str) -> String {
        format!("{self}/{below}")
    }

    /// The part of a key below the prefix; `None` for other keys.
    pub(super) fn below<'a>(&self, key: &'a str) -> Option<&'a str> {
        if self.prefix.is_empty() { Some(key) } else { key.strip_prefix(&self.prefix)?.strip_prefix('/') }
    }
}

fn cloud(scheme: &str) -> Option<Cloud> {
    let clouds = [Cloud::S3, Cloud::GoogleCloudStorage, Cloud::Azure];
    clouds.into_iter().find(|cloud| cloud.scheme() == scheme)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_parsed() {
        for (url, scheme, bucket, prefix) in [
            ("s3://models", "s3", "models", ""),
            ("s3://models/", "s3", "models", ""),
            ("gs://my-models/prod", "gs", "my-models", "prod"),
            ("az://models/team/prod/", "az", "models", "team/prod"),
        ] {
            let address = StoreAddress::parse(url).expect("an address");
            let found = (address.cloud.scheme(), address.bucket.as_str(), address.prefix.as_str());
            assert_eq!(found, (scheme, bucket, prefix), "{url}");
            assert_eq!(address.to_string(), url.trim_end_matches('/'));
            assert!(is_remote(Path::new(url)));
        }
        assert!(!is_remote(Path::new("models")) && !is_remote(Path::new("/srv/s3:/models")));
    }

    #[test]
    fn mistakes_in_addresses_are_named() {
        for (url, expected) in [
            ("models", "models: is not the URL of an object store: expected s3://<bucket>/<prefix>"),
            ("s3:/models", "s3:/models: is not the URL of an object store"),
            ("s3://", "s3://: names no bucket: expected s3://<bucket>/<prefix>"),
            ("s3:///models", "s3:///models: names no bucket"),
            ("S3://models", "S3://models: has a scheme that is not supported: expected s3://"),
            ("https://me:secret@models.s3.amazonaws.com/a", "https://models.s3.amazonaws.com: has a scheme"),
            ("s3://key:secret@models/a", "s3://…@models: must not contain credentials: set AWS_ACCESS_KEY_ID and"),
            ("az://account:secret@models", "must not contain credentials: set AZURE_STORAGE_ACCOUNT_NAME and"),
            ("s3://models/a?versions", "must not have a query or a fragment"),
            ("s3://my models/a", "names the bucket \"my models\""),
            ("s3://models/a//b", "has a prefix with an empty, \".\" or \"..\" segment"),
            ("s3://models/../other", "has a prefix with an empty, \".\" or \"..\" segment"),
            ("s3://models/a\nb", "has a control character in its prefix"),
        ] {
            let error = StoreAddress::parse(url).expect_err("refused").to_string();
            assert!(error.contains(expected), "{url}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn keys_are_below_the_prefix() {
        let address = StoreAddress::parse("s3://models/prod").expect("an address");
        assert_eq!(address.key("wine/1/model.onnx"), "prod/wine/1/model.onnx");
        assert_eq!(address.below("prod/wine/1/model.onnx"), Some("wine/1/model.onnx"));
        assert_eq!((address.below("production/wine"), address.below("prod")), (None, None));
        let bare = StoreAddress::parse("s3://models").expect("an address");
        assert_eq!((bare.key("wine").as_str(), bare.below("wine/1")), ("wine", Some("wine/1")));
    }
}
