"""Decides whether an answer is right: compares it with ONNX Runtime's outputs for the same input."""

import math

import numpy as np

from instance import is_float

# Allowed relative differences, by element type: ONNX Runtime may add in a different order.
TOLERANCE = {"float16": 4e-3, "bfloat16": 3e-2, "float32": 2e-4, "float64": 1e-9}
# How far a sum of probabilities may be from 1, and a probability outside [0, 1].
SUM, EDGE = 1e-3, 1e-5


def faults(answer, contract, outputs, steady):
    """The faults of a 200 response. `outputs` is the reference: arrays, or lists of maps for a ZipMap."""
    task = contract["x-output"]["task"]
    if task == "classification":
        return classification(answer, contract["x-output"], outputs, steady)
    if task == "regression":
        return regression(answer, contract["x-output"], outputs, steady)
    found = answer.get("outputs")
    if not isinstance(found, dict) or set(found) != set(outputs):
        return [f"the answer has the outputs {sorted(found or {})}, the graph {sorted(outputs)}"]
    told = [tensor(name, found[name], truth, steady) for name, truth in outputs.items()]
    return [fault for fault in told if fault]


def differ(output, outputs, others):
    """Whether two references differ in what an answer with this `x-output` contains, by much more than the tolerance."""
    held = [output.get(part, {}).get("tensor") for part in ("probabilities", "logits", "value", "label")]
    names = [name for name in held if name in outputs] or outputs
    return any(clearly(outputs[name], others[name]) for name in names)


def clearly(one, other):
    if isinstance(one, list):
        one, other = numbers(one), numbers(other)
    if one.shape != other.shape or not is_float(one):
        return one.tolist() != other.tolist()
    one, other = one.astype(np.float64), other.astype(np.float64)
    if not (np.isfinite(one).all() and np.isfinite(other).all()):
        return False
    return bool((np.abs(one - other) > 0.1 * np.maximum(np.abs(one), np.abs(other)) + 0.1).any())


def gives_probabilities(outputs, specs):
    """Whether an output declares and returns rows that can be probabilities: values in [0, 1] that sum to 1."""
    for spec in specs:
        truth = outputs[spec.name]
        if isinstance(truth, list):
            rows = [list(row.values()) for row in truth]
        elif is_float(truth) and truth.ndim == 2 and spec.shape[1:] in ([None], [truth.shape[1]]):
            rows = truth.astype(np.float64).tolist()
        else:
            continue
        if all(len(row) > 1 and min(row) >= -EDGE and max(row) <= 1 + EDGE and abs(sum(row) - 1) <= SUM for row in rows):
            return True
    return False


def has_non_finite(outputs):
    """Whether an output contains NaN or infinity."""
    return any(not np.isfinite(numbers(truth)).all() for truth in outputs.values())


def numbers(truth):
    if isinstance(truth, list):
        return np.array([[float(value) for value in row.values()] for row in truth])
    return truth.astype(np.float64) if is_float(truth) else np.zeros(0)


def classification(answer, output, outputs, steady):
    stated = answer.get("probabilities")
    if not isinstance(stated, dict) or not stated:
        return ["a classification without probabilities"]
    names, values = list(stated), np.array(list(stated.values()), dtype=np.float64)
    told = []
    if (values < -EDGE).any() or (values > 1 + EDGE).any() or abs(values.sum() - 1) > max(SUM, 1e-4 * len(values)):
        shown = ", ".join(f"{value:.4g}" for value in values[:4])
        told.append(f"calls probabilities what are none: {shown}{', …' if len(values) > 4 else ''} (sum {values.sum():.4g})")
    expected = probabilities(output, outputs, len(names))
    if expected is None:
        told.append("the probabilities are no output of the graph")
    elif steady and not close(values, expected[1], expected[2]):
        told.append(f"probabilities {values[:4].tolist()}, the graph says {expected[1][:4].tolist()}")
    elif expected[0] is not None and names != expected[0]:
        told.append(f"the classes are called {names[:4]}, the graph calls them {expected[0][:4]}")
    label = label_of(output, outputs)
    greatest = names[int(np.argmax(values))]
    if label is not None and answer["prediction"] != label:
        told.append(f"predicts {answer['prediction']!r}, the graph's own label is {label!r}")
    elif label is None and answer["prediction"] != greatest:
        told.append(f"predicts {answer['prediction']!r}, the likeliest class is {greatest!r}")
    sure = stated.get(answer["prediction"], math.nan)
    if answer["uncertainty_method"] == "uncalibrated" and not math.isclose(answer["uncertainty"], 1 - sure, abs_tol=1e-2):
        told.append(f"uncertainty {answer['uncertainty']}, the prediction's probability is {sure}")
    return told


