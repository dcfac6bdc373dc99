//! Decides whether to admit a new connection: a limit in all, a limit per address, and a reserve for addresses with few
//! connections. Pure functions without state.

use std::net::{IpAddr, Ipv6Addr};

use crate::telemetry::RefusedConnection;

/// Maximum number of connections that wait for room; also the backlog of the listening socket.
pub(super) const MAX_WAITING: usize = 1024;

/// An address with fewer connections than this may use the reserve.
const FEW: usize = 8;

/// Limits on the number of connections.
#[derive(Debug, Clone, Copy)]
pub(super) struct ConnectionLimits {
    pub(super) max: usize,
    pub(super) per_address: usize,
}

impl ConnectionLimits {
    /// Number of connections reserved for addresses with few.
    pub(super) fn reserve(self) -> usize {
        self.max / 16
    }

    /// Number of connections from which they are scarce.
    pub(super) fn scarce(self) -> usize {
        self.max - self.max / 4
    }

    /// Number of connections down from which they are no longer scarce.
    pub(super) fn plenty(self) -> usize {
        self.max / 2
    }
}

/// Decision on a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LimitDecision {
    Open,
    Wait,
    Refuse(RefusedConnection),
}

/// Decides on a connection from an address that already has `of_address` connections, waiting ones included.
pub(super) fn decide(limits: ConnectionLimits, open: usize, waiting: usize, of_address: usize) -> LimitDecision {
    let room = if of_address < FEW { limits.max } else { limits.max - limits.reserve() };
    if of_address >= limits.per_address {
        LimitDecision::Refuse(RefusedConnection::Address)
    } else if open < room {
        LimitDecision::Open
    } else if waiting < MAX_WAITING {
        LimitDecision::Wait
    } else {
        LimitDecision::Refuse(RefusedConnection::Full)
    }
}

/// Returns the address to count by: for IPv6 the /64 prefix, since a site has all the addresses in it.
pub(super) fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ConnectionLimits = ConnectionLimits { max: 160, per_address: 100 };

    #[test]
    fn connections_are_judged_by_what_is_there() {
        let refuse = LimitDecision::Refuse;
        let cases = [
            ("an empty listener", 0, 0, 0, LimitDecision::Open),
            ("an address below its limit", 99, 0, 99, LimitDecision::Open),
            ("an address at its limit", 100, 0, 100, refuse(RefusedConnection::Address)),
            ("only the reserve is left, for an address with many", 150, 0, 50, LimitDecision::Wait),
            ("only the reserve is left, for an address with few", 150, 0, 7, LimitDecision::Open),
            ("nothing is left", 160, 0, 0, LimitDecision::Wait),
            ("as many wait as may", 160, MAX_WAITING, 0, refuse(RefusedConnection::Full)),
        ];
        for (name, open, waiting, of_address, expected) in cases {
            assert_eq!(decide(LIMITS, open, waiting, of_address), expected, "{name}");
        }
    }

    #[test]
    fn a_site_of_ipv6_is_one_address() {
        let of = |text: &str| network(text.parse().expect("an address"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::2:3"));
        assert_ne!(of("2001:db8:1::1"), of("2001:db8:2::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
    }
}
