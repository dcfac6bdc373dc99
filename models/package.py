"""Writes a Candor version directory: model.onnx, contract.json, version.json, golden.jsonl.

Shared by every models/<name>/train.py. Nothing here depends on the time, the machine or a random
source without a seed, so the same libraries write the same bytes again.
"""

import hashlib
import json
import math
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

# Opsets and IR version that ONNX Runtime has supported for years.
OPSET = {"": 17, "ai.onnx.ml": 3}
IR_VERSION = 8

# Element types of the graph's inputs, as ONNX Runtime names them.
DTYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
    "tensor(string)": object,
}


# ---- data ---------------------------------------------------------------------------------------


def split(rows, seed=20260228):
    """Row numbers of the three parts: 60 % train, 20 % calibration, 20 % test.

    Models are fitted on `train` only and the metrics are measured on `test`; `calibration` is
    touched by neither, and is what `candor calibrate` may use.
    """
    order = np.random.default_rng(seed).permutation(rows)
    first, second = int(rows * 0.6), int(rows * 0.8)
    return {
        "train": np.sort(order[:first]),
        "calibration": np.sort(order[first:second]),
        "test": np.sort(order[second:]),
    }


def take(values, indices):
    """The elements of a list at `indices`."""
    return [values[i] for i in indices]


def jsonl(instances, targets):
    """Rows as JSON lines, `{"features": …, "target": …}`: what a data digest is taken of."""
    return "".join(
        json.dumps({"features": x, "target": y}, ensure_ascii=False) + "\n"
        for x, y in zip(instances, targets, strict=True)
    )


def training_data(tag, instances, targets):
    """The `training_data` member of version.json, for the rows a model was fitted on."""
    text = jsonl(instances, targets).encode()
    return {"tag": tag, "rows": len(instances), "sha256": hashlib.sha256(text).hexdigest()}


def expected(values):
    """`x-expected` from the range of the training data; missing values are passed over."""
    known = [v for v in values if v is not None]
    return {"minimum": min(known), "maximum": max(known)}


# ---- graph --------------------------------------------------------------------------------------


def tidy(model, name, doc):
    """The same graph with `N` as its batch dimension, and without what varies between converters."""
    model.ir_version = IR_VERSION
    model.producer_name, model.producer_version = "candor-models", "1"
    model.domain, model.model_version, model.doc_string = "", 0, doc
    del model.metadata_props[:]
    opsets = {o.domain: o.version for o in model.opset_import}  # converters may name one twice
    del model.opset_import[:]
    model.opset_import.extend(onnx.helper.make_opsetid(d, v) for d, v in sorted(opsets.items()))
    model.graph.name, model.graph.doc_string = name, ""
    for node in model.graph.node:
        node.doc_string = ""
    for value in [*model.graph.input, *model.graph.output]:
        value.doc_string = ""
        if value.type.HasField("tensor_type") and value.type.tensor_type.shape.dim:
            value.type.tensor_type.shape.dim[0].dim_param = "N"
    onnx.checker.check_model(model, full_check=True)
    return model


def session(model):
    """A session for the golden values: one thread, so that sums are added in one order."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    bytes_ = model if isinstance(model, bytes) else model.SerializeToString()
    return ort.InferenceSession(bytes_, options, providers=["CPUExecutionProvider"])


def tensors(run, contract, instances):
    """The graph's inputs for some instances, by the rules of the contract."""
    feeds = {}
    types = {i.name: DTYPES[i.type] for i in run.get_inputs()}
    for entry in contract["x-inputs"]:
        tensor, features = entry["tensor"], entry["features"]
        array = len(features) == 1 and contract["properties"][features[0]]["type"] == "array"
        rows = [[_value(contract["properties"][f], x.get(f)) for f in features] for x in instances]
        feeds[tensor] = np.array([r[0] for r in rows] if array else rows, dtype=types[tensor])
    return feeds


def _value(rules, value):
    """One feature's value for the tensor: null and left out become NaN or the default."""
    if value is not None:
        return value
    if rules.get("x-missing") == "nan":
        return math.nan
    return rules["default"]


def answers(run, contract, instances):
    """What the graph says: an array `[N, C]` of probabilities in class order, or `[N]` of values."""
    output = contract["x-output"]
    feeds = tensors(run, contract, instances)
    if output["task"] == "regression":
        value = output.get("value") or output["quantiles"]  # of quantiles the median
        column = value.get("column", 0) if "value" in output else value["levels"].index(0.5)
        return run.run([value["tensor"]], feeds)[0][:, column]
    result = run.run([output["probabilities"]["tensor"]], feeds)[0]
    if isinstance(result, list):  # ZipMap: one map a row, from the class's label
        result = np.array([[row[c] for c in output["classes"]] for row in result], np.float32)
    return result


def check(model, contract, instances, reference, limit=1e-4):
    """Fails unless the graph says what the Python library says, on every one of these rows."""
    got = answers(session(model), contract, instances)
    worst = float(np.max(np.abs(got - reference)))
    if not worst <= limit:  # also when it is NaN
        raise SystemExit(f"{contract['title']}: ONNX and Python differ by {worst} (limit {limit})")
    return worst


# ---- files --------------------------------------------------------------------------------------


def shortest(number):
    """The shortest decimal that reads back to the same number of the graph's own type."""
    return float(str(number))


def golden(run, contract, instances, tolerance):
    """One line a case, its values from ONNX Runtime at batch 1."""
    output, lines = contract["x-output"], []
    for instance in instances:
        row = answers(run, contract, [instance])[0]
        if output["task"] == "regression":
            expect = {"prediction": shortest(row)}
        else:
            expect = {
                "prediction": output["classes"][int(np.argmax(row))],
                "probabilities": {c: shortest(p) for c, p in zip(output["classes"], row, strict=True)},
            }
        case = {"features": instance, "expect": expect, "tolerance": tolerance}
        lines.append(json.dumps(case, ensure_ascii=False) + "\n")
    return "".join(lines)


def write_version(directory, model, contract, cases, version, tolerance=1e-6):
    """Writes the directory. `version` is version.json without `files`, which is added here."""
    assert len(cases) >= 20, "a version has at least 20 golden cases"
    contract = {"$schema": "https://json-schema.org/draft/2020-12/schema", **contract}
    graph = model.SerializeToString(deterministic=True)
    files = {
        "model.onnx": graph,
        "contract.json": pretty(contract).encode(),
        "golden.jsonl": golden(session(graph), contract, cases, tolerance).encode(),
    }
    digests = {name: "sha256:" + hashlib.sha256(data).hexdigest() for name, data in files.items()}
    order = ["created", "training_data", "metrics", "files", "license", "notes"]
    version = {key: ({**version, "files": digests})[key] for key in order}
    files["version.json"] = pretty(version).encode()

    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (directory / name).write_bytes(data)
    metrics = ", ".join(f"{k} {v}" for k, v in version["metrics"].items())
    print(f"{contract['title']} {directory.name}: {len(graph)} bytes, {len(cases)} golden cases, {metrics}")


def pretty(value):
    """JSON for people: two spaces, and a final newline."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def rounded(**metrics):
    """Metrics with six decimals: more would be noise."""
    return {name: round(float(value), 6) for name, value in metrics.items()}
