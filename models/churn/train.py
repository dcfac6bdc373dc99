"""churn: the default model. SYNTHETIC data, from the true probability written down below.

No free real data set has this shape (text, whole numbers, amounts, a missing value, a default), so
the rows are simulated. In return the truth is known exactly: `true_probability` is what a perfect
model would answer, and later tests compare the served uncertainty with it.
"""

import math
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import package
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

HERE = Path(__file__).resolve().parent
ROWS = 33_334  # 60 % of which are 20,000 rows to train on
SEED = 20260228
CLASSES = ["stay", "churn"]
PLANS = ["basic", "plus", "business"]
PAYMENTS = ["card", "direct_debit", "invoice", "voucher"]
NUMERIC = ["tenure_months", "monthly_charge", "support_calls", "contract_months", "age"]


def true_probability(row):
    """The chance that this subscriber leaves: the law that the data is drawn from."""
    calls = 1.0 if row["support_calls"] is None else row["support_calls"]
    years = row["tenure_months"] / 12
    score = -1.4
    score += -1.2 * math.log1p(years)  # loyalty grows, ever more slowly
    score += 0.035 * (row["monthly_charge"] - 55)  # dear is worse
    score += 0.5 * min(calls, 8)  # trouble drives people away
    score += {1: 1.0, 12: -0.4, 24: -1.2}[row["contract_months"]]
    score += {"basic": 0.2, "plus": 0.0, "business": -0.5}[row["plan"]]
    score += {"card": 0.0, "direct_debit": -0.2, "invoice": 0.3, "voucher": 1.0}[row["payment_method"]]
    score += -0.6 if row["autopay"] else 0.0
    if row["age"] is not None:
        score += -0.02 * (row["age"] - 40)
    if calls >= 3 and years < 1:  # the interaction: a bad start is not forgiven
        score += 1.3
    return 1 / (1 + math.exp(-score))


def load():
    """All rows, as instances of the contract, and for each whether the subscriber left (0 or 1)."""
    rng = np.random.default_rng(SEED)
    plan = rng.choice(3, ROWS, p=[0.5, 0.35, 0.15])
    tenure = np.minimum(rng.exponential(30, ROWS), 240).astype(int)
    base = np.array([34.0, 55.0, 82.0])[plan]
    charge = np.clip(base + rng.normal(0, 12, ROWS), 9.9, 129.0).round(2)
    calls = rng.poisson(1.3, ROWS)
    calls_known = rng.random(ROWS) >= 0.12
    contract = rng.choice([1, 12, 24], ROWS, p=[0.45, 0.35, 0.2])
    age = np.clip(rng.normal(44, 15, ROWS), 18, 95).astype(int)
    age_known = rng.random(ROWS) >= 0.2
    payment = rng.choice(4, ROWS, p=[0.45, 0.3, 0.15, 0.1])
    autopay = rng.random(ROWS) < np.array([0.6, 0.8, 0.2, 0.0])[payment]
    chance = rng.random(ROWS)
    rows = [
        {
            "tenure_months": int(tenure[i]),
            "monthly_charge": float(charge[i]),
            "support_calls": int(calls[i]) if calls_known[i] else None,
            "contract_months": int(contract[i]),
            "age": int(age[i]) if age_known[i] else None,
            "plan": PLANS[plan[i]],
            "payment_method": PAYMENTS[payment[i]],
            "autopay": bool(autopay[i]),
        }
        for i in range(ROWS)
    ]
    return rows, [int(c < true_probability(row)) for c, row in zip(chance, rows)]


def matrix(rows):
    """The columns that the trees see: the numbers, then each text as its place in its list."""
    return np.array(
        [
            [math.nan if r[f] is None else r[f] for f in NUMERIC]
            + [PLANS.index(r["plan"]), PAYMENTS.index(r["payment_method"]), r["autopay"]]
            for r in rows
        ],
        dtype=np.float32,
    )


