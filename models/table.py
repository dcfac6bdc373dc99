"""Writes the rows of a bundled model as a table: JSON lines of features and target.

    python models/table.py churn train churn.jsonl

The part is `train`, `calibration` or `test`, as every train.py splits its rows: `candor profile` takes the first,
`candor calibrate` the second. The target is the name of the class, or the number that a regression predicts.
"""

import importlib.util
import json
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import package

MODELS = Path(__file__).resolve().parent


def main():
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    model, part, out = sys.argv[1:]
    spec = importlib.util.spec_from_file_location("train", MODELS / model / "train.py")
    train = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(train)
    rows, target = train.load()
    contract = json.loads((MODELS / model / "1" / "contract.json").read_text(encoding="utf-8"))
    classes = contract["x-output"].get("classes")
    if classes:
        target = [classes[t] if isinstance(t, int) else t for t in target]
    parts = package.split(len(rows))
    if part not in parts:
        raise SystemExit(f"the part is one of {', '.join(parts)}, found {part}")
    text = package.jsonl(package.take(rows, parts[part]), package.take(target, parts[part]))
    Path(out).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
