//! The host of a listener: an address, or a name that is resolved when the socket is bound.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _},
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Maximum length of a DNS name.
const MAX_NAME_BYTES: usize = 253;

/// An address, or a name such as `localhost`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// An address.
    Address(IpAddr),
    /// A name.
    Name(String),
}

/// A text that is neither an address nor a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be an address or a name, found {0:?}")]
pub struct HostError(String);

impl Host {
    /// Whether this is the unspecified address, which means every interface.
    pub fn is_unspecified(&self) -> bool {
        matches!(self, Self::Address(address) if address.is_unspecified())
    }

    /// Where a client on this machine reaches a server that listens here: loopback, if it listens on every interface.
    #[must_use]
    pub fn reachable(self) -> Self {
        match self {
            Self::Address(IpAddr::V4(address)) if address.is_unspecified() => Self::Address(Ipv4Addr::LOCALHOST.into()),
            Self::Address(IpAddr::V6(address)) if address.is_unspecified() => Self::Address(Ipv6Addr::LOCALHOST.into()),
            host => host,
        }
    }

    /// Returns the addresses, IPv4 first: `localhost` is 127.0.0.1 before it is `::1`. Resolves a name with the
    /// system's resolver, which blocks.
    ///
    /// # Errors
    /// Returns the resolver's error, with the name, or an error if the name has no address.
    pub fn addresses(&self, port: u16) -> io::Result<Vec<SocketAddr>> {
        let name = match self {
            Self::Address(address) => return Ok(vec![SocketAddr::new(*address, port)]),
            Self::Name(name) => name,
        };
        let resolved = (name.as_str(), port).to_socket_addrs();
        let mut addresses: Vec<SocketAddr> = resolved
            .map_err(|error| io::Error::new(error.kind(), format!("the name {name:?} cannot be resolved: {error}")))?
            .collect();
        addresses.sort_by_key(SocketAddr::is_ipv6);
        if addresses.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("the name {name:?} has no address")));
        }
        Ok(addresses)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(IpAddr::V6(address)) => write!(formatter, "[{address}]"),
            Self::Address(address) => address.fmt(formatter),
            Self::Name(name) => formatter.write_str(name),
        }
    }
}

impl FromStr for Host {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse() {
            return Ok(Self::Address(address));
        }
        let label = |label: &str| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        // A name whose last label is a number is a malformed address (RFC 3696, section 2).
        let numeric = text.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
        let good = text.len() <= MAX_NAME_BYTES && !numeric && text.split('.').all(label);
        if good { Ok(Self::Name(text.to_owned())) } else { Err(HostError(text.to_owned())) }
    }
}

impl Serialize for Host {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Address(address) => serializer.collect_str(address),
            Self::Name(name) => serializer.serialize_str(name),
        }
    }
}

impl<'de> Deserialize<'de> for Host {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_an_address_or_a_name() {
        let name = |text: &str| Some(Host::Name(text.to_owned()));
        let address = |text: &str| Some(Host::Address(text.parse().expect("an address")));
        for (text, expected) in [
            ("127.0.0.1", address("127.0.0.1")),
            ("0.0.0.0", address("0.0.0.0")),
            ("::1", address("::1")),
            ("[::1]", address("::1")),
            ("localhost", name("localhost")),
            ("my-host.example", name("my-host.example")),
            ("candor_app", name("candor_app")),
            ("256.0.0.1", None),
            ("1.2.3", None),
            ("", None),
            ("a b", None),
            ("a..b", None),
            ("http://a", None),
            ("localhost:80", None),
            ("[localhost]", None),
        ] {
            assert_eq!(text.parse::<Host>().ok(), expected, "{text}");
        }
        assert!("a".repeat(MAX_NAME_BYTES + 1).parse::<Host>().is_err());
    }

    #[test]
    fn localhost_is_resolved_to_ipv4_first() {
        let host: Host = "localhost".parse().expect("a name");
        let addresses = host.addresses(80).expect("the system knows localhost");
        assert!(addresses[0].ip().is_loopback() && addresses[0].port() == 80, "{addresses:?}");
        assert!(addresses.is_sorted_by_key(SocketAddr::is_ipv6), "{addresses:?}");
        let unknown: Host = "nowhere.invalid".parse().expect("a name");
        let error = unknown.addresses(80).expect_err("the domain .invalid never exists (RFC 6761)").to_string();
        assert!(error.starts_with("the name \"nowhere.invalid\" "), "{error}");
    }
}
