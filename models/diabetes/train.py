"""diabetes: a regression in natural units, in 64-bit floats from the input to the answer, in two versions.

Data: the diabetes data of Efron, Hastie, Johnstone and Tibshirani (2004), unscaled, as
scikit-learn carries it. Version 1 is a ridge regression on standardized columns and answers a value.
Version 2 is three linear quantile regressions and answers the 5 %, 50 % and 95 % quantiles: where it
is less sure, they lie further apart.
"""

import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import package
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType
from sklearn.datasets import load_diabetes
from sklearn.linear_model import QuantileRegressor, RidgeCV
from sklearn.metrics import mean_absolute_error, mean_pinball_loss, r2_score, root_mean_squared_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

HERE = Path(__file__).resolve().parent
LEVELS = [0.05, 0.5, 0.95]
DATA = (
    "Data: B. Efron, T. Hastie, I. Johnstone, R. Tibshirani, Least Angle Regression, Annals of "
    "Statistics 32 (2004), as in scikit-learn (BSD-3-Clause); published without a licence of its own. "
)

# name here: (name in the data set, type, description, unit)
FEATURES = {
    "age": ("age", "integer", "Age", "year"),
    "sex": ("sex", "integer", "Sex, as the data set codes it: 1 or 2", None),
    "bmi": ("bmi", "number", "Body mass index", "kg/m²"),
    "blood_pressure": ("bp", "number", "Average blood pressure", "mmHg"),
    "total_cholesterol": ("s1", "number", "Total serum cholesterol", None),
    "ldl": ("s2", "number", "Low-density lipoproteins", None),
    "hdl": ("s3", "number", "High-density lipoproteins", None),
    "cholesterol_ratio": ("s4", "number", "Total cholesterol divided by HDL", None),
    "log_triglycerides": ("s5", "number", "Serum triglycerides level, possibly its logarithm", None),
    "glucose": ("s6", "number", "Blood sugar level", None),
}


# Far beyond what anyone has; without them numbers of 300 digits make the lines overflow.
MAXIMA = {
    "age": 130,
    "bmi": 200,
    "blood_pressure": 500,
    "total_cholesterol": 5000,
    "ldl": 5000,
    "hdl": 1000,
    "cholesterol_ratio": 500,
    "log_triglycerides": 100,
    "glucose": 5000,
}


def load():
    """All rows, as instances of the contract, and the progression of each."""
    data = load_diabetes(scaled=False)
    rows = [
        {
            name: int(values[i]) if kind == "integer" else float(values[i])
            for i, (name, (_, kind, _, _)) in enumerate(FEATURES.items())
        }
        for values in data.data
    ]
    assert list(data.feature_names) == [source for source, *_ in FEATURES.values()]
    return rows, [float(t) for t in data.target]


def matrix(rows):
    return np.array([list(r.values()) for r in rows], dtype=np.float64)


def contract(train, output):
    properties = {}
    for name, (_, kind, description, unit) in FEATURES.items():
        rules = {"type": kind, "exclusiveMinimum": 0, "description": description}
        if name in MAXIMA:
            rules["maximum"] = MAXIMA[name]
        if name == "sex":
            rules = {"type": kind, "enum": [1, 2], "description": description}
        if unit:
            rules["x-unit"] = unit
        if name in ("age", "sex"):
            rules["x-sensitive"] = True
        if name != "sex":
            rules["x-expected"] = package.expected([r[name] for r in train])
        properties[name] = rules
    return {
        "title": "diabetes",
        "description": "Progression of diabetes one year after the measurements. A demonstration on a "
        "public data set, not a medical device.",
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
        "examples": [train[0]],
        "x-inputs": [{"tensor": "measurements", "features": list(properties)}],
        "x-output": {"task": "regression", **output, "unit": "disease progression score"},
    }


def edges(train, rules):
    """Golden cases beyond plain rows: the ends of what was seen, and of what is allowed."""
    low = {n: r["x-expected"]["minimum"] if "x-expected" in r else 1 for n, r in rules["properties"].items()}
    high = {n: r["x-expected"]["maximum"] if "x-expected" in r else 2 for n, r in rules["properties"].items()}
    return [
        train[0],
        low,
        high,
        {**train[0], "sex": 3 - train[0]["sex"]},
        {**train[0], "age": 1},
        {**train[0], "age": 130},
        {**train[0], "bmi": 24.123456789012345},  # more digits than a 32-bit float holds
        {**train[0], "glucose": 1e-9},
    ]


