"""What a case of the survey is: a model of somebody else's, real inputs for it, and where it comes from."""

import os
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Everything that the survey downloads, trains and writes, but for its report.
WORK = Path(os.environ.get("SURVEY_WORK") or ROOT / "target" / "survey").resolve()


@dataclass
class Case:
    """A model file and the inputs that it is asked with."""

    source: str
    name: str
    path: Path
    # One dictionary an input: the array of each tensor, with a batch axis of 1 where the graph has one.
    feeds: list
    # Whether the model gives the probabilities of classes, so that an answer without them is incomplete.
    classifier: bool = False
    # The `x-output` of the contract that the survey writes where the bare file is not served right.
    output: dict | None = None


@dataclass
class Source:
    """Where models come from, for the report."""

    name: str
    package: str
    version: str
    licence: str
    cases: list = field(default_factory=list)
    # What could not be made a case, and why: a converter that fails, an operator that ONNX Runtime has not.
    left_out: list = field(default_factory=list)


def folder(source):
    """The folder for the models of a source."""
    path = WORK / "models" / source
    path.mkdir(parents=True, exist_ok=True)
    return path
