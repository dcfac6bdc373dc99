"""The outcome for one model: served as it is, served with a setting or a contract, refused, wrong, or not expressible."""

import http
import re
from dataclasses import dataclass, field

import numpy as np

import contracts
import judge
from cases import WORK, Case
from instance import CannotBeWritten, finite, instance
from reference import MAPS, NUMPY, Failed

# The maximum number of inputs sent to a model.
MOST_INPUTS = 8
# The deadline in model.toml if the default of one second is too short.
LONG_DEADLINE_MS = 20000
# An answer that came too late, or was refused because it would have.
LATE = re.compile("deadline_exceeded|overloaded")
# The setting for bodies larger than the default limit of 1 MiB.
LARGE_BODY = "http.max_body_bytes=33554432"


@dataclass
class Outcome:
    """`kind` is served, setting, contract, refused, wrong, inexpressible or unrunnable."""

    case: Case
    kind: str
    task: str = ""
    right: int = 0
    asked: int = 0
    controls: int = 0
    reason: str = ""
    # What makes it work, or what happened with a contract.
    remedy: str = ""
    details: list = field(default_factory=list)

    def as_json(self):
        return {"source": self.case.source, "model": self.case.name, "path": str(self.case.path)} | {
            name: getattr(self, name) for name in ("kind", "task", "right", "asked", "controls", "reason", "remedy", "details")
        }


@dataclass
class Attempt:
    """One way of serving a model: the number of right answers, and the faults of the others."""

    task: str = ""
    right: int = 0
    asked: int = 0
    refused: str | None = None
    wrong: list = field(default_factory=list)
    failed: list = field(default_factory=list)
    incomplete: str | None = None
    disagreement: str | None = None
    remedy: str = ""
    # Answers that were also compared with the reference of another input, which must fail.
    controls: int = 0

    def is_right(self):
        return self.refused is None and not (self.wrong or self.failed or self.incomplete or self.disagreement) and self.right > 0

    def is_late(self):
        return any(LATE.search(text) for text in self.failed)

    def reason(self):
        told = [self.refused, *self.wrong[:1], *self.failed[:1], self.incomplete, self.disagreement]
        return next((text for text in told if text), "it was not asked")


def examine(candor, reference, case, number):
    """The outcome of a case."""
    try:
        truth = reference.truth(case.path, [finite(feed) if are_arrays(feed) else feed for feed in case.feeds])
    except Failed as error:
        return Outcome(case, "unrunnable", reason=str(error))
    strange = [spec for spec in truth.inputs + truth.outputs if spec.kind not in NUMPY and spec.kind not in MAPS]
    strange += [spec for spec in truth.inputs if spec.kind in MAPS]
    if strange:
        return inexpressible(candor, case, number, strange)
    truth.feeds, truth.answers = truth.feeds[:MOST_INPUTS], truth.answers[:MOST_INPUTS]
    # Some converters export scores that are not probabilities; serving those as raw outputs is right.
    case.classifier &= all(judge.gives_probabilities(outputs, truth.outputs) for outputs in truth.answers)
    if not truth.answers:
        return Outcome(case, "unrunnable", reason=truth.failures[0] if truth.failures else "there is no input for it")
    bare = attempt(candor, f"{number}-bare", case.path, truth, case.classifier)
    if bare.is_right():
        return Outcome(case, "served", bare.task, bare.right, bare.asked, bare.controls)
    if any("body_too_large" in text for text in bare.failed):
        larger = attempt(candor, f"{number}-larger", case.path, truth, case.classifier, [LARGE_BODY])
        if larger.is_right():
            return Outcome(
                case, "setting", larger.task, larger.right, larger.asked, larger.controls, bare.reason(), f"`{LARGE_BODY}`"
            )
        bare.failed.extend(larger.failed)
    own = with_contract(candor, number, case, truth, bare)
    details = [*bare.wrong, *bare.failed, bare.refused or "", bare.incomplete or "", bare.disagreement or ""]
    details = [text for text in details if text]
    if bare.wrong or bare.disagreement:
        remedy = f"with a contract: {own.task}, right" if own.is_right() else f"with a contract: {own.reason()}"
        return Outcome(case, "wrong", bare.task, bare.right, bare.asked, reason=bare.reason(), remedy=remedy, details=details)
    if own.is_right():
        return Outcome(case, "contract", own.task, own.right, own.asked, own.controls, bare.reason(), own.remedy, details)
    remedy = f"with a contract: {own.reason()}"
    return Outcome(case, "refused", bare.task, bare.right, bare.asked, reason=bare.reason(), remedy=remedy, details=details)


def are_arrays(feed):
    return all(hasattr(array, "dtype") for array in feed.values())


def inexpressible(candor, case, number, strange):
    """A model with a type that a contract cannot describe: Candor must refuse it and name the tensor.

    An optional tensor may be served, with the tensor; what cannot be expressed is an input that leaves it out.
    """
    session = candor.ask(f"{number}-bare", case.path, lambda contract: [])
    kinds = ", ".join(sorted({spec.kind for spec in strange}))
    if session.refused is None and all(spec.kind.startswith("optional(tensor") for spec in strange):
        return Outcome(case, "inexpressible", reason=f"{kinds}, left out: Candor serves the graph and requires the input")
    if session.refused is None:
        return Outcome(case, "wrong", reason=f"it has {kinds}, and is said to be ready")
    told = any(repr(spec.name)[1:-1] in session.refused for spec in strange)
    reason = f"{kinds}" if told else f"{kinds}; Candor does not name it: {session.refused}"
    return Outcome(case, "inexpressible", reason=reason, details=[session.refused])


