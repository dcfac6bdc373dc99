"""A survey case: a third-party model and real inputs for it, and the source that it comes from."""

import os
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Everything that the survey downloads, trains and writes, except its report.
WORK = Path(os.environ.get("SURVEY_WORK") or ROOT / "target" / "survey").resolve()


@dataclass
class Case:
    """A model file and the inputs to send."""

    source: str
    name: str
    path: Path
    # One dictionary per request: tensor name to array, with a batch axis of 1 where the graph has one.
    feeds: list
    # The model outputs class probabilities, so an answer without them is incomplete.
    classifier: bool = False
    # The `x-output` of the contract that the survey writes if the bare file is not served correctly.
    output: dict | None = None


@dataclass
class Source:
    """A source of models, for the report."""

    name: str
    package: str
    version: str
    licence: str
    cases: list = field(default_factory=list)
    # (name, reason) of what could not become a case: the converter fails, or ONNX Runtime lacks the operator.
    left_out: list = field(default_factory=list)


def folder(source):
    """The folder for the models of a source."""
    path = WORK / "models" / source
    path.mkdir(parents=True, exist_ok=True)
    return path
