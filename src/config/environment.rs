//! Decides which environment variables set keys.
//!
//! A variable that sets a key contains the section separator, as in `CANDOR_HTTP__PORT`. Other variables with the
//! prefix belong to other programs, above all to Kubernetes, which gives every pod the addresses of the services in its
//! namespace: a Service called `candor` becomes `CANDOR_SERVICE_HOST` and `CANDOR_PORT=tcp://10.0.0.1:8080`.

use super::key::Key;
use crate::domain::text::did_you_mean;

/// The prefix of environment variables that set keys.
const PREFIX: &str = "CANDOR_";

/// The separator between the sections of a key.
const SEPARATOR: &str = "__";

/// Variables with the prefix that are not configuration: they are read by commands, by the build and by the test suite.
const RESERVED_VARIABLES: &[&str] =
    &["CANDOR_ADMIN_TOKEN", "CANDOR_REVISION", "CANDOR_TEST_PYTHON", "CANDOR_BLESS", "CANDOR_LONG"];

/// The protocols of a Kubernetes Service, as they appear in variable names.
const PROTOCOLS: &[&str] = &["TCP", "UDP", "SCTP"];

/// The meaning of a variable for the configuration.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Variable {
    /// It sets a key; the key may be unknown.
    Key(String),
    /// It belongs to another program, or is reserved.
    Foreign,
    /// It has the prefix but sets nothing; the text is a warning, which suggests a similar key if there is one.
    Suspicious(String),
}

/// Classifies a variable.
pub(super) fn classify(name: &str, value: &str, keys: &[Key]) -> Variable {
    let Some(rest) = name.strip_prefix(PREFIX).filter(|_| !RESERVED_VARIABLES.contains(&name)) else {
        return Variable::Foreign;
    };
    if !keys.iter().any(|key| key.variable() == name) && is_service(rest, value) {
        return Variable::Foreign;
    }
    if rest.contains(SEPARATOR) {
        return Variable::Key(rest.to_lowercase().replace(SEPARATOR, "."));
    }
    Variable::Suspicious(format!("environment {name} is not used: {}", meant(name, keys)))
}

/// Suggests the key that a variable without the separator may have been meant for.
fn meant(name: &str, keys: &[Key]) -> String {
    let variables: Vec<String> = keys.iter().map(Key::variable).collect();
    let flat = |variable: &str| variable.replace(SEPARATOR, "_");
    if let Some(variable) = variables.iter().find(|variable| flat(variable) == name) {
        return format!("did you mean {variable}?");
    }
    let last = |variable: &str| variable.rsplit(SEPARATOR).next() == name.strip_prefix(PREFIX);
    let ends: Vec<&str> = variables.iter().map(String::as_str).filter(|variable| last(variable)).collect();
    if !ends.is_empty() {
        return format!("did you mean {}?", ends.join(" or "));
    }
    let flattened: Vec<String> = variables.iter().map(|variable| flat(variable)).collect();
    let near = did_you_mean(name, flattened.iter().map(String::as_str));
    match variables.iter().find(|variable| near.contains(&format!("{:?}", flat(variable)))) {
        Some(variable) => format!("did you mean {variable}?"),
        None => "a key has two underscores after its section, as in CANDOR_HTTP__PORT".to_owned(),
    }
}

/// Whether a variable, given without the prefix, is one that Kubernetes sets in a pod for a Service whose name starts
/// with `candor`: `CANDOR_SERVICE_HOST`, `CANDOR_API_SERVICE_PORT_HTTP`, `CANDOR_PORT`, `CANDOR_PORT_8080_TCP_ADDR`.
fn is_service(rest: &str, value: &str) -> bool {
    // The prefix may be the whole name of the Service or only the start of it.
    let marked = |mark: &str| rest == mark || rest.ends_with(&format!("_{mark}"));
    let url = PROTOCOLS.iter().any(|protocol| value.starts_with(&format!("{}://", protocol.to_lowercase())));
    if marked("SERVICE_HOST") || marked("SERVICE_PORT") || marked("PORT") && url {
        return true;
    }
    if rest.starts_with("SERVICE_PORT_") || rest.contains("_SERVICE_PORT_") {
        return value.parse::<u16>().is_ok();
    }
    rest.match_indices("PORT_").any(|(at, mark)| is_port(&rest[at + mark.len()..]))
}

