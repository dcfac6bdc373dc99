//! Finds the files that hold the weights of an ONNX graph: a bounded walk over the protobuf bytes of the model.
//!
//! Follows only the fields that lead to a tensor (their numbers are those of onnx.proto) and reads nothing of the tensors
//! but where their data is. Judges neither the graph nor the files.

use std::collections::BTreeSet;

/// The deepest nesting of messages that protobuf itself reads.
const MAX_DEPTH: usize = 100;

/// The value of `TensorProto.data_location` that says that the data is in another file.
const EXTERNAL: u64 = 1;

/// The files that the tensors of a model name, by the place of the tensor.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ExternalFiles {
    /// Files of the graph's own initializers and constants.
    pub(super) own: BTreeSet<String>,
    /// Files of tensors inside the bodies of `If`, `Loop` and `Scan`, of functions, or of sparse tensors.
    pub(super) nested: BTreeSet<String>,
}

/// Finds the external files of a model; `None` where the bytes are no protobuf message of a model.
pub(super) fn external_files(model: &[u8]) -> Option<ExternalFiles> {
    let mut found = ExternalFiles::default();
    walk(model, &mut Place { message: Message::Model, depth: 0, graphs: 0, nested: false }, &mut found)?;
    Some(found)
}

/// The messages on the way from a model to a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Message {
    Model,
    Training,
    Function,
    Graph,
    Node,
    Attribute,
    Sparse,
    Tensor,
}

impl Message {
    /// The message that a field holds, where it is on the way to a tensor.
    fn child(self, field: u64) -> Option<Self> {
        match (self, field) {
            (Self::Model, 7) | (Self::Training, 1 | 2) | (Self::Attribute, 6 | 11) => Some(Self::Graph),
            (Self::Model, 20) => Some(Self::Training),
            (Self::Model, 25) => Some(Self::Function),
            (Self::Graph, 1) | (Self::Function, 7) => Some(Self::Node),
            (Self::Graph, 5) | (Self::Attribute, 5 | 10) | (Self::Sparse, 1 | 2) => Some(Self::Tensor),
            (Self::Graph, 15) | (Self::Attribute, 22 | 23) => Some(Self::Sparse),
            (Self::Node, 5) | (Self::Function, 11) => Some(Self::Attribute),
            _ => None,
        }
    }
}

/// Where the walk is.
struct Place {
    message: Message,
    depth: usize,
    graphs: usize,
    nested: bool,
}

impl Place {
    fn inside(&self, message: Message) -> Self {
        let graphs = self.graphs + usize::from(message == Message::Graph);
        let elsewhere = matches!(message, Message::Training | Message::Function | Message::Sparse);
        Self { message, depth: self.depth + 1, graphs, nested: self.nested || graphs > 1 || elsewhere }
    }
}

fn walk(bytes: &[u8], place: &mut Place, found: &mut ExternalFiles) -> Option<()> {
    if place.depth > MAX_DEPTH {
        return None;
    }
    let (mut rest, mut location, mut external) = (bytes, None, false);
    while !rest.is_empty() {
        let (field, value) = read_field(&mut rest)?;
        match value {
            Value::Bytes(inner) => {
                if let Some(message) = place.message.child(field) {
                    walk(inner, &mut place.inside(message), found)?;
                } else if (place.message, field) == (Message::Tensor, 13) {
                    read_entry(inner, &mut location)?;
                }
            }
            Value::Number(number) => external |= (place.message, field, number) == (Message::Tensor, 14, EXTERNAL),
        }
    }
    if let Some(file) = location.filter(|_| external) {
        let files = if place.nested { &mut found.nested } else { &mut found.own };
        files.insert(file);
    }
    Some(())
}

/// Reads an entry of `external_data`, and keeps its value where its key is `location`.
fn read_entry(entry: &[u8], location: &mut Option<String>) -> Option<()> {
    let (mut rest, mut key, mut value) = (entry, &[][..], &[][..]);
    while !rest.is_empty() {
        match read_field(&mut rest)? {
            (1, Value::Bytes(text)) => key = text,
            (2, Value::Bytes(text)) => value = text,
            _ => {}
        }
    }
    if key == b"location" {
        *location = Some(std::str::from_utf8(value).ok()?.to_owned());
    }
    Some(())
}

enum Value<'b> {
    Number(u64),
    Bytes(&'b [u8]),
}

/// Takes the next field off the front: its number and its value.
fn read_field<'b>(rest: &mut &'b [u8]) -> Option<(u64, Value<'b>)> {
    let tag = read_number(rest)?;
    let value = match tag & 7 {
        0 => Value::Number(read_number(rest)?),
        1 => Value::Bytes(take(rest, 8)?),
        2 => {
            let length = usize::try_from(read_number(rest)?).ok()?;
            Value::Bytes(take(rest, length)?)
        }
        5 => Value::Bytes(take(rest, 4)?),
        // Groups: ONNX has none.
        _ => return None,
    };
    Some((tag >> 3, value))
}

fn take<'b>(rest: &mut &'b [u8], length: usize) -> Option<&'b [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

/// A number in base 128, ten bytes at most.
fn read_number(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for (index, byte) in rest.iter().enumerate().take(10) {
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            *rest = &rest[index + 1..];
            return Some(number);
        }
    }
    None
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
