//! Bearer tokens. The tokens file lists callers by the SHA-256 of their tokens, so that the file alone grants no
//! access.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

/// An authenticated caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The name in the tokens file.
    pub name: Arc<str>,
    models: Option<Arc<[String]>>,
    metrics: bool,
}

impl Principal {
    /// Whether the caller may use a model.
    pub fn can_use(&self, model: &str) -> bool {
        self.models.as_ref().is_none_or(|models| models.iter().any(|name| name == model))
    }

    /// Whether the caller may read the metrics, which name every model.
    pub fn can_read_metrics(&self) -> bool {
        self.metrics
    }
}

/// Why authentication failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// There is no Authorization header.
    #[error("send the header `Authorization: Bearer <token>`")]
    Missing,
    /// The scheme is not Bearer, or the token is empty.
    #[error("the Authorization header must be `Bearer <token>`")]
    NotBearer,
    /// The tokens file does not list the token.
    #[error("the token is unknown")]
    Unknown,
}

/// The tokens file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// It cannot be read.
    #[error("{}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// Its content is invalid.
    #[error("{}: {detail}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Line and cause.
        detail: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokensFile {
    #[serde(default)]
    caller: Vec<TokenEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenEntry {
    name: String,
    token_sha256: String,
    models: Option<Vec<String>>,
    /// Defaults to true for callers that may use every model.
    metrics: Option<bool>,
}

/// The known callers, indexed by the digest of their tokens.
#[derive(Debug, Clone, Default)]
pub struct TokenStore {
    callers: HashMap<[u8; 32], Principal>,
}

impl TokenStore {
    /// Reads a file of `[[caller]]` tables with `name`, `token_sha256` (hexadecimal) and two optional members: `models`
    /// limits the caller to these models, and `metrics` overrides whether it may read the metrics.
    ///
    /// # Errors
    /// Returns [`TokensError`] with the file and the reason if it cannot be used.
    pub fn read(path: &Path) -> Result<Self, TokensError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| TokensError::Read { path: path.to_path_buf(), source })?;
        let content = |detail: String| TokensError::Content { path: path.to_path_buf(), detail };
        let file: TokensFile =
            toml::from_str(&text).map_err(|error| content(error.to_string().trim_end().to_owned()))?;
        let mut callers = HashMap::new();
        for entry in file.caller {
            let digest = parse_digest(&entry.token_sha256).ok_or_else(|| {
                content(format!("caller {:?}: token_sha256 must be 64 hexadecimal digits", entry.name))
            })?;
            let metrics = entry.metrics.unwrap_or(entry.models.is_none());
            let caller = Principal { name: entry.name.into(), models: entry.models.map(Arc::from), metrics };
            if let Some(other) = callers.insert(digest, caller) {
                return Err(content(format!("caller {:?} has the same token as another caller", other.name)));
            }
        }
        if callers.is_empty() {
            return Err(content("has no [[caller]] table, so every request would be rejected".to_owned()));
        }
        Ok(Self { callers })
    }

    /// The models that callers are limited to, as pairs of caller name and model name.
    pub fn limits(&self) -> impl Iterator<Item = (&str, &str)> {
        let limited = self.callers.values().filter_map(|caller| Some((caller, caller.models.as_ref()?)));
        limited.flat_map(|(caller, models)| models.iter().map(|model| (&*caller.name, model.as_str())))
    }

    /// Authenticates the sender of an Authorization header.
    ///
    /// # Errors
    /// Returns [`AuthError`] if the header is missing or malformed, or its token is unknown.
    pub fn authenticate(&self, header: Option<&str>) -> Result<Principal, AuthError> {
        let header = header.ok_or(AuthError::Missing)?;
        let (scheme, token) = header.split_once(' ').ok_or(AuthError::NotBearer)?;
        if !scheme.eq_ignore_ascii_case("bearer") || token.trim().is_empty() {
            return Err(AuthError::NotBearer);
        }
        // The lookup uses the digest of the token, so its timing reveals nothing about any token.
        let digest: [u8; 32] = Sha256::digest(token.trim()).into();
        self.callers.get(&digest).cloned().ok_or(AuthError::Unknown)
    }
}

fn parse_digest(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (index, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[index * 2..index * 2 + 2], 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_are_known_by_their_tokens() {
        let digest: [u8; 32] = Sha256::digest("s3cret").into();
        let caller = Principal { name: "web".into(), models: Some(Arc::from(["churn".to_owned()])), metrics: false };
        let tokens = TokenStore { callers: HashMap::from([(digest, caller)]) };
        let cases = [
            (None, Err(AuthError::Missing)),
            (Some("Basic abc"), Err(AuthError::NotBearer)),
            (Some("Bearer "), Err(AuthError::NotBearer)),
            (Some("Bearer"), Err(AuthError::NotBearer)),
            (Some("Bearer other"), Err(AuthError::Unknown)),
            (Some("bearer s3cret"), Ok("web")),
        ];
        for (header, expected) in cases {
            let found = tokens.authenticate(header);
            assert_eq!(found.as_ref().map(|caller| &*caller.name).map_err(|error| *error), expected, "{header:?}");
        }
        let caller = tokens.authenticate(Some("Bearer s3cret")).expect("a known token");
        assert!(caller.can_use("churn") && !caller.can_use("wine"));
    }

    #[test]
    fn metrics_are_for_those_who_may_use_everything_or_are_named() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let cases = [
            ("", true),
            ("metrics = false", false),
            ("models = [\"churn\"]", false),
            ("models = []\nmetrics = true", true),
        ];
        for (more, expected) in cases {
            let digest = "00".repeat(32);
            let text = format!("[[caller]]\nname = \"a\"\ntoken_sha256 = \"{digest}\"\n{more}\n");
            std::fs::write(file.path(), text).expect("written");
            let tokens = TokenStore::read(file.path()).expect("a good file");
            let caller = tokens.callers.values().next().expect("one caller");
            assert_eq!(caller.can_read_metrics(), expected, "{more}");
        }
    }
}
