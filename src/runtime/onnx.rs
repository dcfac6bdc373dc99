//! A subset of onnx.proto (ONNX 1.x) for what ONNX Runtime has no API for: reading class names from a graph, and building a
//! graph of one constant. Protobuf skips the fields that are not declared here.

use prost::Message;

/// `TensorProto.DataType.STRING`.
const STRING: i32 = 8;
/// `TensorProto.DataType.INT64`.
const INT64: i32 = 7;
/// The output of [`constant`].
pub(super) const CONSTANT: &str = "texts";

#[derive(Clone, PartialEq, Message)]
struct Model {
    #[prost(int64, tag = "1")]
    ir_version: i64,
    #[prost(message, optional, tag = "7")]
    graph: Option<Graph>,
    #[prost(message, repeated, tag = "8")]
    opsets: Vec<Opset>,
}

#[derive(Clone, PartialEq, Message)]
struct Opset {
    #[prost(int64, tag = "2")]
    version: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Graph {
    #[prost(message, repeated, tag = "1")]
    nodes: Vec<Node>,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(message, repeated, tag = "5")]
    initializers: Vec<Constant>,
    #[prost(message, repeated, tag = "12")]
    outputs: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Node {
    #[prost(string, repeated, tag = "1")]
    inputs: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    outputs: Vec<String>,
    #[prost(string, tag = "4")]
    op_type: String,
    #[prost(message, repeated, tag = "5")]
    attributes: Vec<Attribute>,
}

#[derive(Clone, PartialEq, Message)]
struct Attribute {
    #[prost(message, optional, tag = "5")]
    tensor: Option<Constant>,
    #[prost(int64, repeated, tag = "8")]
    ints: Vec<i64>,
    #[prost(bytes = "vec", repeated, tag = "9")]
    strings: Vec<Vec<u8>>,
}

/// `TensorProto`. `raw_data` is not declared, so that weights are skipped.
#[derive(Clone, PartialEq, Message)]
struct Constant {
    #[prost(int64, repeated, tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(bytes = "vec", repeated, tag = "6")]
    strings: Vec<Vec<u8>>,
    #[prost(int64, repeated, tag = "7")]
    int64s: Vec<i64>,
    #[prost(string, tag = "8")]
    name: String,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    kind: Option<Type>,
}

#[derive(Clone, PartialEq, Message)]
struct Type {
    #[prost(message, optional, tag = "1")]
    tensor: Option<TensorType>,
}

#[derive(Clone, PartialEq, Message)]
struct TensorType {
    #[prost(int32, tag = "1")]
    element: i32,
}

/// Lists in a graph that may be class names: strings and integers in node attributes and initializers, in file order. Empty
/// if the bytes cannot be read as a graph.
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

/// A model without inputs whose output [`CONSTANT`] holds these texts.
pub(super) fn constant(shape: &[usize], texts: &[String]) -> Vec<u8> {
    const SOURCE: &str = "constant";
    let constant = Constant {
        dims: shape.iter().map(|size| i64::try_from(*size).unwrap_or(i64::MAX)).collect(),
        data_type: STRING,
        strings: texts.iter().map(|text| text.clone().into_bytes()).collect(),
        int64s: Vec::new(),
        name: SOURCE.to_owned(),
    };
    let node = Node {
        inputs: vec![SOURCE.to_owned()],
        outputs: vec![CONSTANT.to_owned()],
        op_type: "Identity".to_owned(),
        attributes: Vec::new(),
    };
    let output = Value { name: CONSTANT.to_owned(), kind: Some(Type { tensor: Some(TensorType { element: STRING }) }) };
    let graph =
        Graph { nodes: vec![node], name: CONSTANT.to_owned(), initializers: vec![constant], outputs: vec![output] };
    Model { ir_version: 8, graph: Some(graph), opsets: vec![Opset { version: 17 }] }.encode_to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_classes_are_found_in_attributes_and_constants() {
        let attribute = Attribute { tensor: None, ints: vec![3, 5], strings: vec![b"no".to_vec(), b"yes".to_vec()] };
        let node = Node { attributes: vec![attribute], ..Node::default() };
        let constant = Constant { data_type: STRING, strings: vec![b"a".to_vec(); 2], ..Constant::default() };
        let graph = Graph { nodes: vec![node], initializers: vec![constant], ..Graph::default() };
        assert_eq!(lists(&graph), [["no", "yes"], ["3", "5"], ["a", "a"]]);
        assert_eq!(class_lists(b"[package]"), Vec::<Vec<String>>::new());
    }
}