/// Matches `8080_TCP`, alone or followed by `_PROTO`, `_PORT` or `_ADDR`.
fn is_port(text: &str) -> bool {
    let mut steps = text.split('_');
    let number = steps.next().is_some_and(|number| number.parse::<u16>().is_ok());
    let protocol = steps.next().is_some_and(|protocol| PROTOCOLS.contains(&protocol));
    number && protocol && matches!((steps.next(), steps.next()), (None | Some("PROTO" | "PORT" | "ADDR"), None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys;

    #[test]
    fn variables_of_a_service_beside_the_pod_are_not_ours() {
        let keys = keys();
        for (name, value) in [
            ("CANDOR_SERVICE_HOST", "10.96.0.7"),
            ("CANDOR_SERVICE_PORT", "8080"),
            ("CANDOR_SERVICE_PORT_HTTP", "8080"),
            ("CANDOR_PORT", "tcp://10.96.0.7:8080"),
            ("CANDOR_PORT_8080_TCP", "tcp://10.96.0.7:8080"),
            ("CANDOR_PORT_8080_TCP_PROTO", "tcp"),
            ("CANDOR_PORT_8080_TCP_PORT", "8080"),
            ("CANDOR_PORT_8080_TCP_ADDR", "10.96.0.7"),
            ("CANDOR_PORT_53_UDP_ADDR", "10.96.0.7"),
            // A Service called candor-api.
            ("CANDOR_API_SERVICE_HOST", "10.96.0.7"),
            ("CANDOR_API_SERVICE_PORT_METRICS_PORT", "9090"),
            ("CANDOR_API_PORT", "tcp://10.96.0.7:8080"),
            ("CANDOR_API_PORT_8080_TCP_PORT", "8080"),
            // A Service called candor--http: two dashes are allowed.
            ("CANDOR__HTTP_SERVICE_HOST", "10.96.0.7"),
            ("CANDOR__HTTP_PORT_8080_TCP", "tcp://10.96.0.7:8080"),
            ("CANDOR_REVISION", "0123abc"),
            ("PATH", "/bin"),
            ("XCANDOR_HTTP__PORT", "1"),
        ] {
            assert_eq!(classify(name, value, &keys), Variable::Foreign, "{name}={value}");
        }
    }

    #[test]
    fn variables_with_the_separator_are_keys() {
        let keys = keys();
        for (name, value, key) in [
            ("CANDOR_HTTP__PORT", "80", "http.port"),
            ("CANDOR_HTTP__PORT", "tcp://10.96.0.7:8080", "http.port"),
            ("CANDOR_HTTP__CORS__ORIGINS", "", "http.cors.origins"),
            ("CANDOR_HTTP__PROT", "80", "http.prot"),
            ("CANDOR__HTTP__PORT", "80", "_http.port"),
        ] {
            assert_eq!(classify(name, value, &keys), Variable::Key(key.to_owned()), "{name}");
        }
    }

    #[test]
    fn a_near_miss_names_the_right_variable() {
        let keys = keys();
        for (name, value, said) in [
            ("CANDOR_HTTP_PORT", "9000", "did you mean CANDOR_HTTP__PORT?"),
            ("CANDOR_HTTP_PROT", "9000", "did you mean CANDOR_HTTP__PORT?"),
            ("CANDOR_HTTP_CORS_ORIGINS", "x", "did you mean CANDOR_HTTP__CORS__ORIGINS?"),
            ("CANDOR_LOG_LEVEL", "debug", "did you mean CANDOR_TELEMETRY__LOG_LEVEL?"),
            ("CANDOR_PORT", "9000", "did you mean CANDOR_HTTP__PORT or CANDOR_HEALTH__PORT or CANDOR_ADMIN__PORT?"),
            ("CANDOR_HOME", "/srv", "a key has two underscores after its section, as in CANDOR_HTTP__PORT"),
        ] {
            let Variable::Suspicious(text) = classify(name, value, &keys) else { panic!("{name} is not suspicious") };
            assert_eq!(text, format!("environment {name} is not used: {said}"));
        }
    }
}
