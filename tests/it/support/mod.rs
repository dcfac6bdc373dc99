//! Helpers shared by the topics: servers, clients, packages, external tools, waiting.

pub(crate) mod external_tools;
pub(crate) mod fake_executor;
pub(crate) mod http2_client;
pub(crate) mod http_client;
pub(crate) mod loader;
pub(crate) mod matching;
pub(crate) mod metrics;
pub(crate) mod models_directory;
pub(crate) mod onnx;
pub(crate) mod packages;
pub(crate) mod paths;
pub(crate) mod process;
#[cfg(feature = "object-store")]
pub(crate) mod s3_server;
pub(crate) mod server;
pub(crate) mod tokens;
pub(crate) mod wait;