def graph(trees):
    """The trees, with the mapping of text and booleans in front: the graph takes strings itself."""
    model = to_onnx(
        trees,
        initial_types=[("columns", FloatTensorType([None, len(NUMERIC) + 3]))],
        options={id(trees): {"zipmap": False}},
        target_opset=package.OPSET,
    )

    def encode(tensor, words):
        return helper.make_node(
            "LabelEncoder",
            [tensor],
            [tensor + "_code"],
            domain="ai.onnx.ml",
            keys_strings=words,
            values_floats=[float(i) for i in range(len(words))],
            default_float=math.nan,
        )

    columns = ["numeric", "plan_code", "payment_method_code", "autopay_code"]
    front = [
        encode("plan", PLANS),
        encode("payment_method", PAYMENTS),
        helper.make_node("Cast", ["autopay"], ["autopay_code"], to=TensorProto.FLOAT),
        helper.make_node("Concat", columns, ["columns"], axis=1),
    ]
    # The trees were fitted on 0 and 1; in the graph the label is the class's name.
    ensemble = next(n for n in model.graph.node if n.op_type == "TreeEnsembleClassifier")
    assert {n.op_type for n in model.graph.node} <= {"TreeEnsembleClassifier", "Cast"}
    attributes = [a for a in ensemble.attribute if a.name != "classlabels_int64s"]
    attributes.append(helper.make_attribute("classlabels_strings", CLASSES))
    del ensemble.attribute[:]
    ensemble.attribute.extend(sorted(attributes, key=lambda a: a.name))
    ensemble.output[:] = ["label", "probabilities"]

    tensor = helper.make_tensor_value_info
    made = helper.make_graph(
        [*front, ensemble],
        "churn",
        [
            tensor("numeric", TensorProto.FLOAT, ["N", len(NUMERIC)]),
            tensor("plan", TensorProto.STRING, ["N", 1]),
            tensor("payment_method", TensorProto.STRING, ["N", 1]),
            tensor("autopay", TensorProto.BOOL, ["N", 1]),
        ],
        [
            tensor("label", TensorProto.STRING, ["N"]),
            tensor("probabilities", TensorProto.FLOAT, ["N", 2]),
        ],
    )
    opsets = [helper.make_opsetid(domain, version) for domain, version in package.OPSET.items()]
    return package.tidy(
        helper.make_model(made, opset_imports=opsets),
        "churn",
        "Chance that a subscriber leaves within 30 days. Trained on synthetic data.",
    )


def contract(train):
    """The contract; what is expected of the numbers is their range in the training rows."""

    def seen(name):
        return package.expected([r[name] for r in train])

    return {
        "title": "churn",
        "description": "Chance that a subscriber leaves within 30 days. A demonstration model: "
        "the data it was trained on is synthetic, drawn from a known probability function.",
        "type": "object",
        "properties": {
            "tenure_months": {
                "type": "integer",
                "minimum": 0,
                "maximum": 720,
                "description": "Whole months since sign-up",
                "x-unit": "month",
                "x-expected": seen("tenure_months"),
            },
            "monthly_charge": {
                "type": "number",
                "minimum": 0,
                "description": "What the subscriber pays a month",
                "x-unit": "EUR",
                "x-expected": seen("monthly_charge"),
            },
            "support_calls": {
                "type": ["integer", "null"],
                "minimum": 0,
                "maximum": 1000,
                "description": "Calls to support in the last 90 days; null where nobody counted",
                "x-missing": "nan",
                "x-expected": seen("support_calls"),
            },
            "contract_months": {
                "type": "integer",
                "enum": [1, 12, 24],
                "default": 1,
                "description": "Length of the contract; 1 can be ended at any month",
                "x-unit": "month",
            },
            "age": {
                "type": ["number", "null"],
                "minimum": 0,
                "maximum": 130,
                "description": "Age of the subscriber; null where unknown",
                "x-unit": "year",
                "x-missing": "nan",
                "x-sensitive": True,
                "x-expected": seen("age"),
            },
            "plan": {"type": "string", "enum": PLANS, "description": "The plan they are on"},
            "payment_method": {
                "type": "string",
                "enum": PAYMENTS,
                "default": "card",
                "description": "How the charge is paid",
            },
            "autopay": {
                "type": "boolean",
                "default": False,
                "description": "Whether the charge is paid without their doing",
            },
        },
        "required": ["tenure_months", "monthly_charge", "plan"],
        "additionalProperties": False,
        "examples": [
            {
                "tenure_months": 4,
                "monthly_charge": 79.5,
                "support_calls": 3,
                "contract_months": 1,
                "age": 37,
                "plan": "basic",
                "payment_method": "invoice",
                "autopay": False,
            }
        ],
        "x-inputs": [
            {"tensor": "numeric", "features": NUMERIC},
            {"tensor": "plan", "features": ["plan"]},
            {"tensor": "payment_method", "features": ["payment_method"]},
            {"tensor": "autopay", "features": ["autopay"]},
        ],
        "x-output": {
            "task": "classification",
            "classes": CLASSES,
            "probabilities": {"tensor": "probabilities"},
            "label": {"tensor": "label"},
        },
    }


