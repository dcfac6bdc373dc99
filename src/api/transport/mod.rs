//! Sockets and their connections: accepted, bounded in number and in bytes, timed, and drained. Knows no route; whatever
//! answers requests is a [`Handler`].

mod activity;
mod budget;
mod busy_poll;
mod census;
mod connection;
mod connection_limits;
mod host;
mod outstanding;
mod refusal;
mod server;
mod socket;
mod threads;

pub use budget::Budget;
pub(super) use budget::{Exhausted, Held, attach};
pub use connection::{Connection, Peer};
pub use host::{Host, HostError};
pub use server::{Handler, Listen, Server, Serving};
pub use threads::Threads;
