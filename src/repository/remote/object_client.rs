//! The client of an object store. Its functions block, each with a deadline; the requests run on a thread of its own.

use std::{
    fs::File,
    io::Write as _,
    path::Path as FilePath,
    sync::{Arc, mpsc},
    time::{Duration, SystemTime},
};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::{
    Error as ClientError, GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, UpdateVersion,
    path::Path as Key,
};
use tokio::runtime::{Builder, Runtime};

use super::{
    super::files::MAX_TEXT_BYTES,
    address::StoreAddress,
    cause::store_error,
    connect::connect,
    object::{Download, RemoteObject},
    options::RemoteOptions,
    state::{PutError, StateTag, StoredState},
    store_error::StoreError,
};
use crate::runtime::lower_thread_priority;

/// How many objects a repository may have.
const MAX_OBJECTS: usize = 100_000;

/// How many objects are downloaded at the same time.
const MAX_PARALLEL_DOWNLOADS: usize = 8;

/// A download that is slower than this fails, so that a store that trickles cannot hold up the sync for ever.
const MIN_BYTES_PER_SECOND: u64 = 128 << 10;

/// A client of an object store.
#[derive(Debug)]
pub(super) struct ObjectClient {
    store: Arc<dyn ObjectStore>,
    timeout: Duration,
    /// Taken when the client is dropped.
    runtime: Option<Runtime>,
}

impl ObjectClient {
    /// Connects to the store of an address. Does not contact it.
    pub(super) fn connect(address: &StoreAddress, options: &RemoteOptions) -> Result<Self, StoreError> {
        Self::over(connect(address, options)?, options.timeout)
    }

    fn over(store: Arc<dyn ObjectStore>, timeout: Duration) -> Result<Self, StoreError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("object-store")
            .on_thread_start(lower_thread_priority)
            .enable_all()
            .build()
            .map_err(|error| StoreError::Failed { detail: format!("cannot start its thread: {error}") })?;
        Ok(Self { store, timeout, runtime: Some(runtime) })
    }

    /// Lists every object below a prefix.
    pub(super) fn list(&self, prefix: &str) -> Result<Vec<RemoteObject>, StoreError> {
        let (store, prefix) = (Arc::clone(&self.store), parse_key(prefix)?);
        self.within_timeout(async move {
            let prefix = Some(&prefix).filter(|prefix| !prefix.as_ref().is_empty());
            let listed = store.list(prefix).take(MAX_OBJECTS + 1);
            let listed: Vec<ObjectMeta> = listed.try_collect().await.map_err(|error| store_error(&error))?;
            if listed.len() > MAX_OBJECTS {
                let detail = format!("has more than {MAX_OBJECTS} objects");
                return Err(StoreError::Failed { detail });
            }
            Ok(listed.into_iter().map(remote_object).collect())
        })
    }

    /// Downloads objects, several at a time. Returns every download with its outcome.
    pub(super) fn download(&self, downloads: Vec<Download>) -> Vec<(Download, Result<(), StoreError>)> {
        let (store, timeout) = (Arc::clone(&self.store), self.timeout);
        let requested = downloads.clone();
        let outcome = self.run(async move {
            let transfers = downloads.into_iter().map(|download| {
                let store = Arc::clone(&store);
                async move {
                    let limit = timeout + Duration::from_secs(download.object.size / MIN_BYTES_PER_SECOND);
                    let transferred = tokio::time::timeout(limit, transfer(&*store, &download)).await;
                    (download, transferred.unwrap_or(Err(StoreError::TimedOut { limit })))
                }
            });
            stream::iter(transfers).buffer_unordered(MAX_PARALLEL_DOWNLOADS).collect().await
        });
        outcome.unwrap_or_else(|_| requested.into_iter().map(|download| (download, Err(panicked()))).collect())
    }

    /// Reads a small object; `None` if it does not exist.
    pub(super) fn get(&self, key: &str) -> Result<Option<StoredState>, StoreError> {
        let (store, key) = (Arc::clone(&self.store), parse_key(key)?);
        self.within_timeout(async move {
            let found = match store.get(&key).await {
                Ok(found) => found,
                // S3 answers the same way for a bucket that does not exist; listing it says so.
                Err(ClientError::NotFound { .. }) => return Ok(None),
                Err(error) => return Err(store_error(&error)),
            };
            let (size, limit) = (found.meta.size, MAX_TEXT_BYTES);
            if size > limit {
                return Err(StoreError::TooLarge { size, limit });
            }
            let tag = StateTag { e_tag: found.meta.e_tag.clone(), version: found.meta.version.clone() };
            let bytes = found.bytes().await.map_err(|error| store_error(&error))?.to_vec();
            Ok(Some(StoredState { bytes, tag }))
        })
    }

    /// Writes an object if it has the expected content; with `None`, if it does not exist.
    pub(super) fn put(&self, key: &str, bytes: &[u8], expected: Option<&StateTag>) -> Result<StateTag, PutError> {
        let (store, key) = (Arc::clone(&self.store), parse_key(key).map_err(PutError::Other)?);
        let mode = expected.map_or(PutMode::Create, |tag| {
            PutMode::Update(UpdateVersion { e_tag: tag.e_tag.clone(), version: tag.version.clone() })
        });
        let (payload, options) = (bytes.to_vec().into(), PutOptions { mode, ..PutOptions::default() });
        let put = self.within_timeout(async move { Ok(store.put_opts(&key, payload, options).await) });
        match put.map_err(PutError::Other)? {
            Ok(done) => Ok(StateTag { e_tag: done.e_tag, version: done.version }),
            Err(ClientError::AlreadyExists { .. } | ClientError::Precondition { .. }) => Err(PutError::Conflict),
            Err(error @ (ClientError::NotImplemented { .. } | ClientError::NotSupported { .. })) => {
                Err(PutError::ReadOnly(store_error(&error)))
            }
            Err(error) => Err(match store_error(&error) {
                denied @ StoreError::Denied { .. } => PutError::ReadOnly(denied),
                other => PutError::Other(other),
            }),
        }
    }

    fn within_timeout<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let limit = self.timeout;
        let timed = async move { tokio::time::timeout(limit, work).await };
        self.run(timed)?.unwrap_or(Err(StoreError::TimedOut { limit }))
    }

    /// Runs a future on the client's thread and waits for it. So it can be called from any thread, a runtime's too.
    fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Result<T, StoreError> {
        let (sender, receiver) = mpsc::channel();
        let runtime = self.runtime.as_ref().ok_or_else(panicked)?;
        // The task is detached; the receiver waits for its result.
        drop(runtime.spawn(async move { sender.send(work.await) }));
        receiver.recv().map_err(|_| panicked())
    }
}

