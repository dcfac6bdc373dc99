"""Surveys third-party models: serves each with Candor and compares every answer with ONNX Runtime.

    python scripts/survey --candor target/debug/candor

Writes docs/models.md. `make survey` does the setup. A model that crashes or hangs does not end the run: every step has a time
limit. The exit code is 1 if an answer is wrong, or if fewer than 97 % of the models are served correctly as they are.
"""

import argparse
import json
import re
import shutil
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.dont_write_bytecode = True

from candor import Candor
from cases import ROOT, WORK
from outcome import LATE, Outcome, examine
from reference import Reference
from report import EXPRESSIBLE, percent, write

# The minimum share of models that must be served correctly as they are.
LEAST_SHARE = 0.97


def main():
    options = arguments()
    if not options.keep:
        shutil.rmtree(WORK / "packages", ignore_errors=True)
        shutil.rmtree(WORK / "logs", ignore_errors=True)
    sources = collect(options.only, options.seed)
    wanted = re.compile(options.filter)
    for source in sources:
        source.cases = [case for case in source.cases if wanted.search(f"{source.name}: {case.name}")]
    candor = Candor(options.candor, WORK / "logs")
    outcomes = run(candor, [case for source in sources for case in source.cases], options.jobs)
    keep(outcomes)
    if options.filter or options.only:
        for outcome in outcomes:
            print(f"{outcome.kind:13} {outcome.case.source}: {outcome.case.name}  {outcome.task} {outcome.right}/{outcome.asked}")
            print("".join(f"              {text}\n" for text in (outcome.reason, outcome.remedy) if text), end="")
    else:
        write(options.out, candor.version(), sources, outcomes)
        say(f"wrote {options.out}", end="\n")
    return verdict(outcomes)


def verdict(outcomes):
    """The exit code: 0 if no answer is wrong and enough models are served as they are."""
    expressible = [outcome for outcome in outcomes if outcome.kind in EXPRESSIBLE]
    wrong = sum(outcome.kind == "wrong" for outcome in expressible)
    served = sum(outcome.kind == "served" for outcome in expressible)
    say(f"{served} of {len(expressible)} served right as they are ({percent(served, len(expressible))}), {wrong} wrong", end="\n")
    return 1 if wrong or served < LEAST_SHARE * len(expressible) else 0


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--candor", default=ROOT / "target/debug/candor", type=Path, help="the program to try")
    parser.add_argument("--out", default=ROOT / "docs/models.md", type=Path, help="the report")
    parser.add_argument("--jobs", default=2, type=int, help="models at once")
    parser.add_argument(
        "--only", default="", help="sources to collect: packages, onnx, trained, boosting; prints, writes no report"
    )
    parser.add_argument("--filter", default="", help="a pattern of `source: model`; prints the outcomes, writes no report")
    parser.add_argument("--seed", default=10, type=int, help="draws other tests of onnx, to check what was not tuned for")
    parser.add_argument("--keep", action="store_true", help="keep the packages and logs of the last run")
    return parser.parse_args()


def collect(only, seed):
    """All sources, or those of one module."""
    import boosting
    import onnx_suite
    import packages
    import trained

    reference = Reference()
    makers = {
        "packages": lambda: packages.sources(say),
        "onnx": lambda: onnx_suite.sources(reference, say, seed),
        "trained": lambda: trained.sources(say),
        "boosting": lambda: boosting.sources(say),
    }
    sources = [source for name, make in makers.items() if name in only or not only for source in make()]
    reference.close()
    return sources


def run(candor, cases, jobs):
    """The outcomes in the order of the cases."""
    references, done = threading.local(), [0]

    def one(numbered):
        number, case = numbered
        if not hasattr(references, "own"):
            references.own = Reference()
        try:
            outcome = examine(candor, references.own, case, number)
        except Exception as error:
            traceback.print_exc()
            outcome = Outcome(case, "wrong", reason=f"the survey failed: {type(error).__name__}: {error}")
        done[0] += 1
        say(f"{done[0]} of {len(cases)}  {outcome.kind}: {case.source}: {case.name}")
        return outcome

    with ThreadPoolExecutor(jobs) as pool:
        outcomes = list(pool.map(one, enumerate(cases)))
    # Repeat the models that missed their deadline, one at a time: other models may have taken the processor.
    for number, outcome in enumerate(outcomes):
        if outcome.kind != "served" and any(LATE.search(text) for text in outcome.details):
            outcomes[number] = one((number, outcome.case))
    return outcomes


def keep(outcomes):
    """Writes every outcome with all details, as JSON lines."""
    path = WORK / "outcomes.jsonl"
    lines = [json.dumps(outcome.as_json(), ensure_ascii=False) for outcome in outcomes]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def say(text, end=None):
    """Prints progress: a single line on a terminal, else one line per message."""
    if end is None:
        end = "\r" if sys.stderr.isatty() else "\n"
        text = f"{text:<100.100}" if sys.stderr.isatty() else text
    print(text, end=end, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
