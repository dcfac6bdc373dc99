//! Finds the external weight files of an ONNX graph, by the names that its tensors give.
//!
//! Does not validate the graph or the files.

use std::collections::BTreeSet;

use prost::Message as _;

use super::onnx_proto::{Attribute, EXTERNAL, Graph, Model, SparseTensor, TensorProto};

/// The external files of a model, by where in the model the tensor is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ExternalFiles {
    /// Files of the graph's own initializers and constants.
    pub(super) own: BTreeSet<String>,
    /// Files of tensors inside the bodies of `If`, `Loop` and `Scan`, of functions, or of sparse tensors.
    pub(super) nested: BTreeSet<String>,
}

/// Finds the external files of a model; `None` if the bytes are not an encoded model.
pub(super) fn external_files(model: &[u8]) -> Option<ExternalFiles> {
    let Model { graph, training, functions, .. } = Model::decode(model).ok()?;
    let mut found = ExternalFiles::default();
    if let Some(graph) = graph {
        graph.tensors(&mut |tensor, nested| found.add(tensor, nested));
    }
    let mut nested = |tensor: &TensorProto, _| found.add(tensor, true);
    for graph in training.iter().flat_map(|training| training.initialization.iter().chain(&training.algorithm)) {
        graph.tensors(&mut nested);
    }
    for function in &functions {
        let attributes = function.nodes.iter().flat_map(|node| &node.attributes).chain(&function.attributes);
        attributes.for_each(|attribute| attribute.tensors(&mut nested));
    }
    Some(found)
}

impl ExternalFiles {
    fn add(&mut self, tensor: &TensorProto, nested: bool) {
        let location = tensor.external_data.iter().rfind(|entry| entry.key == "location");
        if let Some(entry) = location.filter(|_| tensor.data_location == EXTERNAL) {
            let files = if nested { &mut self.nested } else { &mut self.own };
            files.insert(entry.value.clone());
        }
    }
}

impl Graph {
    /// Calls `show` for every tensor, with whether it is nested deeper than in the graph itself.
    fn tensors(&self, show: &mut dyn FnMut(&TensorProto, bool)) {
        self.initializers.iter().for_each(|tensor| show(tensor, false));
        self.sparse_initializers.iter().for_each(|sparse| sparse.tensors(show));
        self.nodes.iter().flat_map(|node| &node.attributes).for_each(|attribute| attribute.tensors(show));
    }
}

impl Attribute {
    fn tensors(&self, show: &mut dyn FnMut(&TensorProto, bool)) {
        self.tensor.iter().chain(&self.tensors).for_each(|tensor| show(tensor, false));
        self.sparse_tensor.iter().chain(&self.sparse_tensors).for_each(|sparse| sparse.tensors(show));
        for graph in self.graph.as_deref().into_iter().chain(&self.graphs) {
            graph.tensors(&mut |tensor, _| show(tensor, true));
        }
    }
}

impl SparseTensor {
    fn tensors(&self, show: &mut dyn FnMut(&TensorProto, bool)) {
        self.values.iter().chain(&self.indices).for_each(|tensor| show(tensor, true));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field that holds bytes.
    fn field(number: usize, bytes: &[u8]) -> Vec<u8> {
        [number_bytes(number << 3 | 2), number_bytes(bytes.len()), bytes.to_vec()].concat()
    }

    fn number_bytes(mut number: usize) -> Vec<u8> {
        let mut made = Vec::new();
        while number > 0x7f {
            made.push(u8::try_from(number & 0x7f).expect("seven bits") | 0x80);
            number >>= 7;
        }
        made.push(u8::try_from(number).expect("seven bits"));
        made
    }

    fn tensor(file: &str) -> Vec<u8> {
        let entry =
            |key: &str, value: &str| field(13, &[field(1, key.as_bytes()), field(2, value.as_bytes())].concat());
        [entry("location", file), entry("offset", "0"), vec![14 << 3, 1]].concat()
    }

    fn files(model: &[u8]) -> Option<(Vec<String>, Vec<String>)> {
        let found = external_files(model)?;
        Some((found.own.into_iter().collect(), found.nested.into_iter().collect()))
    }

    #[test]
    fn files_are_found_wherever_a_tensor_may_be() {
        let graph = |content: &[u8]| field(7, content);
        let in_node = |attribute: &[u8]| field(1, &field(5, attribute));
        let own = |name: &str| Some((vec![name.to_owned()], vec![]));
        let nested = |name: &str| Some((vec![], vec![name.to_owned()]));
        let body = field(6, &field(5, &tensor("body")));
        let long = field(2, &[b'x'; 300]);
        let cases = [
            ("an initializer", graph(&field(5, &tensor("w.bin"))), own("w.bin")),
            ("behind a long field", [long, graph(&field(5, &tensor("w.bin")))].concat(), own("w.bin")),
            ("a constant", graph(&in_node(&field(5, &tensor("c")))), own("c")),
            ("one of several constants", graph(&in_node(&field(10, &tensor("c")))), own("c")),
            ("the body of a node", graph(&in_node(&body)), nested("body")),
            ("a sparse initializer", graph(&field(15, &field(1, &tensor("s")))), nested("s")),
            ("a function", field(25, &field(7, &field(5, &field(5, &tensor("f"))))), nested("f")),
            ("training", field(20, &field(1, &field(5, &tensor("t")))), nested("t")),
            (
                "data in the file itself",
                graph(&field(5, &tensor("w")[..tensor("w").len() - 2])),
                Some((vec![], vec![])),
            ),
            ("no bytes", vec![], Some((vec![], vec![]))),
            ("a field cut short", graph(&field(5, &tensor("w")))[..9].to_vec(), None),
            ("a group", vec![7 << 3 | 3], None),
            ("a number without an end", vec![0xff; 20], None),
        ];
        for (name, model, expected) in cases {
            assert_eq!(files(&model), expected, "{name}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let mut model = tensor("w");
        for _ in 0..60 {
            model = field(5, &field(6, &field(1, &model)));
        }
        assert_eq!(files(&field(7, &field(1, &model))), None);
    }
}
