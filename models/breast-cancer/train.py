"""breast-cancer: malignant or benign, from 30 measurements of cell nuclei in one tensor.

Data: Breast Cancer Wisconsin (Diagnostic), as scikit-learn carries it; 200 LightGBM trees.
"""

import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import package
from lightgbm import LGBMClassifier
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score

HERE = Path(__file__).resolve().parent
CLASSES = ["malignant", "benign"]  # 0 and 1 in the data set, and so in the graph


def describe(name):
    """The data set's name of a measurement, in words that say how it was summed up."""
    kind, what = ("error", name[: -len(" error")]) if name.endswith(" error") else name.split(" ", 1)
    how = {"mean": "Mean", "error": "Standard error", "worst": "Mean of the three largest values"}[kind]
    return f"{how} of the {what} over the nuclei of the image"


def load():
    """All rows, as instances of the contract, and the class number of each."""
    data = load_breast_cancer()
    names = [n.replace(" ", "_") for n in data.feature_names]
    rows = [dict(zip(names, map(float, values))) for values in data.data]
    return rows, [int(t) for t in data.target]


def matrix(rows):
    return np.array([list(r.values()) for r in rows], dtype=np.float32)


def contract(train):
    names = load_breast_cancer().feature_names
    properties = {
        name.replace(" ", "_"): {
            "type": "number",
            "minimum": 0,
            "description": describe(str(name)),
            "x-expected": package.expected([r[name.replace(" ", "_")] for r in train]),
        }
        for name in names
    }
    return {
        "title": "breast-cancer",
        "description": "Whether a breast mass is malignant or benign, from a digitized image of a fine "
        "needle aspirate. A demonstration on a public data set, not a medical device.",
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
        "examples": [train[0]],
        "x-inputs": [{"tensor": "measurements", "features": list(properties)}],
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

    trees = LGBMClassifier(
        n_estimators=200, learning_rate=0.03, num_leaves=8, min_child_samples=10, reg_lambda=5.0,
        subsample=0.8, subsample_freq=1, colsample_bytree=0.5, random_state=0, n_jobs=1,
        deterministic=True, force_row_wise=True, verbose=-1,
    ).fit(matrix(train), y_train)  # fmt: skip
    model = convert_lightgbm(
        trees,
        initial_types=[("measurements", FloatTensorType([None, len(rows[0])]))],
        zipmap=False,
        target_opset=15,  # the newest that onnxmltools writes
    )
    rules = contract(train)
    model = package.tidy(model, "breast-cancer", rules["description"])
    p = trees.predict_proba(matrix(test))
    package.check(model, rules, test, p)

    low = {n: r["x-expected"]["minimum"] for n, r in rules["properties"].items()}
    high = {n: r["x-expected"]["maximum"] for n, r in rules["properties"].items()}
    half = {n: (low[n] + high[n]) / 2 for n in low}
    edges = [train[0], low, high, half, dict.fromkeys(low, 0), dict.fromkeys(low, 1e30)]
    package.write_version(
        HERE / "1",
        model,
        rules,
        edges + test[:18],
        {
            "created": "2026-03-01T09:40:00Z",
            "training_data": package.training_data("breast-cancer-wisconsin-train60", train, y_train),
            "metrics": package.rounded(
                log_loss=log_loss(y_test, p),
                auc=roc_auc_score(y_test, p[:, 1]),
                accuracy=accuracy_score(y_test, p.argmax(axis=1)),
            ),
            "license": "MIT OR Apache-2.0; data CC BY 4.0",
            "notes": "Data: Breast Cancer Wisconsin (Diagnostic), W. Wolberg, O. Mangasarian, N. Street, "
            "W. Street, UCI Machine Learning Repository, CC BY 4.0, as in scikit-learn. LightGBM, 200 trees "
            f"of at most 8 leaves, by onnxmltools. Metrics are from {len(test)} rows that were not used in training.",
        },
    )


if __name__ == "__main__":
    main()
