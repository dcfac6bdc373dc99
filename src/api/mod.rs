//! The edges: what comes in is translated to a call of `serving`, what comes back to the words of the protocol.

pub mod http;

pub mod transport;
