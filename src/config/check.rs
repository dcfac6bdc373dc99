//! Collects the invalid settings of every module, and checks settings of different modules against each other.

use super::{Config, Purpose};
use crate::{api::transport::Host, domain::setting::SettingError};

/// Returns every error as the full key and the reason.
pub(super) fn check(config: &Config, purpose: Purpose) -> Vec<(String, String)> {
    let mut sections = vec![
        ("http", config.http.threads.range_error("threads").into_iter().collect()),
        ("http", config.http.server.errors()),
        ("repository", config.repository.errors()),
        ("runtime", config.runtime.errors()),
        ("security", config.security.errors()),
        ("admin", same_address(config)),
        ("health", same_address_of_health(config)),
        ("lifecycle", config.lifecycle.errors()),
        ("telemetry", config.telemetry.errors()),
    ];
    if purpose == Purpose::Serve {
        sections.push(("security", config.security.file_errors()));
        sections.push(("admin", config.admin.file_errors()));
    }
    let whole = |(section, faults): (&str, Vec<SettingError>)| {
        faults.into_iter().map(|fault| (format!("{section}.{}", fault.key), fault.reason)).collect::<Vec<_>>()
    };
    sections.into_iter().flat_map(whole).collect()
}

/// Whether two listeners would bind the same port on the same address; an unspecified address overlaps with any other.
fn overlap((host, port): (&Host, u16), (other, other_port): (&Host, u16)) -> bool {
    let same = host == other || host.is_unspecified() || other.is_unspecified();
    port != 0 && port == other_port && same
}

fn has_admin(config: &Config) -> bool {
    !config.admin.tokens_file.as_os_str().is_empty()
}

fn same_address(config: &Config) -> Vec<SettingError> {
    let (http, admin) = (&config.http.server, &config.admin);
    if !has_admin(config) || !overlap((&http.host, http.port), (&admin.host, admin.port)) {
        return Vec::new();
    }
    vec![SettingError::new("port", format!("must differ from http.port, found {} for both", admin.port))]
}

fn same_address_of_health(config: &Config) -> Vec<SettingError> {
    let Some(host) = &config.health.host else { return Vec::new() };
    let health = (host, config.health.port);
    let (http, admin) = (&config.http.server, &config.admin);
    let others = [
        ("http", overlap((&http.host, http.port), health)),
        ("admin", has_admin(config) && overlap((&admin.host, admin.port), health)),
    ];
    let line = |(name, _): (&str, bool)| {
        SettingError::new("port", format!("must differ from {name}.port, found {} for both", config.health.port))
    };
    others.into_iter().filter(|(_, same)| *same).map(line).collect()
}

#[cfg(test)]
mod tests {
    use crate::config::{Layers, load};

