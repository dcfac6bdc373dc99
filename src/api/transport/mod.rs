//! Sockets and their connections: accepted, bounded in number and bytes, timed, and drained. Independent of routes; a
//! [`Handler`] answers the requests.

mod budget;
mod busy_poll;
mod connection;
mod connection_activity;
mod connection_limiter;
mod connection_limits;
mod host;
mod outstanding;
mod refusal;
mod server;
mod socket;
mod threads;

pub use budget::ByteBudget;
pub(super) use budget::{BudgetExhausted, HeldBytes, attach};
pub use connection::{Connection, Peer};
pub use connection_activity::IdleTimeouts;
pub use host::{Host, HostError};
pub use server::{Handler, Listen, Server, Serving};
pub use threads::ServerThreads;
