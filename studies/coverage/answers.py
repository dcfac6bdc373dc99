"""What churn's answers are worth, on rows that nothing was made from: asked over HTTP, held against what became of them.

    python3 studies/coverage/answers.py target/release/candor target/tables/churn-test.jsonl FILE.md

The rows are the test part; the model was trained on the train part, and its calibration made from the third part.
"""

import json
import sys
from pathlib import Path

sys.dont_write_bytecode = True
MODELS = Path(__file__).resolve().parents[2] / "models"
sys.path.insert(0, str(MODELS))

import query_server

EDGES = [0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.51]

# Rows of some kinds only, as they would come if the world changed.
KINDS = {
    "all rows": lambda row: True,
    "only monthly contracts": lambda row: row["contract_months"] == 1,
    "only customers of less than 6 months": lambda row: row["tenure_months"] < 6,
    "only those who called three times or more": lambda row: (row["support_calls"] or 0) >= 3,
    "only the plan basic": lambda row: row["plan"] == "basic",
    "only the plan plus": lambda row: row["plan"] == "plus",
    "only the plan business": lambda row: row["plan"] == "business",
}


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def table(head, lines):
    rule = "|".join("---" for _ in head)
    return "\n".join([f"| {' | '.join(head)} |", f"|{rule}|", *(f"| {' | '.join(line)} |" for line in lines)]) + "\n"


def main():
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    candor, path, out = sys.argv[1:]
    rows = [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
    answers = query_server.answers(candor, MODELS, "/models/churn/predict", [row["features"] for row in rows])
    pairs = list(zip(rows, answers, strict=True))
    wrong = lambda some: mean(answer["prediction"] != row["target"] for row, answer in some)
    held = lambda some: mean(row["target"] in answer["prediction_set"] for row, answer in some)
    said = lambda some: mean(answer["uncertainty"] for _, answer in some)

    bins = []
    for low, high in zip(EDGES, EDGES[1:]):
        some = [pair for pair in pairs if low <= pair[1]["uncertainty"] < high]
        bins.append([f"{low:g} to {min(high, 0.5):g}", f"{len(some):,}", f"{said(some):.3f}", f"{wrong(some):.3f}"])
    sets = []
    for classes in sorted({tuple(answer["prediction_set"]) for answer in answers}):
        some = [pair for pair in pairs if tuple(pair[1]["prediction_set"]) == classes]
        sets.append([", ".join(f"`{name}`" for name in classes) or "empty", f"{len(some):,}", f"{held(some):.3f}"])
    kinds = []
    for name, fits in KINDS.items():
        some = [pair for pair in pairs if fits(pair[0]["features"])]
        warned = sum(bool(answer["warnings"]) for _, answer in some)
        figures = [f"{held(some):.3f}", f"{said(some):.3f}", f"{wrong(some):.3f}", f"{warned:,}"]
        kinds.append([name, f"{len(some):,}", *figures])
    parts = [
        "# What churn's answers are worth\n",
        f"Written by `make coverage`: the {len(rows):,} rows of the test, asked over HTTP at coverage "
        f"{answers[0]['coverage']}, method `{answers[0]['uncertainty_method']}`.\n",
        table(["`uncertainty`", "answers", "it said, on average", "were wrong"], bins),
        table(["`prediction_set`", "answers", "held the truth"], sets),
        table(["rows", "answers", "sets that held the truth", "mean `uncertainty`", "were wrong", "with warnings"], kinds),
    ]
    text = "\n".join(parts)
    Path(out).write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