    /// The errors that these flags cause.
    fn faults(flags: &[(&str, &str)]) -> Vec<String> {
        let flags = flags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let errors = load(&Layers { flags, ..Layers::default() }).err().unwrap_or_default();
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn self_defeating_values_are_refused() {
        for (key, value, said) in [
            ("http.host", "a b", "must be an address or a name, found \"a b\""),
            ("http.host", "localhost:80", "must be an address or a name, found \"localhost:80\""),
            ("http.host", "256.0.0.1", "must be an address or a name, found \"256.0.0.1\""),
            ("http.host", "", "must be an address or a name, found \"\""),
            ("http.port", "70000", "must be a whole number from 0 to 65535, found 70000"),
            ("http.port", "-1", "must be a whole number from 0 to 65535, found -1"),
            ("http.threads", "0", "must be \"auto\" or a whole number above zero, found 0"),
            ("http.threads", "5000", "must be from 1 to 1024, found 5000"),
            ("http.max_body_bytes", "0", "must be from 1 to 1099511627776, found 0"),
            ("http.max_body_bytes", "-1", "must be a whole number of at least 0, found -1"),
            ("http.body_timeout_ms", "0", "must be from 1 to 86400000, found 0"),
            ("http.header_timeout_ms", "0", "must be from 1 to 86400000, found 0"),
            ("http.header_timeout_ms", "9223372036854775807", "must be from 1 to 86400000, found"),
            ("http.busy_poll_us", "70000", "must be a whole number from 0 to 65535, found 70000"),
            ("http.max_connections", "0", "must be from 1 to 1000000, found 0"),
            ("http.max_connections", "9223372036854775807", "must be from 1 to 1000000, found"),
            ("http.cors.origins", "https://a.example/", "found \"https://a.example/\""),
            ("http.cors.origins", "a.example", "found \"a.example\""),
            ("http.cors.origins", "https://a.example/x", "found \"https://a.example/x\""),
            ("http.cors.origins", "*", "found \"*\""),
            ("http.cors.origins", "ftp://a.example", "found \"ftp://a.example\""),
            ("http.cors.origins", "https://u@a.example", "found \"https://u@a.example\""),
            ("http.cors.origins", "[1]", "must be a list of strings, found [1]"),
            ("repository.models", "", "must name a directory or an ONNX file, found \"\""),
            ("repository.default_model", "a/b", "\"a/b\" is not a name"),
            ("repository.coverage", "1.5", "a coverage must be between 0 and 1"),
            (
                "repository.coverage",
                "0.92",
                "must be one of 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.975, 0.99, found 0.92",
            ),
            ("repository.coverage", "1", "must be a number with a decimal point, found 1"),
            ("runtime.workers", "0", "must be \"auto\" or a whole number above zero, found 0"),
            ("runtime.workers", "many", "must be \"auto\" or a whole number above zero, found \"many\""),
            ("runtime.workers", "100000", "must be from 1 to 1024, found 100000"),
            ("runtime.intra_threads", "100000", "must be from 1 to 1024, found 100000"),
            ("runtime.providers", "", "must name at least one execution provider, found []"),
            ("runtime.providers", "gpu", "must be one of cpu, cuda, tensorrt, openvino, xnnpack, found \"gpu\""),
            ("runtime.providers", "cuda,cuda?", "must name each execution provider once, found \"cuda\" twice"),
            ("security.rate_limit_per_second", "2000000", "must be from 0 to 1000000, found 2000000"),
            ("security.rate_limit_burst", "0", "must be from 1 to 1000000, found 0"),
            ("lifecycle.drain_delay_ms", "86400001", "must be from 0 to 86400000, found 86400001"),
            ("lifecycle.drain_timeout_ms", "86400001", "must be from 0 to 86400000, found 86400001"),
            ("telemetry.log_format", "xml", "must be \"auto\", \"json\", \"text\", found \"xml\""),
            ("telemetry.log_level", "inof", "the log level \"inof\" cannot be parsed at \"inof\""),
            ("telemetry.log_level", "", "the log level \"\" cannot be parsed"),
        ] {
            let found = faults(&[(key, value)]);
            let [fault] = found.as_slice() else { panic!("{key}={value}: {found:?}") };
            assert!(fault.starts_with(&format!("flag: {key} ")) && fault.contains(said), "{key}={value}: {fault}");
        }
    }

    #[test]
    fn limits_themselves_are_taken() {
        for (key, value) in [
            ("http.host", "localhost"),
            ("http.host", "::1"),
            ("http.port", "0"),
            ("http.body_timeout_ms", "1"),
            ("http.header_timeout_ms", "86400000"),
            ("http.max_connections", "1"),
            ("http.cors.origins", "http://localhost:3000, https://a.example"),
            ("runtime.providers", "cuda?, cpu"),
            ("lifecycle.drain_timeout_ms", "0"),
            ("security.rate_limit_per_second", "0"),
            ("telemetry.log_level", "warn, candor=debug"),
        ] {
            assert_eq!(faults(&[(key, value)]), Vec::<String>::new(), "{key}={value}");
        }
    }

    #[test]
    fn two_listeners_need_two_ports() {
        let (http, admin, file) = (("http.port", "9000"), ("admin.port", "9000"), ("admin.tokens_file", "admin.toml"));
        assert_eq!(faults(&[http, admin, file]), ["flag: admin.port must differ from http.port, found 9000 for both"]);
        assert_eq!(faults(&[http, admin, file, ("http.host", "0.0.0.0")]).len(), 1);
        assert!(faults(&[http, admin]).is_empty(), "there is no admin listener");
        assert!(faults(&[http, admin, file, ("admin.host", "127.0.0.2")]).is_empty());
        assert!(faults(&[("http.port", "0"), ("admin.port", "0"), file]).is_empty());
    }
}
