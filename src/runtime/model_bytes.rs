//! The bytes of a model: the graph, and the files beside it that hold its weights. Every session of a version is made from
//! the same bytes, so that files that change later change nothing.

use std::{collections::BTreeMap, sync::Arc};

use super::{external_data::external_files, onnx::class_lists};

/// A model in memory. ONNX Runtime copies what it needs of it while it makes a session.
#[derive(Debug, Clone)]
pub struct ModelBytes {
    /// The ONNX file.
    pub graph: Arc<[u8]>,
    /// The files of its weights, by the names that the graph has for them.
    pub external: BTreeMap<String, Arc<[u8]>>,
}

impl ModelBytes {
    /// A model that is one file.
    pub fn new(graph: Vec<u8>) -> Self {
        Self { graph: graph.into(), external: BTreeMap::new() }
    }

    /// The names of the files that hold weights of the graph; none where the bytes are no ONNX model at all.
    ///
    /// # Errors
    /// [`NestedWeights`] where ONNX Runtime would read such a file by itself, whatever bytes it is given.
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

/// Weights inside the body of an operator are in a file of their own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "keeps weights of an inner graph (the body of an If, Loop or Scan, a function, or a sparse tensor) in {file:?}, which \
     cannot be loaded into memory; save the model as one file"
)]
pub struct NestedWeights {
    /// The file.
    pub file: String,
}
