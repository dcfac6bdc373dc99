"""Writes the tables and vectors that `candor compare` is tested with, by an independent computation: ONNX Runtime's
Python API answers, and numpy calibrates and compares. Run with what models/requirements.txt pins.

    python tests/vectors/comparison/make_vectors.py

wine.csv and diabetes.csv are the test rows of these models; those of churn are tests/fixtures/churn/held-out.csv.
"""

import csv
import importlib.util
import json
import sys
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(ROOT / "models"))

import numpy as np
import onnxruntime as ort
import package

LEVEL = 0.9


def table(model):
    """Writes the model's test rows as CSV."""
    spec = importlib.util.spec_from_file_location("train", ROOT / "models" / model / "train.py")
    train = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(train)
    rows, target = train.load()
    names = read(model, 1, "contract.json")["x-output"].get("classes")
    with open(HERE / f"{model}.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*rows[0], "target"])
        for i in package.split(len(rows))["test"]:
            writer.writerow([*rows[i].values(), names[target[i]] if names and isinstance(target[i], int) else target[i]])


def read(model, version, name):
    return json.loads((ROOT / "models" / model / str(version) / name).read_text(encoding="utf-8"))


def rows_of(path):
    with open(path, encoding="utf-8") as file:
        return list(csv.DictReader(file))


def feeds(model, version, rows):
    """The graph's inputs: numbers, NaN for missing, texts and booleans."""
    contract = read(model, version, "contract.json")
    run = ort.InferenceSession(str(ROOT / "models" / model / str(version) / "model.onnx"), providers=["CPUExecutionProvider"])
    types = {i.name: i.type for i in run.get_inputs()}

    def value(kind, text):
        if kind == "tensor(string)":
            return text
        if kind == "tensor(bool)":
            return text == "true"
        return float(text) if text else np.nan

    kinds = {"tensor(string)": object, "tensor(bool)": bool, "tensor(float)": np.float32, "tensor(double)": np.float64}
    inputs = {}
    for entry in contract["x-inputs"]:
        kind = types[entry["tensor"]]
        inputs[entry["tensor"]] = np.array(
            [[value(kind, row[name]) for name in entry["features"]] for row in rows], kinds[kind]
        )
    return run, contract, inputs


def quantile(quantiles):
    return next(level["quantile"] for level in quantiles["levels"] if level["coverage"] == LEVEL)


def classified(model, version, rows):
    """Probabilities after the calibration, and which classes are in the prediction set (None without sets)."""
    run, contract, inputs = feeds(model, version, rows)
    output = contract["x-output"]
    raw = run.run([output["probabilities"]["tensor"]], inputs)[0]
    if isinstance(raw, list):
        raw = np.array([[row[name] for name in output["classes"]] for row in raw], np.float32)
    rule = read(model, version, "calibration.json")["rule"]
    assert rule["confidence"] is None
    p, method = raw.astype(np.float64), rule["probabilities"]["method"]
    if method == "temperature":
        z = np.log(np.maximum(p, rule["probabilities"]["floor"])) / rule["probabilities"]["temperature"]
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
    else:
        assert method == "uncalibrated", method
    sets = None if rule["sets"] is None else 1 - p <= quantile(rule["sets"]["quantiles"])
    return p, sets, output["classes"]


def regressed(model, version, rows):
    """Values, and the ends of the intervals."""
    run, contract, inputs = feeds(model, version, rows)
    output, rule = contract["x-output"], read(model, version, "calibration.json")["rule"]
    if "quantiles" in output:
        values = run.run([output["quantiles"]["tensor"]], inputs)[0].astype(np.float64)
        levels, q = output["quantiles"]["levels"], quantile(rule["quantiles"])
        return values[:, levels.index(0.5)], values[:, 0] - q, values[:, -1] + q
    value = run.run([output["value"]["tensor"]], inputs)[0][:, output["value"].get("column", 0)].astype(np.float64)
    groups = {str(group["value"]): quantile(group["quantiles"]) for group in rule["groups"]["groups"]}
    q = np.array([groups[row[rule["groups"]["feature"]]] for row in rows])
    return value, value - q, value + q


def distribution(values):
    at = lambda share: float(np.quantile(values, share, method="inverted_cdf"))
    return {"mean": float(np.mean(values)), "median": at(0.5), "p90": at(0.9), "p99": at(0.99), "maximum": float(np.max(values))}


def means(old, new):
    return {"old": None if old is None else float(np.mean(old)), "new": None if new is None else float(np.mean(new))}


def classification(model, rows, target, chosen=None):
    chosen = np.ones(len(rows), bool) if chosen is None else chosen
    rows = [row for row, kept in zip(rows, chosen) if kept]
    (p, p_sets, classes), (q, q_sets, _) = (classified(model, version, rows) for version in (1, 2))
    truth = np.array([classes.index(row[target]) for row in rows])
    each = np.arange(len(rows))
    a, b = p.argmax(axis=1), q.argmax(axis=1)
    right = lambda sets: None if sets is None else sets[each, truth]
    size = lambda sets: None if sets is None else sets.sum(axis=1)
    loss = lambda values: -np.log(np.clip(values[each, truth], np.finfo(np.float32).eps, 1))
    return {
        "rows": len(rows),
        "disagreements": int((a != b).sum()),
        "classes": {name: distribution(np.abs(p - q)[:, i]) for i, name in enumerate(classes)},
        "uncertainty": means(1 - p.max(axis=1), 1 - q.max(axis=1)),
        "set_size": means(size(p_sets), size(q_sets)),
        "accuracy": means(a == truth, b == truth),
        "right_only_old": int(((a == truth) & (b != truth)).sum()),
        "right_only_new": int(((a != truth) & (b == truth)).sum()),
        "log_loss": means(loss(p), loss(q)),
        "coverage": means(right(p_sets), right(q_sets)),
    }


def regression(model, rows, target):
    (a, a_low, a_high), (b, b_low, b_high) = (regressed(model, version, rows) for version in (1, 2))
    truth = np.array([float(row[target]) for row in rows])
    difference, half = np.abs(a - b), (a_high - a_low) / 2
    return {
        "rows": len(rows),
        "disagreements": int((difference > half).sum()),
        "difference": distribution(difference),
        "relative_difference": distribution(difference / half),
        "uncertainty": means(half, (b_high - b_low) / 2),
        "interval_width": means(a_high - a_low, b_high - b_low),
        "mean_absolute_error": means(np.abs(a - truth), np.abs(b - truth)),
        "root_mean_square_error": {
            "old": float(np.sqrt(np.mean((a - truth) ** 2))), "new": float(np.sqrt(np.mean((b - truth) ** 2)))
        },
        "coverage": means((a_low <= truth) & (truth <= a_high), (b_low <= truth) & (truth <= b_high)),
    }  # fmt: skip


def main():
    for model in ("wine", "diabetes"):
        table(model)
    churn = rows_of(ROOT / "tests" / "fixtures" / "churn" / "held-out.csv")
    wine, diabetes = rows_of(HERE / "wine.csv"), rows_of(HERE / "diabetes.csv")
    plans = ["basic", "business", "plus"]
    vectors = {
        "churn": classification("churn", churn, "churned"),
        "churn by plan": {
            plan: classification("churn", churn, "churned", np.array([row["plan"] == plan for row in churn]))
            for plan in plans
        },
        "wine": classification("wine", wine, "target"),
        "diabetes": regression("diabetes", diabetes, "target"),
    }
    (HERE / "vectors.json").write_text(json.dumps(vectors, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