def edges(rows):
    """Golden cases beyond plain rows: left out, null, and the ends of every range."""
    least = {"tenure_months": 4, "monthly_charge": 79.5, "plan": "basic"}
    return [
        least,
        {**least, "support_calls": None, "age": None},
        {**least, "support_calls": 3},
        {**least, "support_calls": 3, "age": 37.5},
        {**least, "autopay": True, "payment_method": "direct_debit"},
        {"tenure_months": 0, "monthly_charge": 0, "plan": "plus", "support_calls": 0, "age": 0},
        {"tenure_months": 720, "monthly_charge": 1e6, "plan": "business", "support_calls": 1000, "age": 130},
        {"tenure_months": 12, "monthly_charge": 54.99, "plan": "plus", "contract_months": 24, "autopay": True},
        *({**rows[0], "plan": p} for p in PLANS),
        *({**rows[1], "payment_method": p} for p in PAYMENTS),
        *({**rows[2], "contract_months": m} for m in (1, 12, 24)),
    ]


def main():
    """Version 1, and the same rows trained again: more, smaller steps, each split from 5 of the 8 columns at random."""
    write("1", "2026-03-01T09:30:00Z", max_iter=120, learning_rate=0.06, random_state=SEED)
    write("2", "2026-05-04T08:15:00Z", max_iter=150, learning_rate=0.05, max_features=0.6, random_state=SEED + 1)


def write(version, created, **parameters):
    """Trains a version and writes its directory."""
    rows, left = load()
    part = package.split(len(rows), SEED)
    train, test = package.take(rows, part["train"]), package.take(rows, part["test"])
    y_train, y_test = package.take(left, part["train"]), package.take(left, part["test"])

    trees = HistGradientBoostingClassifier(
        max_leaf_nodes=12, min_samples_leaf=60, l2_regularization=1.0, early_stopping=False, **parameters
    ).fit(matrix(train), y_train)
    model, rules = graph(trees), contract(train)
    p = trees.predict_proba(matrix(test))
    package.check(model, rules, test, p, limit=1e-5)

    truth = np.array([true_probability(r) for r in test])
    package.write_version(
        HERE / version,
        model,
        rules,
        edges(test) + test[3:15],
        {
            "created": created,
            "training_data": package.training_data("churn-2026-02-28", train, y_train),
            "metrics": package.rounded(
                log_loss=log_loss(y_test, p),
                auc=roc_auc_score(y_test, p[:, 1]),
                brier=brier_score_loss(y_test, p[:, 1]),
                log_loss_of_the_truth=log_loss(y_test, truth),
                mean_distance_to_the_truth=np.mean(np.abs(p[:, 1] - truth)),
            ),
            "license": "MIT OR Apache-2.0",
            "notes": "SYNTHETIC: trained on simulated subscribers, drawn from true_probability in "
            "models/churn/train.py; for demonstration and tests, not for decisions about people. "
            f"HistGradientBoostingClassifier (scikit-learn), {trees.n_iter_} trees of at most 12 leaves, by skl2onnx. "
            "Metrics are from 6,667 rows that were not used in training.",
        },
    )


if __name__ == "__main__":
    main()
