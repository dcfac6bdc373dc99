//! A repository in an object store (S3, Google Cloud Storage, Azure), mirrored to a local cache.
//!
//! `remote_store` is the entry. `listing` and `wholeness` decide on plain values what to mirror; `cache` has the local
//! files; `object_client` talks to the store and is the only file that names the `object_store` crate, together with
//! `connect` and `cause`. A build without the feature `object-store` has `no_client` in their place, which refuses to
//! connect.

mod address;
mod cache;
#[cfg(feature = "object-store")]
mod cause;
#[cfg(feature = "object-store")]
mod connect;
mod listing;
#[cfg(not(feature = "object-store"))]
mod no_client;
mod object;
#[cfg(feature = "object-store")]
mod object_client;
mod options;
mod remote_store;
mod state;
mod store_error;
mod sync;
mod wholeness;

#[cfg(not(feature = "object-store"))]
use no_client::NoClient as Client;
#[cfg(feature = "object-store")]
use object_client::ObjectClient as Client;

pub use address::{Cloud, StoreAddress, is_remote};
pub use options::RemoteOptions;
pub use remote_store::RemoteStore;
pub use state::{StateTag, StoredState, WriteStateError};
pub use store_error::StoreError;
