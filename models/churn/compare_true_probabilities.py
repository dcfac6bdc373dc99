"""How far churn's served probabilities are from the true ones, before and after calibration.

    python models/churn/compare_true_probabilities.py target/debug/candor [FILE.md]

The true probability of every row is known: `true_probability` in train.py drew the labels. The program itself
calibrates copies of the model on the rows kept for that, and serves them; the rows of the test are asked over HTTP. The
model as it is was trained on many rows and needs no calibration; so two distorted ones stand beside it: one that is too
sure (its logits doubled, as an overtrained network has it) and one that is not sure enough (halved).
"""

import importlib.util
import math
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import onnx
import package
import query_server
from onnx import TensorProto, helper, numpy_helper

import numpy as np

VARIANTS = {"as it is": 1.0, "too sure (logits doubled)": 2.0, "not sure enough (logits halved)": 0.5}
METHODS = [None, "auto", "temperature", "venn-abers", "isotonic"]


def distorted(directory, factor):
    """The same graph with its logits multiplied: softmax of the logarithms of the probabilities times the factor."""
    path = directory / "model.onnx"
    model = onnx.load(path)
    graph = model.graph
    for node in graph.node:
        for i, name in enumerate(node.output):
            if name == "probabilities":
                node.output[i] = "own_probabilities"
    graph.initializer.append(numpy_helper.from_array(np.array(factor, np.float32), "factor"))
    graph.node.extend(
        [
            helper.make_node("Log", ["own_probabilities"], ["logarithms"]),
            helper.make_node("Mul", ["logarithms", "factor"], ["multiplied"]),
            helper.make_node("Softmax", ["multiplied"], ["probabilities"], axis=1),
        ]
    )
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    for name in ("version.json", "golden.jsonl"):  # they are of the other graph
        (directory / name).unlink()


def served(candor, models, rows):
    """The probability of leaving that a server over these models answers to each row, and its method."""
    answers = query_server.answers(candor, models, "/predict", rows)
    return np.array([answer["probabilities"]["churn"] for answer in answers]), answers[0]["uncertainty_method"]


def main():
    if len(sys.argv) not in (2, 3):
        raise SystemExit(__doc__)
    candor = sys.argv[1]
    spec = importlib.util.spec_from_file_location("train", HERE / "train.py")
    train = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(train)
    rows, left = train.load()
    part = package.split(len(rows), train.SEED)
    test, labels = package.take(rows, part["test"]), np.array(package.take(left, part["test"]))
    truth = np.array([train.true_probability(row) for row in test])

    lines = [
        "| model | method | served as | mean distance to the true probability | log loss |",
        "|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as place:
        place = Path(place)
        held_out = place / "churn-calibration.jsonl"
        names = [train.CLASSES[left[i]] for i in part["calibration"]]
        held_out.write_text(package.jsonl(package.take(rows, part["calibration"]), names), encoding="utf-8")
        for variant, factor in VARIANTS.items():
            for method in METHODS:
                version = place / "models" / "churn" / "1"
                shutil.rmtree(place / "models", ignore_errors=True)
                shutil.copytree(HERE / "1", version, ignore=shutil.ignore_patterns("calibration.json", "*.svg"))
                if factor != 1.0:
                    distorted(version, factor)
                if method:
                    arguments = ["--data", held_out, "--target", "target", "--method", method]
                    subprocess.run(
                        [candor, "calibrate", version, *arguments], check=True, stdout=subprocess.DEVNULL, env=os.environ
                    )
                p, name = served(candor, place / "models", test)
                loss = -np.mean(np.log(np.where(labels == 1, p, 1 - p).clip(1e-15)))
                lines.append(f"| {variant} | {method or 'none'} | `{name}` | {np.mean(np.abs(p - truth)):.4f} | {loss:.4f} |")
                print(lines[-1], file=sys.stderr)
    perfect = -np.mean([math.log(t if label else 1 - t) for t, label in zip(truth, labels, strict=True)])
    lines.append(f"| the truth itself | | | 0 | {perfect:.4f} |")
    head = f"# churn against its true probabilities\n\nMean over {len(test):,} rows of the test, asked over HTTP; `make churn-truth-report`."
    text = "\n".join([head, "", *lines]) + "\n"
    if len(sys.argv) == 3:
        Path(sys.argv[2]).write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
