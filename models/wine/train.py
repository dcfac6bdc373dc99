"""wine: the cultivar of a wine from 13 chemical measurements, in two versions that differ.

Version 1 is a random forest with the ZipMap that skl2onnx adds unless told otherwise: its
probabilities are a sequence of maps. Version 2 is a logistic regression on standardized columns,
with a plain `[N, 3]` tensor. Data: Wine, as scikit-learn carries it.
"""

import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import package
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

HERE = Path(__file__).resolve().parent
CLASSES = ["class_0", "class_1", "class_2"]

FEATURES = {
    "alcohol": "Alcohol",
    "malic_acid": "Malic acid",
    "ash": "Ash",
    "alcalinity_of_ash": "Alcalinity of ash",
    "magnesium": "Magnesium",
    "total_phenols": "Total phenols",
    "flavanoids": "Flavanoids",
    "nonflavanoid_phenols": "Nonflavanoid phenols",
    "proanthocyanins": "Proanthocyanins",
    "color_intensity": "Colour intensity",
    "hue": "Hue",
    "od280_od315_of_diluted_wines": "OD280/OD315 of diluted wines",
    "proline": "Proline",
}


def load():
    """All rows, as instances of the contract, and the class name of each."""
    data = load_wine()
    assert [n.replace("/", "_") for n in data.feature_names] == list(FEATURES)
    rows = [dict(zip(FEATURES, map(float, values))) for values in data.data]
    return rows, [CLASSES[t] for t in data.target]


def matrix(rows):
    return np.array([list(r.values()) for r in rows], dtype=np.float32)


def contract(train, probabilities, label):
    return {
        "title": "wine",
        "description": "Which of three cultivars of one region in Italy a wine was made from.",
        "type": "object",
        "properties": {
            name: {
                "type": "number",
                "minimum": 0,
                "maximum": 10_000,  # far beyond any wine, and far from where the arithmetic overflows
                "description": description,
                "x-expected": package.expected([r[name] for r in train]),
            }
            for name, description in FEATURES.items()
        },
        "required": list(FEATURES),
        "additionalProperties": False,
        "examples": [train[0]],
        "x-inputs": [{"tensor": "measurements", "features": list(FEATURES)}],
        "x-output": {
            "task": "classification",
            "classes": CLASSES,
            "probabilities": {"tensor": probabilities},
            "label": {"tensor": label},
        },
    }


def main():
    rows, target = load()
    part = package.split(len(rows))
    train, test = package.take(rows, part["train"]), package.take(rows, part["test"])
    y_train, y_test = package.take(target, part["train"]), package.take(target, part["test"])

    forest = RandomForestClassifier(n_estimators=40, max_depth=5, min_samples_leaf=2, random_state=0)
    logistic = make_pipeline(StandardScaler(), LogisticRegression(C=0.3, max_iter=1000))
    versions = [
        ("1", forest, "2026-02-01T10:10:00Z", "Random forest of 40 trees, by skl2onnx with its ZipMap left in", {}),
        ("2", logistic, "2026-03-01T10:10:00Z", "Logistic regression on standardized columns, by skl2onnx", {"zipmap": False}),
    ]  # fmt: skip
    for version, classifier, created, how, options in versions:
        classifier.fit(matrix(train), y_train)
        model = to_onnx(
            classifier,
            initial_types=[("measurements", FloatTensorType([None, len(FEATURES)]))],
            options={id(classifier): options},
            target_opset=package.OPSET,
        )
        label, probabilities = (o.name for o in model.graph.output)
        rules = contract(train, probabilities, label)
        model = package.tidy(model, "wine", rules["description"])
        p = classifier.predict_proba(matrix(test))
        package.check(model, rules, test, p)

        low = {n: r["x-expected"]["minimum"] for n, r in rules["properties"].items()}
        high = {n: r["x-expected"]["maximum"] for n, r in rules["properties"].items()}
        half = {n: (low[n] + high[n]) / 2 for n in low}
        edges = [train[0], low, high, half, dict.fromkeys(low, 0), dict.fromkeys(low, 1)]
        package.write_version(
            HERE / version,
            model,
            rules,
            edges + test[:18],
            {
                "created": created,
                "training_data": package.training_data("wine-train60", train, y_train),
                "metrics": package.rounded(
                    log_loss=log_loss(y_test, p),
                    accuracy=accuracy_score(y_test, classifier.predict(matrix(test))),
                ),
                "license": "MIT OR Apache-2.0; data CC BY 4.0",
                "notes": "Data: Wine, S. Aeberhard, M. Forina, UCI Machine Learning Repository, CC BY 4.0, as in "
                f"scikit-learn. {how}. Metrics are from {len(test)} rows that were not used in training.",
            },
        )


if __name__ == "__main__":
    main()
