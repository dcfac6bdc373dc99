//! What is promised, through real sockets, with real models: one module a topic.

mod api;
mod architecture;
mod authoring;
mod bare;
mod commands;
mod contract;
mod differential;
mod documents;
mod engine;
mod explain;
mod fake;
mod golden;
mod harness;
mod identity;
mod loading;
mod malformed;
mod metrics;
mod openapi;
mod packages;
mod places;
mod python;
mod second_pass;
mod shutdown;
mod telemetry_off;
mod uncertainty;
mod workshop;
