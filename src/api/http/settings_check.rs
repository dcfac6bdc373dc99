//! Validates the HTTP settings.

use http::Uri;

use super::Settings;
use crate::domain::setting::{MAX_WAIT_MS, SettingError};

/// Maximum of the body limit, in bytes: one tebibyte.
const MAX_BODY_BYTES: usize = 1 << 40;

/// Number of bodies of maximum size that the byte budget must have room for.
const BODIES: usize = 4;

/// Maximum of the connection limit: far beyond the number of ports of one client.
const MAX_CONNECTIONS: usize = 1_000_000;

impl Settings {
    /// Returns the values that cannot be used.
    pub fn errors(&self) -> Vec<SettingError> {
        let outside =
            |key, value: usize, most: usize, because| SettingError::out_of_range(key, value, &(1..=most), because);
        let wait = |key, value: u64, because| SettingError::out_of_range(key, value, &(1..=MAX_WAIT_MS), because);
        let numbers = [
            outside("max_body_bytes", self.max_body_bytes, MAX_BODY_BYTES, "0 would reject every prediction request"),
            wait("body_timeout_ms", self.body_timeout_ms, "0 would time out every request body"),
            wait("header_timeout_ms", self.header_timeout_ms, "0 would time out every request"),
            wait("idle_timeout_ms", self.idle_timeout_ms, "0 would close every connection"),
            wait("answer_timeout_ms", self.answer_timeout_ms, "0 would time out every response"),
            outside("max_connections", self.max_connections, MAX_CONNECTIONS, "0 would refuse every connection"),
            outside(
                "max_connections_per_address",
                self.max_connections_per_address,
                MAX_CONNECTIONS,
                "0 would refuse every connection",
            ),
            outside("max_answer_bytes", self.max_answer_bytes, MAX_BODY_BYTES, "0 would reject every response"),
            SettingError::out_of_range(
                "max_buffered_bytes",
                self.max_buffered_bytes,
                &(self.max_body_bytes.saturating_mul(BODIES)..=MAX_BODY_BYTES * BODIES),
                "a body of http.max_body_bytes needs twice its size while it is received, and may use half of this",
            ),
        ];
        let origins = self.cors.origins.iter().filter(|origin| !is_origin(origin)).map(|origin| {
            let reason = format!(
                "must list origins as browsers send them: scheme://host or scheme://host:port, with http or https and \
                 without a path, found {origin:?}"
            );
            SettingError::new("cors.origins", reason)
        });
        numbers.into_iter().flatten().chain(origins).collect()
    }
}

/// Whether a browser could send this as `Origin` (RFC 6454, section 6.2): any other value would never match.
fn is_origin(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else { return false };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return false };
    let default_port = if scheme == "https" { 443 } else { 80 };
    let port = match authority.port_u16() {
        Some(port) if port != default_port => format!(":{port}"),
        _ => String::new(),
    };
    let serialized = format!("{scheme}://{}{port}", authority.host().to_ascii_lowercase());
    matches!(scheme, "http" | "https") && !authority.host().is_empty() && serialized == text
}

#[cfg(test)]
mod tests {
    use super::is_origin;

    #[test]
    fn an_origin_is_what_browsers_send() {
        for (text, expected) in [
            ("https://app.example", true),
            ("http://localhost:3000", true),
            ("http://[::1]:3000", true),
            ("https://app.example:443", false),
            ("https://App.example", false),
            ("https://app.example/", false),
            ("https://app.example?x", false),
            ("https://user@app.example", false),
            ("app.example", false),
            ("null", false),
            ("*", false),
            ("https://", false),
            ("", false),
        ] {
            assert_eq!(is_origin(text), expected, "{text}");
        }
    }
}
