//! The bytes of a model: the graph and its external weight files. All sessions of a version are opened from the same
//! bytes, so later changes to the files have no effect.

use std::{collections::BTreeMap, sync::Arc};

use super::{external_data::external_files, onnx::class_lists};

/// A model in memory. ONNX Runtime copies what it needs while it opens a session.
#[derive(Debug, Clone)]
pub struct ModelBytes {
    /// The ONNX file.
    pub graph: Arc<[u8]>,
    /// The external weight files, by the names in the graph.
    pub external: BTreeMap<String, Arc<[u8]>>,
}

impl ModelBytes {
    /// A model without external weights.
    pub fn new(graph: Vec<u8>) -> Self {
        Self { graph: graph.into(), external: BTreeMap::new() }
    }

    /// The names of the external weight files; empty if the bytes are not an ONNX model.
    ///
    /// # Errors
    /// Returns [`NestedWeights`] if ONNX Runtime would read such a file by itself, even if it is given the bytes.
    pub fn external_names(&self) -> Result<Vec<String>, NestedWeights> {
        let files = external_files(&self.graph).unwrap_or_default();
        match files.nested.into_iter().next() {
            Some(file) => Err(NestedWeights { file }),
            None => Ok(files.own.into_iter().collect()),
        }
    }

    /// Lists in the graph that may be class names, in file order.
    pub fn class_lists(&self) -> Vec<Vec<String>> {
        class_lists(&self.graph)
    }
}

/// Weights nested in the body of an operator are in an external file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "stores weights of an inner graph (the body of an If, Loop or Scan, a function, or a sparse tensor) in {file:?}, \
     which cannot be loaded into memory; save the model as one file"
)]
pub struct NestedWeights {
    /// The file.
    pub file: String,
}
