//! The model of a version as it was read: the graph and the files of its weights, in memory. The digests that are checked
//! and the sessions that serve are made from these bytes, whatever becomes of the files.

use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use super::{
    error::LoadError,
    files::{MAX_GRAPH_BYTES, digest, read},
    scan::{GRAPH, PACKAGE},
};
use crate::runtime::ModelBytes;

/// A model in memory. Kept until the sessions of its version are made, which have copies of their own.
#[derive(Debug, Clone)]
pub struct Snapshot {
    model: ModelBytes,
    graph_digest: String,
    /// The files of the weights, by their places in the directory of the graph.
    weights: BTreeMap<PathBuf, Arc<[u8]>>,
}

impl Snapshot {
    /// Reads a graph and the files that it names, which must lie in its directory.
    ///
    /// # Errors
    /// Every file that cannot be taken, with the reason.
    pub fn read(graph: &Path) -> Result<Self, Vec<LoadError>> {
        let bytes = read(graph, MAX_GRAPH_BYTES)
            .map_err(|source| vec![LoadError::Read { path: graph.to_path_buf(), source }])?;
        let mut model = ModelBytes { graph: bytes, external: BTreeMap::new() };
        let refused = |detail: String| LoadError::Content { path: graph.to_path_buf(), detail };
        let names = model.external_names().map_err(|error| vec![refused(error.to_string())])?;
        let (mut weights, mut errors) = (BTreeMap::new(), Vec::new());
        for name in names {
            match taken(graph, &name, &mut weights) {
                Ok(bytes) => _ = model.external.insert(name, bytes),
                Err(reason) => errors.push(refused(format!("keeps weights in {name:?}, {reason}"))),
            }
        }
        if errors.is_empty() { Ok(Self { graph_digest: digest(&model.graph), model, weights }) } else { Err(errors) }
    }

    /// Gives the memory back; no session can be made from it any more.
    pub(super) fn release(&mut self) {
        self.model = ModelBytes::new(Vec::new());
        self.weights.clear();
    }

    /// What sessions are made from.
    pub fn model(&self) -> &ModelBytes {
        &self.model
    }

    /// The SHA-256 of the graph, in hexadecimal.
    pub fn graph_digest(&self) -> &str {
        &self.graph_digest
    }

    /// The files of the weights: their places in the directory of the graph, and their bytes.
    pub fn weights(&self) -> impl Iterator<Item = (&Path, &[u8])> {
        self.weights.iter().map(|(place, bytes)| (place.as_path(), &**bytes))
    }

    /// The SHA-256 of a file of the weights, in hexadecimal; `None` for another file.
    pub(super) fn weights_digest(&self, place: &Path) -> Option<String> {
        self.weights.get(place).map(|bytes| digest(bytes))
    }
}

/// The bytes of a file that a graph names; two names of one file are one content.
fn taken(graph: &Path, name: &str, weights: &mut BTreeMap<PathBuf, Arc<[u8]>>) -> Result<Arc<[u8]>, String> {
    let place = place(name)?;
    if let Some(bytes) = weights.get(&place) {
        return Ok(Arc::clone(bytes));
    }
    let unreadable = |error| format!("which cannot be read: {error}; it must lie in the directory of the graph");
    let directory = graph.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Links inside of the directory are fine: Kubernetes mounts every file of a ConfigMap as one.
    let real = directory.join(&place).canonicalize().map_err(unreadable)?;
    if !real.starts_with(directory.canonicalize().map_err(unreadable)?) {
        return Err("a symbolic link that leads out of the directory of the graph; copy the file there".to_owned());
    }
    let bytes = read(&real, u64::MAX).map_err(unreadable)?;
    weights.insert(place, Arc::clone(&bytes));
    Ok(bytes)
}

/// Where a file lies in the directory of its graph, by the name that the graph has for it.
fn place(name: &str) -> Result<PathBuf, &'static str> {
    const OUTSIDE: &str =
        "which lies outside of the directory of the graph; save the model again with its weights beside it";
    let mut place = PathBuf::new();
    for part in Path::new(name).components() {
        match part {
            Component::Normal(part) => place.push(part),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return Err(OUTSIDE),
        }
    }
    let reserved = place.to_str().is_some_and(|place| place == GRAPH || PACKAGE.contains(&place));
    if place.as_os_str().is_empty() || reserved {
        return Err("a name that weights cannot have; save the model again with another");
    }
    Ok(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_lie_in_the_directory_of_their_graph() {
        for (name, expected) in [
            ("w.bin", Some("w.bin")),
            ("./w.bin", Some("w.bin")),
            ("layers/0/w", Some("layers/0/w")),
            ("../w.bin", None),
            ("layers/../../w", None),
            ("/etc/passwd", None),
            ("", None),
            (".", None),
            ("contract.json", None),
            ("model.onnx", None),
        ] {
            assert_eq!(place(name).ok().as_deref(), expected.map(Path::new), "{name}");
        }
    }
}
