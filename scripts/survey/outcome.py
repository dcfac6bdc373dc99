"""What becomes of one model: served as it is, served with a contract, refused, wrong, or beyond what can be expressed."""

import http
import re
from dataclasses import dataclass, field

import contracts
import judge
from cases import WORK, Case
from instance import CannotBeWritten, finite, instance
from reference import MAPS, NUMPY, Failed

# The most inputs that a model is asked with.
MOST_INPUTS = 8
# The deadline of the contract's package where the default one is not enough.
LONG_DEADLINE_MS = 20000
# Where a body is too large for the default of 1 MiB.
LARGE_BODY = "http.max_body_bytes=67108864"


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
    # What the contract says that the bare file does not, for `contract`; else what to do.
    remedy: str = ""
    details: list = field(default_factory=list)

    def as_json(self):
        return {"source": self.case.source, "model": self.case.name, "path": str(self.case.path)} | {
            name: getattr(self, name) for name in ("kind", "task", "right", "asked", "controls", "reason", "remedy", "details")
        }


@dataclass
class Attempt:
    """One way of serving a model: how many answers were right, and what was wrong with the others."""

    task: str = ""
    right: int = 0
    asked: int = 0
    refused: str | None = None
    wrong: list = field(default_factory=list)
    failed: list = field(default_factory=list)
    incomplete: str | None = None
    disagreement: str | None = None
    remedy: str = ""
    # Answers that were held against the truth of another input, too: the judge must tell them apart.
    controls: int = 0

    def is_right(self):
        return self.refused is None and not (self.wrong or self.failed or self.incomplete or self.disagreement) and self.right > 0

    def is_late(self):
        return any("deadline_exceeded" in text or "overloaded" in text for text in self.failed)

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
    if not truth.answers:
        return Outcome(case, "unrunnable", reason=truth.failures[0] if truth.failures else "there is no input for it")
    bare = attempt(candor, f"{number}-bare", case.path, truth, case.classifier)
    if bare.is_late():
        # Once more: the survey runs models side by side, and may have been the one that was slow.
        bare = attempt(candor, f"{number}-bare", case.path, truth, case.classifier)
    if bare.is_right():
        return Outcome(case, "served", bare.task, bare.right, bare.asked, bare.controls)
    if any("body_too_large" in text for text in bare.failed):
        larger = attempt(candor, f"{number}-larger", case.path, truth, case.classifier, [LARGE_BODY])
        if larger.is_right():
            return Outcome(case, "setting", larger.task, larger.right, larger.asked, larger.controls, bare.reason(), f"`{LARGE_BODY}`")
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
    """A type that no JSON of a contract can carry: Candor must say so, by name."""
    session = candor.ask(f"{number}-bare", case.path, lambda contract: [])
    kinds = ", ".join(sorted({spec.kind for spec in strange}))
    if session.refused is None:
        return Outcome(case, "wrong", reason=f"it has {kinds}, and is said to be ready")
    told = any(repr(spec.name)[1:-1] in session.refused for spec in strange)
    reason = f"{kinds}" if told else f"{kinds}; Candor does not name it: {session.refused}"
    return Outcome(case, "inexpressible", reason=reason, details=[session.refused])


def with_contract(candor, number, case, truth, bare):
    """The same model with a contract that the survey writes; with a longer deadline where that was missing."""
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
    """The x-output for a case: the classes where it is a classifier, else the plain outputs."""
    if not case.classifier:
        return {"task": "tensors"}
    answer = truth.answers[0]
    labels = [name for name, found in answer.items() if not isinstance(found, list) and found.size == 1 and found.dtype.kind in "iubO"]
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

    def instances(contract):
        return [instance(contract, feed) for feed in truth.feeds]

    try:
        session = candor.ask(name, path, instances, settings)
    except CannotBeWritten as error:
        return Attempt(refused=f"the contract has no place for the input: {error}")
    tried = Attempt(refused=session.refused, disagreement=session.disagreement, asked=len(truth.feeds))
    if session.contract is None:
        return tried
    tried.task = session.contract["x-output"]["task"]
    for answer, outputs in zip(session.answers, truth.answers, strict=False):
        judged(tried, answer, session.contract, outputs, truth.steady)
        if answer.status == http.HTTPStatus.OK and truth.steady:
            control(tried, answer, session.contract, outputs, truth.answers)
    if len(session.answers) < len(truth.feeds) and not tried.refused:
        tried.failed.append("the server stopped answering")
    if classifier and tried.task != "classification" and not tried.wrong:
        tried.incomplete = f"its probabilities are not recognised: it is served as {tried.task}"
    return tried


def judged(tried, answer, contract, outputs, steady):
    """Counts one answer."""
    if answer.status == http.HTTPStatus.OK:
        found = judge.faults(answer.body, contract, outputs, steady)
        tried.wrong.extend(found)
        tried.right += not found
        return
    code, detail = answer.body.get("code"), answer.body.get("detail", "")
    if code == "non_finite_output" and judge.has_non_finite(outputs):
        # JSON has no NaN: the error with that name is the right answer.
        tried.right += 1
        return
    errors = "; ".join(f"{error['pointer']}: {error['detail']}" for error in answer.body.get("errors", [])[:2])
    tried.failed.append(re.sub(r"\s+", " ", f"{answer.status} {code}: {detail} {errors}").strip()[:300])


def control(tried, answer, contract, outputs, answers):
    """Holds a right answer against the truth of another input: a judge that finds no fault then is worth nothing."""
    other = next((other for other in answers if judge.differ(outputs, other)), None)
    if other is None or judge.faults(answer.body, contract, outputs, steady=True):
        return
    tried.controls += 1
    if not judge.faults(answer.body, contract, other, steady=True):
        tried.wrong.append("the survey's judge finds the answer right for another input, too")
