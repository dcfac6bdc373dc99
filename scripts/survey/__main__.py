"""The survey of other people's models: serves each with Candor and compares every answer with ONNX Runtime's own.

    python scripts/survey --candor target/debug/candor

It writes docs/models.md. `make survey` does the set-up. A model that crashes or hangs costs its time limit and no more.
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
from outcome import Outcome, examine
from reference import Reference
from report import write


def main():
    options = arguments()
    if not options.keep:
        shutil.rmtree(WORK / "packages", ignore_errors=True)
        shutil.rmtree(WORK / "logs", ignore_errors=True)
    sources = collect(options.only)
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
    return 1 if any(outcome.kind == "wrong" for outcome in outcomes) else 0


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--candor", default=ROOT / "target/debug/candor", type=Path, help="the program to try")
    parser.add_argument("--out", default=ROOT / "docs/models.md", type=Path, help="the report")
    parser.add_argument("--jobs", default=2, type=int, help="models at once")
    parser.add_argument("--only", default="", help="sources to collect: packages, onnx, trained, boosting; prints, writes no report")
    parser.add_argument("--filter", default="", help="a pattern of `source: model`; prints the outcomes, writes no report")
    parser.add_argument("--keep", action="store_true", help="keep the packages and logs of the last run")
    return parser.parse_args()


def collect(only):
    """All sources, or those of one module."""
    import boosting
    import onnx_suite
    import packages
    import trained

    reference = Reference()
    makers = {
        "packages": lambda: packages.sources(say),
        "onnx": lambda: onnx_suite.sources(reference, say),
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
        return list(pool.map(one, enumerate(cases)))


def keep(outcomes):
    """What was found, for a closer look than the report has."""
    path = WORK / "outcomes.jsonl"
    lines = [json.dumps(outcome.as_json(), ensure_ascii=False) for outcome in outcomes]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def say(text, end=None):
    """Progress: one line that changes on a terminal, a line each elsewhere."""
    if end is None:
        end = "\r" if sys.stderr.isatty() else "\n"
        text = f"{text:<100.100}" if sys.stderr.isatty() else text
    print(text, end=end, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