def probabilities(output, outputs, classes):
    """The class names if the graph has them, the probabilities, and their element type."""
    name = (output.get("probabilities") or output.get("logits"))["tensor"]
    truth = outputs.get(name)
    if isinstance(truth, list):
        keys = sorted(truth[0])
        return [str(key) for key in keys], np.array([truth[0][key] for key in keys]), "float32"
    if truth is None or not is_float(truth):
        return None
    values = truth.astype(np.float64).reshape(-1)
    if "logits" in output:
        values = softmax(values) if len(values) > 1 else 1 / (1 + np.exp(-values))
    if len(values) == 1 and classes == 2:
        values = np.array([1 - values[0], values[0]])
    return (None, values, truth.dtype.name) if len(values) == classes else None


def softmax(values):
    powers = np.exp(values - values.max())
    return powers / powers.sum()


def label_of(output, outputs):
    """The graph's own label: the output that the contract names, or else the first output that can be a label."""
    named = output.get("label", {}).get("tensor")
    scores = (output.get("probabilities") or output.get("logits"))["tensor"]
    for name, truth in outputs.items():
        if name != scores and (name == named or named is None) and not isinstance(truth, list):
            if truth.size == 1 and (truth.dtype == np.object_ or truth.dtype.kind in "iub"):
                return str(truth.reshape(-1)[0])
    return None


def regression(answer, output, outputs, steady):
    truth = outputs.get((output.get("value") or {}).get("tensor"))
    if truth is None:
        return ["the value is no output of the graph"]
    column = output["value"].get("column", 0)
    values = truth.astype(np.float64).reshape(-1)
    if len(outputs) > 1 or (len(values) > 1 and "column" not in output["value"]):
        return [f"one value was taken from outputs of {[np.shape(other) for other in outputs.values()]}"]
    value = answer.get("prediction")
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return [f"a regression answers {value!r}"]
    if steady and not close(np.array([float(value)]), values[column : column + 1], truth.dtype.name):
        return [f"answers {value}, the graph says {values[column]}"]
    return []


def tensor(name, found, truth, steady):
    """The fault of one raw output, or None."""
    if isinstance(truth, list):
        keys = sorted(truth[0])
        if isinstance(found, dict):
            found = [found.get(str(key)) for key in keys]
        truth = np.array([[row[key] for key in keys] for row in truth], dtype=np.float32)
    try:
        array = np.array(found, dtype=np.object_) if truth.dtype == np.object_ else read(found, truth.dtype)
    except (ValueError, TypeError, OverflowError) as error:
        return f"{name}: cannot be read as {truth.dtype}: {error}"
    if array.shape != truth.shape and not (truth.shape[:1] == (1,) and array.shape == truth.shape[1:]):
        if array.size or truth.size:
            return f"{name}: shape {list(array.shape)}, the graph's is {list(truth.shape)}"
    truth = truth.reshape(array.shape) if array.size else array
    if steady and not equal(array, truth):
        return f"{name}: {str(found)[:80]}, the graph says {str(truth.tolist())[:80]}"
    return None


def read(found, dtype):
    if dtype.kind in "iu":
        return np.array(found, dtype=np.object_).astype(dtype) if np.size(found) else np.array(found, dtype=dtype)
    return np.array(found, dtype=np.float64) if dtype.name == "bfloat16" else np.array(found).astype(dtype)


def equal(array, truth):
    if is_float(truth):
        return close(array.astype(np.float64), truth.astype(np.float64), truth.dtype.name)
    return array.tolist() == truth.tolist()


def close(found, truth, dtype):
    """Equal within the tolerance of the type, with an absolute part that scales with the largest value."""
    tolerance = TOLERANCE.get(dtype, 2e-4)
    largest = float(np.max(np.abs(truth), initial=0.0))
    return found.shape == truth.shape and bool(
        np.allclose(found, truth, rtol=tolerance, atol=tolerance * min(largest, 1.0) * 0.1 + 1e-12)
    )
