//! Assigns a request that names no version to the stable version, the canary or an arm of an experiment.

use std::{borrow::Cow, sync::Arc};

use http::HeaderMap;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::pin::Pinned;
use crate::{
    domain::rollout::StickyBy,
    repository::{CanaryArm, CanaryWatch, ModelVersion, Split},
};

/// What identifies the caller of a request.
#[derive(Clone, Copy)]
pub struct CallerIdentity<'a> {
    /// The request id.
    pub request_id: &'a str,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body, as JSON.
    pub body: &'a [u8],
}

/// The version of a request, and as part of what it answers.
pub struct Assigned {
    /// The version.
    pub version: Arc<ModelVersion>,
    /// How requests are shared; `None` if they are not.
    pub split: Option<Arc<Split>>,
    /// Where the request is counted while a canary runs.
    pub counted: Option<(Arc<CanaryWatch>, CanaryArm)>,
    /// The arm of the experiment.
    pub variant: Option<Arc<str>>,
}

/// Assigns a request.
pub fn assign(pinned: Pinned, caller: CallerIdentity<'_>) -> Assigned {
    let Pinned { version, split } = pinned;
    let Some(split) = split else { return Assigned { version, split: None, counted: None, variant: None } };
    let assigned = split.assign(|sticky_by| caller.sticky_value(sticky_by));
    let chosen = assigned.version.map_or(version, Arc::clone);
    let watch = split.canary.as_ref().map(|canary| Arc::clone(&canary.watch));
    let (counted, variant) = (watch.zip(assigned.arm), assigned.variant.map(Arc::from));
    Assigned { version: chosen, counted, variant, split: Some(split) }
}

impl CallerIdentity<'_> {
    /// The value that keeps a caller with its version. Without one, each request is assigned anew.
    fn sticky_value(&self, sticky_by: &StickyBy) -> Vec<u8> {
        let value = match sticky_by {
            StickyBy::Request => None,
            StickyBy::Header(name) => self.headers.get(name.as_str()).map(|value| value.as_bytes().to_vec()),
            StickyBy::EntityId => entity_id(self.body).map(|id| id.into_owned().into_bytes()),
        };
        value.unwrap_or_else(|| self.request_id.as_bytes().to_vec())
    }
}

/// Returns the entity id of a body as text: the number `7` and the text `"7"` are the same entity. `None` if there is
/// none, or the body is not what a contract would accept anyway.
fn entity_id(body: &[u8]) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct EntityOnly<'a> {
        #[serde(borrow)]
        entity_id: Option<&'a RawValue>,
    }
    let text = serde_json::from_slice::<EntityOnly<'_>>(body).ok()?.entity_id?.get();
    if text.starts_with('"') {
        return serde_json::from_str::<String>(text).ok().map(Cow::Owned);
    }
    (text != "null").then_some(Cow::Borrowed(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_are_recognised_by_entity_header_or_request() {
        let mut headers = HeaderMap::new();
        headers.insert("x-user-id", "u-1".parse().expect("a value"));
        let value = |sticky_by: &str, body: &str| {
            let caller = CallerIdentity { request_id: "r-1", headers: &headers, body: body.as_bytes() };
            String::from_utf8(caller.sticky_value(&sticky_by.parse().expect("a form"))).expect("text")
        };
        for (sticky_by, body, expected) in [
            ("entity_id", r#"{"entity_id": 7, "features": {}}"#, "7"),
            ("entity_id", r#"{"features": {"entity_id": 1}, "entity_id": "7"}"#, "7"),
            ("entity_id", r#"{"entity_id": "\u0061b"}"#, "ab"),
            ("entity_id", r#"{"entity_id": null}"#, "r-1"),
            ("entity_id", r#"{"features": {}}"#, "r-1"),
            ("entity_id", r#"{"entity_id": 7"#, "r-1"),
            ("header:x-user-id", "", "u-1"),
            ("header:X-User-Id", "", "u-1"),
            ("header:x-other", "", "r-1"),
            ("request", r#"{"entity_id": 7}"#, "r-1"),
        ] {
            assert_eq!(value(sticky_by, body), expected, "{sticky_by} {body}");
        }
    }
}
