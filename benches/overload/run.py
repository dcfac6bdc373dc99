"""What the server does when it is asked for more than it can do.

usage: run.py [--out FILE] [--seconds N] [--models heavy,churn] [--deadline-ms N] [--only overload|isolation]

For each model: the capacity, measured in a closed loop of 64 callers; then an open loop at 1, 2, 5 and 10 times that.
Then what one model does to another: while it is saturated, and while it is loading. Prints Markdown tables.
`make bench-overload` builds what it needs.
"""

import argparse
import math
import os
import platform
import statistics
import sys
import threading
import time
from pathlib import Path

from server import PLACE, Health, Server, may_go_first, requests

MULTIPLES = (1, 2, 5, 10)
PROCESSORS = len(os.sched_getaffinity(0))
# A latency within 1.5 times the normal one is normal; below this, in seconds, the machine's own noise is larger.
NOISE = 0.0005
# Requests a second of the model that another one must not disturb, and how often each case is measured.
QUIET_RATE = 200
ISOLATION_ROUNDS = 12


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else math.nan


def ms(micros: float | None) -> str:
    return "–" if micros is None or math.isnan(micros) else f"{micros / 1000:.1f}" if micros >= 100 else f"{micros / 1000:.2f}"


def table(head: list[str], rows: list[list[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def normal(server: Server, model: str) -> float:
    server.probe(model, 20)
    return max(statistics.median(took for _, took, _ in server.probe(model, 50)), NOISE)


def overload(model: str, seconds: float, deadline: int) -> str:
    lines, rows, details, shares, failures = requests(model, [model]), [], [], [], []
    with Server([model]) as server:
        unloaded = normal(server, model)
        server.load(lines, connections=64, seconds=seconds / 2)
        closed = server.load(lines, connections=64, seconds=seconds)
        capacity, peak = closed["answered_per_second"], 0.0
        for multiple in MULTIPLES:
            offset, before = server.log.stat().st_size, server.memory()
            with Health(server) as health:
                report = server.load(lines, rate=capacity * multiple, seconds=seconds, deadline_ms=deadline)
                recovery = server.recovery(model, unloaded)
            after = server.memory()
            refusals = [
                line["duration_ms"] * 1000
                for line in server.log_since(offset)
                if line.get("status") == 503 and "duration_ms" in line
            ]
            peak = max(peak, report["goodput"])
            offered, intended = report["sent"] / report["seconds"], capacity * multiple
            refused, latency = report["refused"], report["latency_us"]
            expired = report["other"].pop("504", 0)
            if report["other"] or report["broken"] or report["unanswered"]:
                counts = (report["other"], report["broken"], report["unanswered"])
                failures.append("other statuses {}, broken {}, unanswered {}".format(*counts))
            if health.failed:
                failures.append(f"/livez failed {health.failed} of {health.asked} times at {multiple} times")
            rows.append([
                f"{multiple} ×",
                f"{offered:.0f}" + ("" if offered > 0.98 * intended else f" of {intended:.0f}"),
                report,
                *(ms(latency[key]) for key in ("p50", "p90", "p99", "p999")),
                ms(report["late_us"]["p999"]),
                ms(report["late_server_us"]["p999"]),
                ", ".join(f"{code} {count}" for code, count in refused.items()) or "0",
                expired,
                " / ".join(ms(percentile(refusals, share)) for share in (0.5, 0.99, 0.999)) if refusals else "–",
                f"{before:.1f} → {after:.1f}",
                f"{health.failed} of {health.asked}",
                "not in 5 s" if recovery is None else f"{recovery * 1000:.0f}",
            ])
            details.append([
                f"{multiple} ×",
                report["intended"],
                report["sent"],
                report["unsent"],
                report["answered"],
                sum(refused.values()),
                expired,
                f"{report['server_processors']:.2f}",
                f"{report['generator_processors']:.2f}",
                f"{report['other_processors']:.2f}",
                ms(report["service_us"]["p99"]),
                ms(report["server_us"]["p99"]),
                ms(report["refusal_latency_us"]["p50"]),
                ms(report["refusal_latency_us"]["p99"]),
            ])
            # The generator takes more, the more it sends: this is what the server makes of what is left to it.
            left = PROCESSORS - report["generator_processors"] - report["other_processors"]
            shares.append(report["goodput"] / left)
        log = server.log.read_text()
    for row, detail, share in zip(rows, details, shares):
        row[2] = f"{row[2]['goodput']:.0f} ({row[2]['goodput'] / max(peak, 1e-9):.0%})"
        detail.append(f"{share:.0f} ({share / max(*shares, 1e-9):.0%})")
    if "panicked" in log:
        failures.append("a panic is in the log")
    if '"status":500' in log:
        failures.append("a 500 is in the log")
    head = [
        "load", "offered/s", "goodput/s (of peak)", "p50", "p90", "p99", "p99.9", "late p99.9", "late p99.9, server",
        "refused", "504", "time to refuse p50 / p99 / p99.9", "memory MB", "/livez failed", "recovery",
    ]
    more = [
        "load", "intended", "sent", "unsent", "answered", "refused", "504", "server CPUs", "generator CPUs",
        "other CPUs",
        "from write p99", "at the server p99", "refusal seen p50", "refusal seen p99",
        "goodput/s for each CPU left (of peak)",
    ]
    text = f"### `{model}`\n\nCapacity {capacity:.0f}/s (closed loop, 64 callers; p50 {ms(closed['latency_us']['p50'])} ms, "
    text += f"p99 {ms(closed['latency_us']['p99'])} ms); unloaded p50 {unloaded * 1000:.2f} ms; deadline {deadline} ms.\n\n"
    text += table(head, rows) + "\n" + table(more, details)
    return text + "".join(f"\n**Broken promise:** {failure}\n" for failure in failures)


def latencies(server: Server, lines: Path, seconds: float) -> list[tuple[float, float]]:
    """When each answer was there, in seconds since 1970, and how long after its intended start, in microseconds; without those
    of the first moments, when the generator and its connections are new."""
    path = PLACE / "samples"
    server.load(lines, first=True, rate=QUIET_RATE, seconds=seconds, connections=32, samples=path)
    samples = [tuple(map(int, line.split())) for line in path.read_text().splitlines()]
    settled = min(at for at, _, _ in samples) + 300_000
    return [((at + latency) / 1e6, latency) for at, latency, status in samples if status == 200 and at >= settled]


def isolation(seconds: float) -> str:
    """What a busy and a loading model do to another one, each beside the same model alone in the same server."""
    quiet, busy = requests("quiet", ["churn"]), requests("busy", ["heavy"])
    alone, beside, reports = [], [], []
    for _ in range(ISOLATION_ROUNDS):
        with Server(["churn", "heavy"]) as server:
            alone += latencies(server, quiet, seconds)
            saturate = threading.Thread(
                target=lambda: reports.append(server.load(busy, first=True, connections=64, seconds=seconds + 1))
            )
            saturate.start()
            time.sleep(0.5)
            beside += latencies(server, quiet, seconds)
            saturate.join()
    answered = statistics.median(report["answered_per_second"] for report in reports)
    note = f"{len(beside)} requests in {ISOLATION_ROUNDS} turns, {answered:.0f}/s of `heavy`"
    rows = [["alone", alone, alone, f"{len(alone)} requests"], ["saturated", beside, alone, note]]
    loading, loaded, windows = [], [], []
    for _ in range(2 * ISOLATION_ROUNDS):
        with Server(["churn", "heavy"], wait=False) as server:
            server.until_answered("churn")
            began = time.time()
            samples = latencies(server, quiet, 3)
            # From the log: to ask for it all the time would be a load of its own.
            end = server.loaded("heavy")
            windows.append(end - began)
            loading += [sample for sample in samples if sample[0] < end]
            loaded += [sample for sample in samples if sample[0] > end + 0.2]
    note = f"{len(loading)} requests in {len(windows)} starts, {statistics.median(windows):.1f} s of loading each"
    rows += [["loaded", loaded, loaded, f"{len(loaded)} requests, after these starts"], ["loading", loading, loaded, note]]
    lines = []
    for name, samples, base, note in rows:
        times = [latency for _, latency in samples]
        ratio = percentile(times, 0.99) / percentile([latency for _, latency in base], 0.99)
        shares = (ms(percentile(times, share)) for share in (0.5, 0.9, 0.99, 0.999))
        lines.append([name, *shares, f"{ratio:.2f} ×", note])
    head = ["`heavy`", "p50", "p90", "p99", "p99.9", "p99 against the row before", ""]
    text = f"### Isolation: `churn` at {QUIET_RATE}/s beside `heavy`\n\n" + table(head, lines)
    if not may_go_first():
        text += "\nThe generator could not go before the server's threads: its own waits for a processor are in these figures.\n"
    return text


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--out")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--models", default="heavy,churn")
    parser.add_argument("--deadline-ms", type=int, default=100)
    parser.add_argument("--only", choices=["overload", "isolation"])
    options = parser.parse_args()
    load = os.getloadavg()[0]
    text = f"{PROCESSORS} processors ({platform.machine()}), shared by the server and the generator; load average before "
    text += f"{load:.1f}; {options.seconds:g} s a step. Times in milliseconds, from the intended start unless said otherwise. "
    text += "Time to refuse: the server's own, from its request log.\n\n"
    parts = []
    if options.only != "isolation":
        parts += [overload(model, options.seconds, options.deadline_ms) for model in options.models.split(",")]
    if options.only != "overload":
        parts.append(isolation(options.seconds))
    text += "\n".join(parts)
    print(text)
    if options.out:
        with open(options.out, "w") as out:
            out.write(text)
    if "**Broken promise:**" in text:
        sys.exit(1)


if __name__ == "__main__":
    main()
