//! Decides on a new connection from what there is: so many in all, so many of one address, and a few kept free for
//! addresses that have few.

use std::net::{IpAddr, Ipv6Addr};

use crate::telemetry::RefusedConnection;

/// The most connections that wait for room; also what the system may hold before they are accepted.
pub(super) const MAX_WAITING: usize = 1024;

/// An address with fewer connections than this is let in where only the reserve is left.
const FEW: usize = 8;

/// How many connections there may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct ConnectionLimits {
    pub(super) max: usize,
    pub(super) per_address: usize,
}

impl ConnectionLimits {
    /// The connections that are kept free for addresses with few.
    pub(super) fn reserve(self) -> usize {
        self.max / 16
    }

    /// From here on connections are scarce.
    pub(super) fn scarce(self) -> usize {
        self.max - self.max / 4
    }

    /// From here down they are scarce no longer.
    pub(super) fn plenty(self) -> usize {
        self.max / 2
    }
}

/// What becomes of a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LimitDecision {
    Open,
    Wait,
    Refuse(RefusedConnection),
}

/// Decides on a connection of an address that has `of_address` already, the waiting ones among them.
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

/// What counts as one address: of IPv6 the 64 bits that one site has, since it has all the others as well.
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
