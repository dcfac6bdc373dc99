"""Writes a model that costs milliseconds a row: a small convolutional network with random weights of a fixed seed.

usage: heavy.py OUT.onnx

Its cost is arithmetic, not memory, so a batch of n rows costs about n times as much as one row. Input `x`: 16 floats a
row; output `y`: one float a row. Needs numpy and onnx.
"""

import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE, CHANNELS, WIDTH, LAYERS = 32, 64, 16, 5


def main(out: str) -> None:
    random = np.random.default_rng(3)
    nodes, weights = [], []

    def weight(name: str, *shape: int) -> str:
        scale = np.sqrt(2.0 / np.prod(shape[1:]))
        weights.append(numpy_helper.from_array((random.standard_normal(shape) * scale).astype(np.float32), name))
        return name

    def node(kind: str, inputs: list[str], output: str, **attributes: object) -> str:
        nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    pixels = node("MatMul", ["x", weight("spread", WIDTH, SIDE * SIDE)], "pixels")
    weights.append(numpy_helper.from_array(np.array([-1, 1, SIDE, SIDE], np.int64), "image_shape"))
    last, channels = node("Reshape", [pixels, "image_shape"], "image"), 1
    for layer in range(LAYERS + 1):
        kernel = weight(f"kernel{layer}", CHANNELS, channels, 3, 3)
        last = node("Conv", [last, kernel], f"conv{layer}", kernel_shape=[3, 3], pads=[1, 1, 1, 1])
        last, channels = node("Relu", [last], f"relu{layer}"), CHANNELS
    last = node("Flatten", [node("GlobalAveragePool", [last], "mean")], "flat", axis=1)
    node("MatMul", [last, weight("read", CHANNELS, 1)], "y")
    graph = helper.make_graph(
        nodes,
        "heavy",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", WIDTH])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 1])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, out)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
