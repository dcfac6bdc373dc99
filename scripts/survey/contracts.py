"""Contracts for models that are not served correctly as bare files."""

import json
import shutil

import numpy as np

from instance import plain

TYPES = {"tensor(bool)": "boolean", "tensor(string)": "string"}


def package(directory, case, truth, output, deadline_ms=None):
    """Writes the package `directory`/1 for a case, with one of its inputs as the example, and returns `directory`."""
    version = directory / "1"
    shutil.rmtree(directory, ignore_errors=True)
    version.mkdir(parents=True)
    shutil.copyfile(case.path, version / "model.onnx")
    document = contract(case.name, truth, output)
    (version / "contract.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    if deadline_ms is not None:
        (directory / "model.toml").write_text(f"[limits]\ndeadline_ms = {deadline_ms}\n", encoding="utf-8")
    return directory


def contract(title, truth, output):
    """A contract with one feature for each graph input, and an example."""
    properties, example = {}, {}
    for spec in truth.inputs:
        rows = [row_of(spec, feed[spec.name]) for feed in truth.feeds]
        properties[spec.name] = schema(spec, rows)
        example[spec.name] = plain(rows[0])
    return {
        "title": title,
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
        "x-inputs": [{"tensor": name, "features": [name]} for name in properties],
        "x-output": output,
        "examples": [example],
    }


def row_of(spec, array):
    """The array of one instance, without the batch axis; a single value becomes a scalar."""
    if array.ndim and array.shape[0] == 1 and spec.shape and spec.shape[0] in (None, 1):
        array = array.reshape(array.shape[1:])
    return array.reshape(()) if array.shape == (1,) else array


def schema(spec, rows):
    item = {"type": TYPES.get(spec.kind, "integer" if "int" in spec.kind else "number")}
    for axis in reversed(range(rows[0].ndim)):
        sizes = {np.shape(row)[axis] for row in rows}
        bounds = {"minItems": min(sizes), "maxItems": max(sizes)}
        item = {"type": "array", "items": item, **bounds}
    return item
