//! Candor: a model server that tells you how sure it is.
//!
//! The order of the modules is the architecture: a module imports only from the groups below its own. A test reads this
//! file and the sources, and fails on any other import.

pub mod cli;

pub mod app;

pub mod config;

pub mod api;

pub mod serving;

pub mod authoring;

pub mod repository;

pub mod dataset;

pub mod runtime;
pub mod security;

pub mod lifecycle;
pub mod telemetry;

pub mod domain;
