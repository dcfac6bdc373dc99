"""digits: a handwritten digit from an 8x8 grey image, given as one nested array.

Data: scikit-learn's digits (the test part of UCI's Optical Recognition of Handwritten Digits); a
small multilayer perceptron, its graph written out node by node.
"""

import sys
import warnings
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import package
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, log_loss
from sklearn.neural_network import MLPClassifier

HERE = Path(__file__).resolve().parent
CLASSES = [str(digit) for digit in range(10)]
SCALE = 1 / 16  # pixels are 0 to 16, the network sees 0 to 1


def load():
    """All rows, as instances of the contract, and the digit of each."""
    data = load_digits()
    return [{"image": image.astype(int).tolist()} for image in data.images], [int(t) for t in data.target]


def matrix(rows):
    return np.array([r["image"] for r in rows], dtype=np.float32).reshape(len(rows), 64) * np.float32(SCALE)


def graph(network, doc):
    """Reshape, scale, and the layers: hidden ones with ReLU, the last with softmax."""
    nodes, weights = [], []

    def constant(name, value):
        weights.append(numpy_helper.from_array(value, name))
        return name

    def node(op, inputs, output, **attributes):
        nodes.append(helper.make_node(op, inputs, [output], **attributes))
        return output

    x = node("Reshape", ["image", constant("flat", np.array([-1, 64], np.int64))], "pixels")
    x = node("Mul", [x, constant("scale", np.array(SCALE, np.float32))], "scaled")
    last = len(network.coefs_) - 1
    for i, (weight, bias) in enumerate(zip(network.coefs_, network.intercepts_)):
        w = constant(f"weight_{i}", weight.astype(np.float32))
        b = constant(f"bias_{i}", bias.astype(np.float32))
        x = node("Gemm", [x, w, b], f"layer_{i}")
        if i < last:
            x = node("Relu", [x], f"hidden_{i}")
    p = node("Softmax", [x], "probabilities", axis=1)
    node("ArgMax", [p], "label", axis=1, keepdims=0)

    tensor = helper.make_tensor_value_info
    made = helper.make_graph(
        nodes,
        "digits",
        [tensor("image", TensorProto.FLOAT, ["N", 8, 8])],
        [tensor("label", TensorProto.INT64, ["N"]), tensor("probabilities", TensorProto.FLOAT, ["N", 10])],
        weights,
    )
    opsets = [helper.make_opsetid("", package.OPSET[""])]
    return package.tidy(helper.make_model(made, opset_imports=opsets), "digits", doc)


def contract(train):
    pixel = {"type": "number", "minimum": 0, "maximum": 16}
    line = {"type": "array", "minItems": 8, "maxItems": 8, "items": pixel}
    return {
        "title": "digits",
        "description": "Which digit a person wrote, from a grey image of 8 by 8 pixels.",
        "type": "object",
        "properties": {
            "image": {
                "type": "array",
                "minItems": 8,
                "maxItems": 8,
                "items": line,
                "description": "8 lines from the top, each of 8 pixels from the left: 0 is paper, 16 is ink",
            }
        },
        "required": ["image"],
        "additionalProperties": False,
        "examples": [train[0]],
        "x-inputs": [{"tensor": "image", "features": ["image"]}],
        "x-output": {
            "task": "classification",
            "classes": CLASSES,
            "probabilities": {"tensor": "probabilities"},
            "label": {"tensor": "label"},
        },
    }


def main():
    rows, target = load()
    part = package.split(len(rows))
    train, test = package.take(rows, part["train"]), package.take(rows, part["test"])
    y_train, y_test = package.take(target, part["train"]), package.take(target, part["test"])

    network = MLPClassifier((48,), alpha=0.3, max_iter=150, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a fixed number of passes is meant
        network.fit(matrix(train), y_train)
    rules = contract(train)
    model = graph(network, rules["description"])
    p = network.predict_proba(matrix(test))
    package.check(model, rules, test, p)

    def image(pixel):
        return {"image": [[pixel(row, column) for column in range(8)] for row in range(8)]}

    edges = [
        train[0],
        image(lambda row, column: 0),
        image(lambda row, column: 16),
        image(lambda row, column: 16 * ((row + column) % 2)),
        image(lambda row, column: row + column / 10),
    ]
    package.write_version(
        HERE / "1",
        model,
        rules,
        edges + test[:20],
        {
            "created": "2026-03-01T10:00:00Z",
            "training_data": package.training_data("optical-digits-train60", train, y_train),
            "metrics": package.rounded(
                log_loss=log_loss(y_test, p),
                accuracy=accuracy_score(y_test, p.argmax(axis=1)),
            ),
            "license": "MIT OR Apache-2.0; data CC BY 4.0",
            "notes": "Data: Optical Recognition of Handwritten Digits, E. Alpaydin, C. Kaynak, UCI Machine "
            "Learning Repository, CC BY 4.0, as in scikit-learn. MLPClassifier (scikit-learn) of 48 hidden units, "
            f"its graph by onnx.helper. Metrics are from {len(test)} rows that were not used in training.",
        },
    )


if __name__ == "__main__":
    main()
