//! Redacts error messages of ONNX Runtime for the log. They quote the values that a kernel failed on, which are a
//! caller's features. Only what comes from the graph and the library is kept: operator, node, and error class.

/// Prefix of every message about a failed node.
const NODE_FAILURE_PREFIX: &str = "Non-zero status code returned while running ";

/// Messages with these prefixes contain names and sizes of tensors, but no values.
const VALUE_FREE_PREFIXES: &[&str] = &[
    "Got invalid dimensions for input: ",
    "Invalid rank for input: ",
    "Unexpected input data type. ",
    "Missing Input: ",
    "Exiting due to terminate flag being set to true",
];

/// Message of the allocator, contained in that of a node.
const OUT_OF_MEMORY: &str = "Failed to allocate memory";

/// Maximum length of an operator or node name in the redacted message.
const MAX_NAME: usize = 120;

/// Reduces an ONNX Runtime message to the parts that contain no feature values. `class` is the error class.
pub(super) fn redact(class: &str, message: &str) -> String {
    let message = message.trim();
    if VALUE_FREE_PREFIXES.iter().any(|known| message.starts_with(known)) {
        return message.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    let Some((mut nodes, mut rest)) = node(message).map(|(operator, name, rest)| {
        let name = if name.is_empty() { String::new() } else { format!(" {:?}", shorten(name)) };
        (format!("{operator} node{name}"), rest)
    }) else {
        return format!("ONNX Runtime failed ({class})");
    };
    // The failure was in the body of an operator: name the inner operator. Only the outermost node name is certain to
    // come from the graph.
    while let Some((operator, _, inner)) = node(rest) {
        nodes = format!("{nodes}, inner {operator} node");
        rest = inner;
    }
    let memory = if rest.contains(OUT_OF_MEMORY) { "; out of memory" } else { "" };
    format!("{nodes} failed ({class}){memory}")
}

/// Splits a message into the operator, the node's name, and the status message.
fn node(message: &str) -> Option<(&str, &str, &str)> {
    let (operator, rest) = message.strip_prefix(NODE_FAILURE_PREFIX)?.split_once(" node. Name:'")?;
    let (name, rest) = rest.split_once("' Status Message: ")?;
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.');
    (operator.len() <= MAX_NAME && operator.chars().all(plain)).then_some((operator, name, rest))
}

fn shorten(name: &str) -> String {
    let mut short: String = name.chars().take(MAX_NAME).collect();
    if short.len() < name.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages of ONNX Runtime 1.31, each provoked by a graph of one node.
    #[test]
    fn operator_node_and_class_are_kept_and_values_are_not() {
        let node = |operator: &str, name: &str, said: &str| {
            format!("{NODE_FAILURE_PREFIX}{operator} node. Name:'{name}' Status Message: {said}")
        };
        let gather = "indices element out of data bounds, idx=4711 must be within the inclusive range [-10,9]";
        let cases = [
            (node("Gather", "lookup", gather), "Gather node \"lookup\" failed (InvalidArgument)"),
            (node("Gather", "", gather), "Gather node failed (InvalidArgument)"),
            (node("Cast", "to_number", "stod"), "Cast node \"to_number\" failed (InvalidArgument)"),
            (
                node("If", "outer", &node("Gather", "4711", gather)),
                "If node \"outer\", inner Gather node failed (InvalidArgument)",
            ),
            (
                node("Range", "", "/src/bfc_arena.cc:360 Failed to allocate memory for requested buffer of size 4711"),
                "Range node failed (InvalidArgument); out of memory",
            ),
            (
                "Got invalid dimensions for input: x for the following indices\n index: 1 Got: 4 Expected: 3\n Please fix \
                 either the inputs/outputs or the model."
                    .to_owned(),
                "Got invalid dimensions for input: x for the following indices index: 1 Got: 4 Expected: 3 Please fix either \
                 the inputs/outputs or the model.",
            ),
            ("Unknown category '4711'".to_owned(), "ONNX Runtime failed (InvalidArgument)"),
            (format!("'4711' {}", node("Gather", "4711", "")), "ONNX Runtime failed (InvalidArgument)"),
            (node("of 4711 and so on", "", ""), "ONNX Runtime failed (InvalidArgument)"),
        ];
        for (message, expected) in cases {
            assert_eq!(redact("InvalidArgument", &message), expected, "{message}");
        }
    }

    #[test]
    fn long_names_are_cut() {
        let name = "n".repeat(1000);
        let reduced = redact("Fail", &format!("{NODE_FAILURE_PREFIX}Add node. Name:'{name}' Status Message: no"));
        assert!(reduced.len() < 200 && reduced.contains('…'), "{reduced}");
    }
}