def with_contract(candor, number, case, truth, bare):
    """Serves the model with a generated contract, and with a longer deadline if it was late."""
    output = case.output or output_of(case, truth)
    deadline = LONG_DEADLINE_MS if bare.is_late() else None
    path = contracts.package(WORK / "packages" / f"m{number}", case, truth, output, deadline)
    tried = attempt(candor, f"{number}-contract", path, truth, case.classifier)
    if bare.incomplete:
        tried.remedy = "`x-output` that names the classes"
    elif "is not a name" in (bare.refused or ""):
        tried.remedy = "a shorter name for the file: a model's name has at most 64 characters"
    elif deadline:
        tried.remedy = f"`deadline_ms = {LONG_DEADLINE_MS}` in model.toml"
    else:
        tried.remedy = "sizes of the inputs and an `examples` entry"
    return tried


def output_of(case, truth):
    """The `x-output` for a case: a classification for a classifier, else raw outputs."""
    if not case.classifier:
        return {"task": "tensors"}
    answer = truth.answers[0]
    labels = [
        name for name, found in answer.items() if not isinstance(found, list) and found.size == 1 and found.dtype.kind in "iubO"
    ]
    for name, found in answer.items():
        if isinstance(found, list):
            classes = [str(key) for key in sorted(found[0])]
        elif judge.is_float(found) and found.ndim == 2 and found.shape[1] > 1:
            seen = sorted({judge.numbers(other[name]).argmax() for other in truth.answers})
            classes = [str(index) for index in range(found.shape[1])]
            if labels:
                named = {judge.numbers(other[name]).argmax(): str(other[labels[0]].reshape(-1)[0]) for other in truth.answers}
                classes = [named.get(index, f"class {index}") for index in range(found.shape[1])] if seen else classes
        else:
            continue
        output = {"task": "classification", "classes": classes, "probabilities": {"tensor": name}}
        return output | ({"label": {"tensor": labels[0]}} if labels else {})
    return {"task": "tensors"}


def attempt(candor, name, path, truth, classifier, settings=()):
    """Serves the model at `path` and judges its answers."""
    answers = []

    def instances(contract):
        written, expected = written_for(contract, truth)
        answers.extend(expected)
        return written

    try:
        session = candor.ask(name, path, instances, settings)
    except CannotBeWritten as error:
        return Attempt(refused=f"the contract has no place for the input: {error}")
    tried = Attempt(refused=session.refused, disagreement=session.disagreement, asked=len(truth.feeds))
    if session.contract is None:
        return tried
    tried.task = session.contract["x-output"]["task"]
    tried.asked = len(answers)
    for answer, outputs in zip(session.answers, answers, strict=False):
        judged(tried, answer, session.contract, outputs, truth.steady)
        if answer.status == http.HTTPStatus.OK and truth.steady:
            control(tried, answer, session.contract, outputs, answers)
    if len(session.answers) < len(answers) and not tried.refused:
        tried.failed.append("the server stopped answering")
    if classifier and tried.task != "classification" and not tried.wrong:
        tried.incomplete = f"its probabilities are not recognised: it is served as {tried.task}"
    return tried


def written_for(contract, truth):
    """The instances for a contract, and the reference of each. For a graph with a fixed batch the contract may take one row."""
    try:
        return [instance(contract, feed) for feed in truth.feeds], truth.answers
    except CannotBeWritten:
        rows = {array.shape[0] if array.ndim else 0 for feed in truth.feeds for array in feed.values()}
        rows |= {len(found) if np.ndim(found) else 0 for outputs in truth.answers for found in outputs.values()}
        if len(rows) != 1 or max(rows) < 2:
            raise
    written, expected = [], []
    for feed, outputs in zip(truth.feeds, truth.answers, strict=True):
        for row in range(*rows):
            written.append(instance(contract, {name: array[row : row + 1] for name, array in feed.items()}))
            expected.append({name: found[row : row + 1] for name, found in outputs.items()})
    return written, expected


def judged(tried, answer, contract, outputs, steady):
    """Counts one answer."""
    if answer.status == http.HTTPStatus.OK:
        found = judge.faults(answer.body, contract, outputs, steady)
        tried.wrong.extend(found)
        tried.right += not found
        return
    code, detail = answer.body.get("code"), answer.body.get("detail", "")
    if code == "non_finite_output" and judge.has_non_finite(outputs):
        # JSON has no NaN, so this error is the right answer.
        tried.right += 1
        return
    errors = "; ".join(f"{error['pointer']}: {error['detail']}" for error in answer.body.get("errors", [])[:2])
    tried.failed.append(re.sub(r"\s+", " ", f"{answer.status} {code}: {detail} {errors}").strip()[:300])


def control(tried, answer, contract, outputs, answers):
    """A negative control: a right answer, compared with the reference of another input, must be found wrong."""
    other = next((other for other in answers if judge.differ(contract["x-output"], outputs, other)), None)
    if other is None or judge.faults(answer.body, contract, outputs, steady=True):
        return
    tried.controls += 1
    if not judge.faults(answer.body, contract, other, steady=True):
        tried.wrong.append("the survey finds the answer right for another input, too")