impl Drop for ObjectClient {
    fn drop(&mut self) {
        // The plain drop would panic on a runtime's thread.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn panicked() -> StoreError {
    StoreError::Failed { detail: "the client's thread panicked".to_owned() }
}

fn parse_key(key: &str) -> Result<Key, StoreError> {
    Key::parse(key).map_err(|error| StoreError::Failed { detail: error.to_string() })
}

fn remote_object(meta: ObjectMeta) -> RemoteObject {
    let modified = SystemTime::from(meta.last_modified);
    RemoteObject { key: meta.location.into(), size: meta.size, e_tag: meta.e_tag, modified }
}

/// Downloads one object, provided that it is still the listed one.
async fn transfer(store: &dyn ObjectStore, download: &Download) -> Result<(), StoreError> {
    let object = &download.object;
    let options = GetOptions {
        if_match: object.e_tag.clone(),
        if_unmodified_since: object.e_tag.is_none().then(|| object.modified.into()),
        ..GetOptions::default()
    };
    let found = match store.get_opts(&parse_key(&object.key)?, options).await {
        Err(ClientError::NotFound { .. }) => return Err(StoreError::Changed),
        found => found.map_err(|error| store_error(&error))?,
    };
    if found.meta.size != object.size {
        return Err(StoreError::Changed);
    }
    let mut stream = found.into_stream();
    let mut file = LocalFile::create(&download.target)?;
    let mut received: u64 = 0;
    while let Some(piece) = stream.try_next().await.map_err(|error| store_error(&error))? {
        received += piece.len() as u64;
        file.write(&piece)?;
    }
    if received == object.size { file.finish() } else { Err(StoreError::Changed) }
}

/// A file of the cache that is being written.
struct LocalFile<'a> {
    path: &'a FilePath,
    file: File,
}

impl<'a> LocalFile<'a> {
    fn create(path: &'a FilePath) -> Result<Self, StoreError> {
        let file = File::create_new(path).map_err(|source| StoreError::cache(path, source))?;
        Ok(Self { path, file })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.file.write_all(bytes).map_err(|source| StoreError::cache(self.path, source))
    }

    /// Writes it to the disk, so that a file that is renamed into place is whole after a power failure, too.
    fn finish(self) -> Result<(), StoreError> {
        self.file.sync_data().map_err(|source| StoreError::cache(self.path, source))
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    fn client(store: &Arc<InMemory>) -> ObjectClient {
        ObjectClient::over(Arc::clone(store) as Arc<dyn ObjectStore>, Duration::from_secs(20)).expect("a client")
    }

    fn put(client: &ObjectClient, store: &Arc<InMemory>, key: &str, text: &'static str) {
        let (store, key) = (Arc::clone(store), parse_key(key).expect("a key"));
        client.run(async move { store.put(&key, text.into()).await }).expect("it ran").expect("put");
    }

    #[test]
    fn an_object_that_changes_after_the_listing_is_not_downloaded() {
        let (store, directory) = (Arc::new(InMemory::new()), tempfile::tempdir().expect("a directory"));
        let client = client(&store);
        for key in ["prod/same", "prod/changed", "prod/deleted", "production/other"] {
            put(&client, &store, key, "first");
        }
        let listed = client.list("prod").expect("a listing");
        assert_eq!((listed.len(), client.list("").expect("a listing").len()), (3, 4));
        // Of the same size, so that only the ETag differs.
        put(&client, &store, "prod/changed", "other");
        let deleted = Arc::clone(&store);
        client.run(async move { deleted.delete(&Key::from("prod/deleted")).await }).expect("it ran").expect("deleted");
        let downloads = listed.into_iter().enumerate().map(|(number, object)| {
            let target = directory.path().join(number.to_string());
            Download { object, target }
        });
        for (download, outcome) in client.download(downloads.collect()) {
            if download.object.key == "prod/same" {
                outcome.expect("downloaded");
                assert_eq!(std::fs::read_to_string(download.target).expect("a file"), "first");
            } else {
                assert!(matches!(outcome, Err(StoreError::Changed)), "{}: {outcome:?}", download.object.key);
            }
        }
    }

    #[test]
    fn a_client_works_and_is_dropped_on_any_thread() {
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async { assert!(client(&Arc::new(InMemory::new())).list("").expect("a listing").is_empty()) });
    }
}