def ridge_version(train, y_train, test, y_test):
    """Version 1: one value."""
    ridge = make_pipeline(StandardScaler(), RidgeCV(alphas=np.logspace(-2, 3, 26)))
    ridge.fit(matrix(train), y_train)
    model = to_onnx(
        ridge,
        initial_types=[("measurements", DoubleTensorType([None, len(FEATURES)]))],
        target_opset=package.OPSET,
    )
    rules = contract(train, {"value": {"tensor": "variable", "column": 0}})
    model = package.tidy(model, "diabetes", rules["description"])
    value = ridge.predict(matrix(test))
    package.check(model, rules, test, value)
    package.write_version(
        HERE / "1",
        model,
        rules,
        edges(train, rules) + test[:18],
        {
            "created": "2026-03-01T09:50:00Z",
            "training_data": package.training_data("diabetes-efron-2004-train60", train, y_train),
            "metrics": package.rounded(
                rmse=root_mean_squared_error(y_test, value),
                mae=mean_absolute_error(y_test, value),
                r2=r2_score(y_test, value),
            ),
            "license": "MIT OR Apache-2.0",
            "notes": f"{DATA}Ridge regression on standardized columns, by skl2onnx, in 64-bit floats. "
            f"Metrics are from {len(test)} rows that were not used in training.",
        },
    )


def quantile_graph(lines, doc):
    """The lines in one matrix, and their answers in rising order: lines may cross, quantiles may not."""
    scaler = lines[0][0]
    weights = np.stack([line[-1].coef_ / scaler.scale_ for line in lines], axis=1)
    bias = np.array([line[-1].intercept_ for line in lines]) - scaler.mean_ @ weights
    made = helper.make_graph(
        [
            helper.make_node("MatMul", ["measurements", "weights"], ["weighed"]),
            helper.make_node("Add", ["weighed", "bias"], ["lines"]),
            helper.make_node("TopK", ["lines", "count"], ["quantiles", "order"], axis=1, largest=0, sorted=1),
        ],
        "diabetes",
        [helper.make_tensor_value_info("measurements", TensorProto.DOUBLE, ["N", len(FEATURES)])],
        [helper.make_tensor_value_info("quantiles", TensorProto.DOUBLE, ["N", len(LEVELS)])],
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(bias, "bias"),
            numpy_helper.from_array(np.array([len(LEVELS)], np.int64), "count"),
        ],
    )
    opsets = [helper.make_opsetid("", package.OPSET[""])]
    return package.tidy(helper.make_model(made, opset_imports=opsets), "diabetes", doc)


def quantile_version(train, y_train, test, y_test):
    """Version 2: three quantiles."""
    lines = [
        make_pipeline(StandardScaler(), QuantileRegressor(quantile=level, alpha=0.01)).fit(matrix(train), y_train)
        for level in LEVELS
    ]
    rules = contract(train, {"quantiles": {"tensor": "quantiles", "levels": LEVELS}})
    model = quantile_graph(lines, rules["description"])
    found = np.sort(np.stack([line.predict(matrix(test)) for line in lines], axis=1), axis=1)
    package.check(model, rules, test, found[:, 1])
    run = package.session(model)
    all_three = run.run(["quantiles"], package.tensors(run, rules, test))[0]
    assert np.max(np.abs(all_three - found)) < 1e-9, "ONNX and Python differ"
    covered = np.mean([low <= truth <= high for truth, (low, _, high) in zip(y_test, found, strict=True)])
    package.write_version(
        HERE / "2",
        model,
        rules,
        edges(train, rules) + test[:18],
        {
            "created": "2026-03-02T09:50:00Z",
            "training_data": package.training_data("diabetes-efron-2004-train60", train, y_train),
            "metrics": package.rounded(
                pinball_loss_05=mean_pinball_loss(y_test, found[:, 0], alpha=0.05),
                pinball_loss_95=mean_pinball_loss(y_test, found[:, 2], alpha=0.95),
                mae=mean_absolute_error(y_test, found[:, 1]),
                coverage_of_the_quantiles=covered,
            ),
            "license": "MIT OR Apache-2.0",
            "notes": f"{DATA}Linear quantile regressions on standardized columns, for the 5 %, 50 % and 95 % quantiles, "
            f"written out as a graph in 64-bit floats. Metrics are from {len(test)} rows that were not used in training.",
        },
    )


def main():
    rows, target = load()
    part = package.split(len(rows))
    train, test = package.take(rows, part["train"]), package.take(rows, part["test"])
    y_train, y_test = package.take(target, part["train"]), package.take(target, part["test"])
    ridge_version(train, y_train, test, y_test)
    quantile_version(train, y_train, test, y_test)


if __name__ == "__main__":
    main()
