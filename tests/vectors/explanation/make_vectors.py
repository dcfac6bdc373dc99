"""Writes vectors.json: what the `shap` package says of bundled models, for tests/it/explain/vectors.rs.

A model is made a game of its features: a row of zeros and ones says which of them have the instance's value, all others
having the baseline's. shap then explains the row of ones against a background of the row of zeros, so that texts, missing
values and numbers are explained alike. Run with what requirements.txt pins; the same versions write the same file.

    python tests/vectors/explanation/make_vectors.py
"""

import json
import math
from pathlib import Path

import numpy as np
import onnxruntime as ort
import shap

HERE = Path(__file__).resolve().parent
MODELS = HERE.parents[2] / "models"
DTYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(string)": object, "tensor(bool)": np.bool_}
BATCH = 512
# Repeats of shap's sampling, each with so many permutations and their reverses: their spread gives the standard error.
REPEATS, PERMUTATIONS = 32, 80


class Model:
    """A bundled version, run by ONNX Runtime's own Python interface."""

    def __init__(self, directory):
        self.session = ort.InferenceSession(str(MODELS / directory / "model.onnx"))
        self.contract = json.loads((MODELS / directory / "contract.json").read_text())
        self.features = [name for entry in self.contract["x-inputs"] for name in entry["features"]]
        lines = (MODELS / directory / "golden.jsonl").read_text().splitlines()
        self.golden = [json.loads(line)["features"] for line in lines]
        self.dtypes = {given.name: DTYPES[given.type] for given in self.session.get_inputs()}

    def value(self, instance, name):
        """A feature as the contract feeds it: its default where it is left out, NaN where it is null."""
        value = instance.get(name, self.contract["properties"][name].get("default"))
        return math.nan if value is None else value

    def outputs(self, instances):
        feeds = {
            entry["tensor"]: np.array(
                [[self.value(instance, name) for name in entry["features"]] for instance in instances],
                dtype=self.dtypes[entry["tensor"]],
            )
            for entry in self.contract["x-inputs"]
        }
        output = self.contract["x-output"]
        name = output.get("probabilities", output.get("value"))["tensor"]
        return np.asarray(self.session.run([name], feeds)[0], dtype=np.float64)

    def usual(self):
        """The upper median of each feature over the golden rows: a value that occurs, as a profile's median does."""
        middle = {}
        for name in self.features:
            values = sorted(row[name] for row in self.golden if row.get(name) is not None)
            middle[name] = values[len(values) // 2]
        return middle


def game(model, instance, baseline, column):
    def worth(rows):
        found = []
        for start in range(0, len(rows), BATCH):
            part = rows[start : start + BATCH]
            mixed = [
                {
                    name: model.value(instance if taken else baseline, name)
                    for name, taken in zip(model.features, row, strict=True)
                }
                for row in part > 0.5
            ]
            found.append(model.outputs(mixed)[:, column])
        return np.concatenate(found)

    return worth


def exact(worth, count):
    explainer = shap.explainers.Exact(worth, shap.maskers.Independent(np.zeros((1, count))))
    found = explainer(np.ones((1, count)), max_evals=2**count)
    return found.values[0], np.zeros(count)


def sampled(worth, count):
    masker = shap.maskers.Independent(np.zeros((1, count)))
    runs = []
    for seed in range(REPEATS):
        explainer = shap.explainers.Permutation(worth, masker, seed=seed)
        found = explainer(np.ones((1, count)), max_evals=PERMUTATIONS * (2 * count + 1))
        runs.append(found.values[0])
    runs = np.array(runs)
    return runs.mean(axis=0), runs.std(axis=0, ddof=1) / math.sqrt(REPEATS)


def case(directory, instance, baseline, method, tolerance):
    model = Model(directory)
    answer = model.outputs([instance])[0]
    column = int(answer.argmax())
    worth = game(model, instance, baseline, column)
    count = len(model.features)
    contributions, errors = method(worth, count)
    base = worth(np.zeros((1, count)))[0]
    assert abs(base + contributions.sum() - answer[column]) < 1e-6 * max(1.0, abs(answer[column])), directory
    return {
        "model": directory,
        "reference": f"shap.explainers.{'Exact' if method is exact else 'Permutation'}",
        "features": instance,
        "baseline": baseline,
        "base_value": float(base),
        "tolerance": tolerance,
        "contributions": dict(zip(model.features, map(float, contributions), strict=True)),
        "standard_errors": dict(zip(model.features, map(float, errors), strict=True)),
    }


def main():
    diabetes, wine, cancer = Model("diabetes/1"), Model("wine/2"), Model("breast-cancer/1")
    subscriber = {
        "tenure_months": 26,
        "monthly_charge": 62.5,
        "support_calls": 1,
        "contract_months": 12,
        "age": None,
        "plan": "plus",
        "payment_method": "card",
        "autopay": True,
    }
    leaving = {"tenure_months": 4, "monthly_charge": 79.5, "plan": "basic", "support_calls": 3, "age": 31}
    staying = {"tenure_months": 90, "monthly_charge": 20.0, "plan": "plus", "support_calls": None, "autopay": True}
    cases = [
        # Doubles, and graphs whose rows do not depend on each other; singles differ by their last bit between batches.
        *(case("diabetes/1", row, diabetes.usual(), exact, 1e-9) for row in diabetes.golden[:3]),
        case("churn/1", leaving, subscriber, exact, 1e-6),
        case("churn/1", staying, subscriber, exact, 1e-6),
        *(case("wine/2", row, wine.usual(), exact, 1e-6) for row in wine.golden[:2]),
        *(case("breast-cancer/1", row, cancer.usual(), sampled, 1e-6) for row in cancer.golden[:2]),
    ]
    made = {"made_by": f"make_vectors.py with shap {shap.__version__}, ONNX Runtime {ort.__version__}", "cases": cases}
    (HERE / "vectors.json").write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
