//! Gives back the memory of versions that were taken out of the catalog, once their last request is answered.
//!
//! The request that ends last must not pay for it, so a thread of low priority holds each of these versions until nobody
//! else does.

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use super::model_version::ModelVersion;
use crate::{
    domain::name::{ModelName, VersionName},
    runtime,
};

/// How often the thread looks whether the last request is answered.
const INTERVAL: Duration = Duration::from_millis(5);

/// A version that is about to go.
struct Leaving {
    /// Its names, if it leaves for good; `None` if other files of the same version have replaced it.
    names: Option<(ModelName, VersionName)>,
    version: Arc<ModelVersion>,
}

/// What to do when a version is gone.
pub(super) type OnRetired = Box<dyn Fn(ModelName, VersionName) + Send>;

/// Hands versions over to the thread.
pub(super) struct Retirement(mpsc::Sender<Leaving>);

impl Retirement {
    /// Starts the thread. It ends when this value is dropped.
    pub(super) fn start(on_retired: OnRetired) -> std::io::Result<Self> {
        let (sender, leaving) = mpsc::channel();
        std::thread::Builder::new().name("retirement".to_owned()).spawn(move || {
            runtime::lower_thread_priority();
            release_all(&leaving, &on_retired);
        })?;
        Ok(Self(sender))
    }

    /// Lets a version go that nothing replaces.
    pub(super) fn retire(&self, model: ModelName, name: VersionName, version: Arc<ModelVersion>) {
        // The thread ends only with this sender.
        let _ = self.0.send(Leaving { names: Some((model, name)), version });
    }

    /// Lets a version go that was replaced.
    pub(super) fn replace(&self, version: Arc<ModelVersion>) {
        let _ = self.0.send(Leaving { names: None, version });
    }
}

fn release_all(arriving: &mpsc::Receiver<Leaving>, on_retired: &OnRetired) {
    let mut held: Vec<Leaving> = Vec::new();
    loop {
        let next = if held.is_empty() {
            arriving.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected)
        } else {
            arriving.recv_timeout(INTERVAL)
        };
        match next {
            Ok(leaving) => held.push(leaving),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => return,
        }
        let unused = held.extract_if(.., |leaving| Arc::strong_count(&leaving.version) == 1);
        for Leaving { names, version } in unused {
            version.engine.stop();
            drop(version);
            if let Some((model, name)) = names {
                on_retired(model, name);
            }
        }
    }
}
