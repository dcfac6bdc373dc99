"""The rest of what the engine must reach, each figure beside its limit in the same run. `make bench` calls it.

usage: goals.py [--out FILE] [--seconds N] [--requests N] [--only NAME,…]

heavy       a model of milliseconds a row at 64 callers, beside the best of bare ONNX Runtime with any batch size and split
            of the processors into sessions and threads; and with twice as many workers as there are processors
open        latency at fixed rates, counted from the intended start of each request, beside the echo server
start       from the start of the process to the first answer
memory      resident memory after a million requests
loading     the latencies of one model while another one loads, and while another one is saturated
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benches/overload"))

from run import isolation, ms, table  # noqa: E402  (found by the line above)
from server import PLACE, TARGET, Server, repository, requests  # noqa: E402

EXAMPLES = TARGET / "dist/examples"
STARTS = 15
RATES = (0.25, 0.5, 0.75)


def bare(model: str, sessions: int, threads: int, models: Path) -> dict:
    """Rows a second of bare ONNX Runtime by batch size."""
    command = [EXAMPLES / "ort_baseline", model, str(sessions), str(threads), str(models)]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=True).stdout
    return {size: found["rows_per_second"] for size, found in json.loads(output).items()}


def heavy(seconds: float) -> str:
    processors = os.cpu_count() or 1
    splits = [(1, 1), (1, processors), (processors, 1)]
    models = repository(["heavy"])
    lines = requests("heavy", ["heavy"])
    limits = {split: [] for split in splits}
    asked: dict[str, list[float]] = {"planned": [], "over": []}
    # In turns, so that what else the machine does falls on all of them.
    for _ in range(3):
        for split in splits:
            limits[split].append(bare("heavy", *split, models))
        for name, workers in (("planned", "auto"), ("over", str(2 * processors))):
            with Server(["heavy"], environment={"CANDOR_RUNTIME__WORKERS": workers}) as server:
                server.load(lines, connections=64, seconds=1)
                report = server.load(lines, connections=64, seconds=seconds)
                asked[name].append(report["answered_per_second"])
        models = repository(["heavy"])
    rows, best = [], 0.0
    for (sessions, threads), found in limits.items():
        medians = {size: statistics.median(one[size] for one in found) for size in found[0]}
        best = max(best, *medians.values())
        rows.append([f"{sessions} × {threads}", *(f"{value:.0f}" for value in medians.values())])
    head = ["sessions × threads", *(f"batch {size}" for size in limits[splits[0]][0])]
    planned, over = (statistics.median(asked[name]) for name in ("planned", "over"))
    text = "### A heavier model: `heavy`, 64 callers\n\nBare ONNX Runtime, rows a second:\n\n" + table(head, rows)
    text += f"\nCandor: {planned:.0f} answers a second, **{planned / best:.2f}** of the best of these (goal: ≥ 0.95). With "
    text += f"twice as many workers as processors: {over:.0f}, {over / planned:.2f} of what the plan gives.\n"
    return text


def open_loop(seconds: float) -> str:
    lines = requests("churn", ["churn"])
    echo_lines = PLACE / "echo.requests"
    echo_lines.write_text(lines.read_text().replace("/models/churn/predict", "/predict"))
    rows = []
    with Server(["churn"]) as server:
        answer = len(json.dumps(server.body("churn")))
        command = [EXAMPLES / "http_baseline", str(answer)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as echo:
            assert echo.stdout
            address = int(echo.stdout.readline())
            closed = server.load(lines, connections=64, seconds=seconds)["answered_per_second"]
            for share in RATES:
                rate = closed * share
                ours = server.load(lines, rate=rate, seconds=seconds, connections=64)
                theirs = server.load(echo_lines, port=address, rate=rate, seconds=seconds, connections=64)
                for name, report in (("echo", theirs), ("candor", ours)):
                    latency = report["latency_us"]
                    figures = (ms(latency[key]) for key in ("p50", "p90", "p99", "p999"))
                    rows.append([f"{rate:.0f} ({share:.0%})", name, *figures, report["unsent"]])
            echo.kill()
    text = f"### Latency at a fixed rate, `churn`\n\nMilliseconds from the intended start; the generator's own closed loop "
    text += f"of 64 callers reached {closed:.0f}/s.\n\n"
    return text + table(["requests/s", "server", "p50", "p90", "p99", "p99.9", "unsent"], rows)


def start() -> str:
    times = []
    for _ in range(STARTS):
        with Server(["churn"], wait=False) as server:
            times.append(server.until_answered("churn", pause=0.001))
    median, worst = statistics.median(times) * 1000, max(times) * 1000
    text = f"### Start\n\nFrom starting the process to the first answer of `churn`, {STARTS} starts: median **{median:.0f} ms**, "
    return text + f"longest {worst:.0f} ms (goal: ≤ 100 ms).\n"


def memory(count: int) -> str:
    lines = requests("churn", ["churn"])
    with Server(["churn"]) as server:
        began, first = time.time(), server.memory()
        report = server.load(lines, connections=64, seconds=3600, count=count)
        last = server.memory()
    if report["answered"] != count:
        sys.exit(f"not every request was answered: {json.dumps(report)}")
    text = f"### Memory\n\nResident with `churn`: {first:.1f} MB after the first answer, **{last:.1f} MB** after {count} requests "
    return text + f"in {time.time() - began:.0f} s (goal: ≤ 60 MB).\n"


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--only", default="heavy,open,start,memory,loading")
    options = parser.parse_args()
    parts = {
        "heavy": lambda: heavy(options.seconds),
        "open": lambda: open_loop(options.seconds),
        "start": start,
        "memory": lambda: memory(options.requests),
        "loading": lambda: isolation(options.seconds),
    }
    text = ""
    for name in options.only.split(","):
        print(f"measuring: {name}", file=sys.stderr, flush=True)
        part = parts[name]()
        print(part, flush=True)
        text += part + "\n"
    if options.out:
        options.out.write_text(text)


if __name__ == "__main__":
    main()
