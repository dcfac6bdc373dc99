//! Writes small ONNX graphs, so that a test has as many versions as it needs, each with answers of its own.

use serde_json::{Value, json};

use crate::support::packages::contract;

/// Appends a number as a protobuf varint.
fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).expect("seven bits") | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).expect("seven bits"));
}

/// A protobuf field of a number.
fn number(field: u64, value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    varint(&mut out, field << 3);
    varint(&mut out, value);
    out
}

/// A protobuf field of bytes, a string or a message.
fn bytes(field: u64, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    varint(&mut out, field << 3 | 2);
    varint(&mut out, content.len() as u64);
    out.extend_from_slice(content);
    out
}

/// A node: its operator, inputs and output.
fn node(operator: &str, inputs: &[&str], output: &str) -> Vec<u8> {
    let mut content: Vec<u8> = inputs.iter().flat_map(|input| bytes(1, input.as_bytes())).collect();
    content.extend(bytes(2, output.as_bytes()));
    content.extend(bytes(4, operator.as_bytes()));
    bytes(1, &content)
}

/// An initializer of 32-bit floats.
fn weights(name: &str, shape: [usize; 2], values: impl Iterator<Item = f32>) -> Vec<u8> {
    let mut content: Vec<u8> = shape.iter().flat_map(|dim| number(1, *dim as u64)).collect();
    content.extend(number(2, 1));
    content.extend(bytes(8, name.as_bytes()));
    content.extend(bytes(9, &values.flat_map(f32::to_le_bytes).collect::<Vec<u8>>()));
    bytes(5, &content)
}

/// An input (field 11) or an output (field 12) of N rows with one 32-bit float each.
fn column(field: u64, name: &str) -> Vec<u8> {
    let shape = [bytes(1, &bytes(2, b"N")), bytes(1, &number(1, 1))].concat();
    let tensor = [number(1, 1), bytes(2, &shape)].concat();
    bytes(field, &[bytes(1, name.as_bytes()), bytes(2, &bytes(1, &tensor))].concat())
}

fn model(graph: &[Vec<u8>]) -> Vec<u8> {
    let opset = bytes(8, &number(2, 17));
    [number(1, 8), bytes(7, &graph.concat()), opset].concat()
}

/// The graph of `y = x + constant`.
pub(crate) fn adder(constant: f32) -> Vec<u8> {
    model(&[
        node("Add", &["x", "c"], "y"),
        bytes(2, b"adder"),
        weights("c", [1, 1], std::iter::once(constant)),
        column(11, "x"),
        column(12, "y"),
    ])
}

/// The graph of `y = x + constant` with about so many bytes of weights, which contribute zero.
pub(crate) fn large_adder(constant: f32, size: usize) -> Vec<u8> {
    // An even width, so that the halves of the sum cancel out.
    let width = (size / 4).isqrt() & !1;
    model(&[
        node("MatMul", &["x", "first"], "a"),
        node("MatMul", &["a", "middle"], "b"),
        node("MatMul", &["b", "last"], "z"),
        node("Add", &["x", "z"], "s"),
        node("Add", &["s", "c"], "y"),
        bytes(2, b"large"),
        weights("first", [1, width], std::iter::repeat_n(0.5, width)),
        weights("middle", [width, width], (0..width * width).map(|index| [0.25, -0.25][index % 2])),
        weights("last", [width, 1], std::iter::repeat_n(0.5, width)),
        weights("c", [1, 1], std::iter::once(constant)),
        column(11, "x"),
        column(12, "y"),
    ])
}

/// The contract of these graphs: one number, and a regression.
pub(crate) fn adder_contract() -> Value {
    let output = json!({ "task": "regression", "value": { "tensor": "y" } });
    contract("x", &json!({ "x": { "type": "number" } }), &output)
}
