//! The native HTTP API: every route, every status, every error code.

mod codes;
mod routes;
