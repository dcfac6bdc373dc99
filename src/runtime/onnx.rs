//! Works on ONNX files where ONNX Runtime has no API: reads class names from a graph, and builds a graph of one
//! constant.

use prost::Message as _;

use super::onnx_proto::{Graph, INT64, Model, Node, Opset, STRING, TensorProto, TensorType, Type, ValueProto};

/// The name of the output of [`constant`].
pub(super) const CONSTANT: &str = "texts";

/// Lists in a graph that may be class names: strings and integers in node attributes and initializers, in file order.
/// Empty if the bytes are not a graph.
pub(super) fn class_lists(model: &[u8]) -> Vec<Vec<String>> {
    let graph = Model::decode(model).ok().and_then(|model| model.graph);
    graph.map(|graph| lists(&graph)).unwrap_or_default()
}

fn lists(graph: &Graph) -> Vec<Vec<String>> {
    let texts = |texts: &[Vec<u8>]| -> Vec<String> {
        texts.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect()
    };
    let numbers = |numbers: &[i64]| -> Vec<String> { numbers.iter().map(ToString::to_string).collect() };
    let mut lists = Vec::new();
    let mut add = |strings: &[Vec<u8>], ints: &[i64]| {
        let found = [texts(strings), numbers(ints)];
        lists.extend(found.into_iter().filter(|list| list.len() > 1));
    };
    for attribute in graph.nodes.iter().flat_map(|node| &node.attributes) {
        add(&attribute.strings, &attribute.ints);
        if let Some(tensor) = &attribute.tensor {
            add(&tensor.strings, &tensor.int64s);
        }
    }
    for constant in graph.initializers.iter().filter(|constant| matches!(constant.data_type, STRING | INT64)) {
        add(&constant.strings, &constant.int64s);
    }
    lists
}

/// Encodes a model without inputs whose output [`CONSTANT`] holds these strings.
pub(super) fn constant(shape: &[usize], texts: &[String]) -> Vec<u8> {
    const SOURCE: &str = "constant";
    let constant = TensorProto {
        dims: shape.iter().map(|size| i64::try_from(*size).unwrap_or(i64::MAX)).collect(),
        data_type: STRING,
        strings: texts.iter().map(|text| text.clone().into_bytes()).collect(),
        name: SOURCE.to_owned(),
        ..TensorProto::default()
    };
    let node = Node {
        inputs: vec![SOURCE.to_owned()],
        outputs: vec![CONSTANT.to_owned()],
        op_type: "Identity".to_owned(),
        ..Node::default()
    };
    let output =
        ValueProto { name: CONSTANT.to_owned(), kind: Some(Type { tensor: Some(TensorType { element: STRING }) }) };
    let graph = Graph {
        nodes: vec![node],
        name: CONSTANT.to_owned(),
        initializers: vec![constant],
        outputs: vec![output],
        ..Graph::default()
    };
    let opsets = vec![Opset { version: 17 }];
    Model { ir_version: 8, graph: Some(graph), opsets, ..Model::default() }.encode_to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::onnx_proto::Attribute;

    #[test]
    fn the_names_of_classes_are_found_in_attributes_and_constants() {
        let strings = vec![b"no".to_vec(), b"yes".to_vec()];
        let attribute = Attribute { ints: vec![3, 5], strings, ..Attribute::default() };
        let node = Node { attributes: vec![attribute], ..Node::default() };
        let constant = TensorProto { data_type: STRING, strings: vec![b"a".to_vec(); 2], ..TensorProto::default() };
        let graph = Graph { nodes: vec![node], initializers: vec![constant], ..Graph::default() };
        assert_eq!(lists(&graph), [["no", "yes"], ["3", "5"], ["a", "a"]]);
        assert_eq!(class_lists(b"[package]"), Vec::<Vec<String>>::new());
    }
}
