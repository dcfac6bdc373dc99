//! Protocol edges: translate requests into calls of `serving`, and its results into protocol responses.

pub mod http;

pub mod transport;
