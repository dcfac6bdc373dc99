"""Writes docs/models.md: totals, the exceptions with reason and remedy, and the full table."""

import datetime
import os
import re
from importlib.metadata import version

from cases import ROOT, WORK
from outcome import MOST_INPUTS

KINDS = {
    "served": "served as it is",
    "setting": "served with a setting",
    "contract": "served with a contract",
    "refused": "refused",
    "wrong": "WRONG",
    "inexpressible": "cannot be expressed",
    "unrunnable": "ONNX Runtime cannot run it",
}
# The kinds that the percentage counts.
EXPRESSIBLE = ("served", "setting", "contract", "refused", "wrong")
# The remedy for a refusal, by a pattern of its reason.
REMEDIES = [
    (r"is not a name", "give the file a name of at most 64 characters"),
    (
        r"does not fit the tensor|has no place for the input|levels",
        "export the graph with a batch axis, so that an array of open length is one instance",
    ),
    (
        r"another shape than|answered in another shape",
        "export the model again: the graph declares another shape than it gives; or a contract with the task `tensors`",
    ),
    (r"type Tensor<bf16>|bfloat16", "export the inputs and outputs as float32: a `Cast` at either end"),
    (r"deadline", "`deadline_ms` in model.toml"),
    (r"non_finite|NaN|infinit", "bounds in a contract that keep such inputs out: JSON has no NaN"),
    (r"too_large|too large", "raise the limit that the message names"),
]
LONGEST_REASON = 220

INTRODUCTION = """# Third-party models

`make survey` wrote this page on {date}, with {candor} and ONNX Runtime {runtime}. The script is in
[scripts/survey](../scripts/survey); it fails if an answer is wrong or if fewer than 97 % of the models that can be expressed
are served correctly as they are. No model of the tables is part of this repository.

Each model goes to `candor check FILE` and `candor serve FILE` without any other file. The script then sends up to {most}
real inputs over HTTP: rows of the training data, the test data of onnx, and images, sound and bytes in the form that the
package's own code uses. It compares every answer with the output of ONNX Runtime in Python for the same input. An answer is
right if

- all values are equal within the rounding of their type, and no output is missing, except outputs that a classification has
  in addition to its label and probabilities, such as a decision path;
- a classification predicts the graph's own label and uses the graph's class names, and its probabilities are in [0, 1], sum
  to 1 and equal the graph's output;
- a classifier whose outputs are probabilities is served as a classification;
- the answer is the error `non_finite_output` if the graph returns NaN or infinity.

As a negative control, {controls} answers are also compared with the outputs for a different input; every one must then be
found wrong. A model that is not served correctly as it is gets a second try, with a setting or with a contract that the
script writes.
"""


def write(path, candor, sources, outcomes):
    """Writes the report."""
    by_source = {source.name: [] for source in sources}
    for outcome in outcomes:
        by_source[outcome.case.source].append(outcome)
    parts = [
        INTRODUCTION.format(
            date=date(),
            candor=candor,
            runtime=version("onnxruntime"),
            most=MOST_INPUTS,
            controls=sum(outcome.controls for outcome in outcomes),
        ),
        summary(by_source, outcomes),
        packages(sources),
        exceptions(outcomes),
        apart(sources, outcomes),
        everything(by_source),
    ]
    path.write_text("\n".join(parts), encoding="utf-8")


def date():
    """Today, or the day of SOURCE_DATE_EPOCH."""
    fixed = os.environ.get("SOURCE_DATE_EPOCH")
    now = datetime.datetime.fromtimestamp(int(fixed), datetime.UTC) if fixed else datetime.datetime.now(datetime.UTC)
    return now.date().isoformat()


def table(head, lines):
    rule = "|".join("---" for _ in head)
    return "\n".join([f"| {' | '.join(head)} |", f"|{rule}|", *(f"| {' | '.join(line)} |" for line in lines)]) + "\n"


