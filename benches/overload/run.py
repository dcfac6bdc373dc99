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

from server import PLACE, Health, Server, requests

MULTIPLES = (1, 2, 5, 10)
# A latency within 1.5 times the normal one is normal; below this, in seconds, the machine's own noise is larger.
NOISE = 0.0005


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
    lines, rows, details, failures = requests(model, [model]), [], [], []
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
        log = server.log.read_text()
    for row in rows:
        row[2] = f"{row[2]['goodput']:.0f} ({row[2]['goodput'] / max(peak, 1e-9):.0%})"
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
    ]
    text = f"### `{model}`\n\nCapacity {capacity:.0f}/s (closed loop, 64 callers; p50 {ms(closed['latency_us']['p50'])} ms, "
    text += f"p99 {ms(closed['latency_us']['p99'])} ms); unloaded p50 {unloaded * 1000:.2f} ms; deadline {deadline} ms.\n\n"
    text += table(head, rows) + "\n" + table(more, details)
    return text + "".join(f"\n**Broken promise:** {failure}\n" for failure in failures)


def isolation(seconds: float) -> str:
    quiet, busy = requests("quiet", ["churn"]), requests("busy", ["heavy"])
    rate, rows = 200, []
    with Server(["churn", "heavy"]) as server:
        server.load(quiet, rate=rate, seconds=1)
        alone = server.load(quiet, rate=rate, seconds=seconds, connections=32)
        loaded: dict = {}
        saturate = threading.Thread(target=lambda: loaded.update(server.load(busy, connections=64, seconds=seconds + 1)))
        saturate.start()
        time.sleep(0.5)
        beside = server.load(quiet, rate=rate, seconds=seconds, connections=32)
        saturate.join()
    rows += [["alone", alone, ""], ["`heavy` saturated", beside, f"{loaded['answered_per_second']:.0f}/s of `heavy`"]]
    samples, windows = [], []
    for _ in range(5):
        with Server(["churn", "heavy"], wait=False) as server:
            server.until_answered("churn")
            path, ready = PLACE / "samples", []
            watch = threading.Thread(target=lambda: ready.append(server.until_answered("heavy")))
            began = time.time()
            watch.start()
            server.load(quiet, rate=rate, seconds=3, connections=32, samples=path)
            watch.join()
            end = server.started + ready[0]
            windows.append(end - began)
            for line in path.read_text().splitlines():
                at, latency, status = map(int, line.split())
                if at / 1e6 + latency / 1e6 < end and status == 200:
                    samples.append(latency)
    times = {key: percentile(samples, share) for key, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999))}
    note = f"{len(samples)} requests in 5 starts, {statistics.median(windows):.2f} s of loading each"
    rows.append(["`heavy` loading", {"latency_us": times}, note])
    lines = []
    for name, report, note in rows:
        latency = report["latency_us"]
        ratio = latency["p99"] / alone["latency_us"]["p99"]
        lines.append([name, *(ms(latency[key]) for key in ("p50", "p90", "p99", "p999")), f"{ratio:.2f} ×", note])
    head = ["`heavy`", "p50", "p90", "p99", "p99.9", "p99 against alone", ""]
    return f"### Isolation: `churn` at {rate}/s beside `heavy`\n\n" + table(head, lines)


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--out")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--models", default="heavy,churn")
    parser.add_argument("--deadline-ms", type=int, default=100)
    parser.add_argument("--only", choices=["overload", "isolation"])
    options = parser.parse_args()
    load = os.getloadavg()[0]
    text = f"{os.cpu_count()} processors ({platform.machine()}), shared by the server and the generator; load average before "
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
