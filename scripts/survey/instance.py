"""From the arrays of a feed to the JSON of an instance, by nothing but the contract that the server shows."""

import numpy as np


class CannotBeWritten(Exception):
    """The contract has no place for the arrays; the text says why."""


def instance(contract, feed):
    """The features of one instance."""
    features = {}
    for entry in contract["x-inputs"]:
        array, names = feed[entry["tensor"]], entry["features"]
        if len(names) > 1:
            if array.size != len(names):
                raise CannotBeWritten(f"{entry['tensor']} has {array.size} values for {len(names)} features")
            features |= dict(zip(names, plain(array.reshape(-1)), strict=True))
        else:
            features[names[0]] = shaped(array, contract["properties"][names[0]], entry["tensor"])
    return features


def shaped(array, schema, tensor):
    """An array as the schema wants it: nested as deep, without the axis of the batch."""
    levels = depth(schema)
    while array.ndim > levels and array.shape[0] == 1:
        array = array.reshape(array.shape[1:])
    if array.ndim != levels:
        raise CannotBeWritten(f"{tensor} is an array of shape {list(array.shape)}, the contract wants {levels} dimensions")
    return plain(array)


def depth(schema):
    levels = 0
    while "array" in np.atleast_1d(schema.get("type", "")):
        schema, levels = schema.get("items", {}), levels + 1
    return levels


def plain(array):
    """Numbers in the shortest form that reads back to the same element; texts and booleans as they are."""
    array = np.asarray(array)
    if is_float(array):
        short = np.array([float(str(value)) for value in array.reshape(-1)], dtype=np.float64)
        return short.reshape(array.shape).tolist()
    if array.dtype == np.object_:
        return np.vectorize(str, otypes=[object])(array).tolist() if array.size else array.tolist()
    return array.tolist()


def is_float(array):
    """Whether the elements are floats, bfloat16 (whose kind NumPy does not know) among them."""
    return array.dtype.kind == "f" or array.dtype.name == "bfloat16"


def finite(feed):
    """The feed with its NaN and infinities replaced, for JSON has none of them."""
    return {name: settle(np.asarray(array)) for name, array in feed.items()}


def settle(array):
    if not is_float(array):
        return array
    wrong = ~np.isfinite(array.astype(np.float64))
    return np.where(wrong, np.ones_like(array), array) if wrong.any() else array