def summary(by_source, outcomes):
    kinds = list(KINDS)
    lines = []
    for source, found in by_source.items():
        lines.append([source, *counts(found, kinds), share(found)])
    lines.append(["**all**", *(f"**{count}**" for count in counts(outcomes, kinds)), f"**{share(outcomes)}**"])
    apart = sum(outcome.kind == "inexpressible" for outcome in outcomes)
    expressible = [outcome for outcome in outcomes if outcome.kind in EXPRESSIBLE]
    served = sum(outcome.kind == "served" for outcome in expressible)
    text = (
        f"**{served} of {len(expressible)} models that can be expressed are served correctly as they are: {share(outcomes)}.**\n"
        f"With the {apart} that cannot be expressed counted as failures, it is {percent(served, len(expressible) + apart)}.\n"
    )
    return "\n".join(["## Totals\n", text, table(["source", *KINDS.values(), "as it is"], lines)])


def counts(outcomes, kinds):
    return [str(sum(outcome.kind == kind for outcome in outcomes)) for kind in kinds]


def share(outcomes):
    """The share of the expressible models that are served correctly as they are."""
    expressible = [outcome for outcome in outcomes if outcome.kind in EXPRESSIBLE]
    return percent(sum(outcome.kind == "served" for outcome in expressible), len(expressible))


def percent(part, whole):
    return f"{100 * part / whole:.1f} %" if whole else "-"


def packages(sources):
    lines = [[source.name, source.package, source.version, source.licence] for source in sources]
    return "## Where they come from\n\n" + table(["source", "package", "version", "licence"], lines)


def exceptions(outcomes):
    """The models that are not served as they are, with reason and remedy."""
    lines = []
    for kind in ("wrong", "refused", "contract", "setting"):
        for outcome in outcomes:
            if outcome.kind == kind:
                lines.append(
                    [KINDS[kind], f"{outcome.case.source}: {outcome.case.name}", cell(outcome.reason), cell(remedy(outcome))]
                )
    head = ["outcome", "model", "reason", "remedy"]
    return "## Exceptions\n\n" + (table(head, lines) if lines else "None.\n")


def remedy(outcome):
    if outcome.kind in ("contract", "setting"):
        return outcome.remedy
    if outcome.kind == "wrong":
        return f"a bug in Candor; {outcome.remedy}" if outcome.remedy else "a bug in Candor"
    return next((text for pattern, text in REMEDIES if re.search(pattern, outcome.reason)), outcome.remedy)


def cell(text):
    """A message as a table cell: one line, shortened, without local paths."""
    text = " ".join(text.replace(f"{WORK}/", "").replace(f"{ROOT}/", "").split()).replace("|", "\\|").replace("<", "&lt;")
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}…"


def apart(sources, outcomes):
    """The models that the percentage does not count."""
    beyond = [
        [f"{found.case.source}: {found.case.name}", cell(found.reason)] for found in outcomes if found.kind == "inexpressible"
    ]
    without = [
        [f"{found.case.source}: {found.case.name}", cell(found.reason)] for found in outcomes if found.kind == "unrunnable"
    ]
    without += [[f"{source.name}: {name}", cell(reason)] for source in sources for name, reason in source.left_out]
    return "\n".join(
        [
            "## Counted apart\n",
            "These have inputs or outputs that a contract cannot describe: sequences, optionals, 8-bit floats, small integers.",
            "Unless the table says otherwise, Candor refuses them at load and names the tensor and its type.\n",
            table(["model", "type"], beyond),
            "These cannot be served at all: the converter cannot export them, or ONNX Runtime itself cannot run them.\n",
            table(["model", "reason"], without),
        ]
    )


def everything(by_source):
    parts = ["## Every model\n"]
    for source, outcomes in by_source.items():
        lines = [
            [
                outcome.case.name.replace("|", "\\|"),
                KINDS[outcome.kind],
                outcome.task or "-",
                f"{outcome.right} of {outcome.asked}",
            ]
            for outcome in sorted(outcomes, key=lambda outcome: outcome.case.name)
        ]
        parts += [f"### {source}\n", table(["model", "outcome", "answered as", "right answers"], lines)]
    return "\n".join(parts)
