//! A snapshot of a version's model: the graph and its weight files in memory. Digests and sessions are both made from
//! these bytes, so later changes of the files have no effect.

use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use super::{
    error::LoadError,
    file_names::{GRAPH, PACKAGE},
    files::{MAX_GRAPH_BYTES, digest, read},
};
use crate::runtime::ModelBytes;

/// External weights cannot be read: why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
struct WeightsError(String);

impl From<String> for WeightsError {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// A model in memory. It is kept until the sessions of its version are open; they have their own copies.
#[derive(Debug, Clone)]
pub struct Snapshot {
    model: ModelBytes,
    graph_digest: String,
    /// The weight files, by path relative to the graph's directory.
    weights: BTreeMap<PathBuf, Arc<[u8]>>,
}

impl Snapshot {
    /// Reads a graph and the weight files it references, which must lie in the graph's directory.
    ///
    /// # Errors
    /// Returns an error for each file that cannot be used.
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
                Err(reason) => errors.push(refused(format!("stores weights in {name:?}, {reason}"))),
            }
        }
        if errors.is_empty() { Ok(Self { graph_digest: digest(&model.graph), model, weights }) } else { Err(errors) }
    }

    /// Frees the memory. No session can be opened from this snapshot afterwards.
    pub(super) fn release(&mut self) {
        self.model = ModelBytes::new(Vec::new());
        self.weights.clear();
    }

    /// The bytes that sessions are opened from.
    pub fn model(&self) -> &ModelBytes {
        &self.model
    }

    /// The SHA-256 of the graph, in hexadecimal.
    pub fn graph_digest(&self) -> &str {
        &self.graph_digest
    }

    /// The weight files: path relative to the graph's directory, and bytes.
    pub fn weights(&self) -> impl Iterator<Item = (&Path, &[u8])> {
        self.weights.iter().map(|(place, bytes)| (place.as_path(), &**bytes))
    }

    /// The SHA-256 of a weight file, in hexadecimal; `None` for any other file.
    pub(super) fn weights_digest(&self, place: &Path) -> Option<String> {
        self.weights.get(place).map(|bytes| digest(bytes))
    }
}

/// Returns the bytes of a file that the graph references. A file referenced under two names is read once.
fn taken(graph: &Path, name: &str, weights: &mut BTreeMap<PathBuf, Arc<[u8]>>) -> Result<Arc<[u8]>, WeightsError> {
    let place = place(name).map_err(|reason| WeightsError(reason.to_owned()))?;
    if let Some(bytes) = weights.get(&place) {
        return Ok(Arc::clone(bytes));
    }
    let unreadable = |error| format!("which cannot be read: {error}; the file must be in the directory of the graph");
    let directory = graph.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Symbolic links inside the directory are allowed: Kubernetes mounts every file of a ConfigMap as one.
    let real = directory.join(&place).canonicalize().map_err(unreadable)?;
    if !real.starts_with(directory.canonicalize().map_err(unreadable)?) {
        return Err("a symbolic link to a file outside the directory of the graph; copy the file there"
            .to_owned()
            .into());
    }
    let bytes = read(&real, u64::MAX).map_err(unreadable)?;
    weights.insert(place, Arc::clone(&bytes));
    Ok(bytes)
}

/// Converts the graph's name for a weight file to a path relative to the graph's directory.
fn place(name: &str) -> Result<PathBuf, &'static str> {
    const OUTSIDE: &str =
        "which is outside the directory of the graph; save the model again with its weights next to it";
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
        return Err("a reserved name; save the model again with another name for its weights");
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
