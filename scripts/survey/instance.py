"""Builds the JSON of an instance from arrays, using only the contract that the server publishes."""

import numpy as np


class CannotBeWritten(Exception):
    """The contract has no feature that can hold an array; the message says why."""


def instance(contract, feed):
    """The `features` of one request."""
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
    """An array nested as deep as the schema asks, without the batch axis."""
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
    """Numbers in the shortest form that parses back to the same element; strings and booleans unchanged."""
    array = np.asarray(array)
    if is_float(array):
        short = np.array([float(str(value)) for value in array.reshape(-1)], dtype=np.float64)
        return short.reshape(array.shape).tolist()
    if array.dtype == np.object_:
        return np.vectorize(str, otypes=[object])(array).tolist() if array.size else array.tolist()
    return array.tolist()


def is_float(array):
    """Whether the elements are floats; NumPy does not count bfloat16 among them."""
    return array.dtype.kind == "f" or array.dtype.name == "bfloat16"


def finite(feed):
    """Replaces NaN and infinity, which JSON cannot carry."""
    return {name: settle(np.asarray(array)) for name, array in feed.items()}


def settle(array):
    if not is_float(array):
        return array
    wrong = ~np.isfinite(array.astype(np.float64))
    return np.where(wrong, np.ones_like(array), array) if wrong.any() else array
