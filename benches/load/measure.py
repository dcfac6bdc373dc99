"""Measures Candor under load beside its limits, in turns, and writes a table of medians and ratios.

The limits: an axum echo server that parses the same JSON and answers a body of the same size (http_baseline), and bare
ONNX Runtime in a loop on one thread (ort_baseline). The *combined limit* is the throughput at which the echo server's
processor time for a request and ONNX Runtime's for a row, added, would fill the processors that the echo server filled.

wrk runs on the same processors as the servers, so single figures say little and only ratios count.

What Candor adds to a call at one connection is measured twice: on all processors, as things are, and with server and
wrk on one processor. On all of them the client and the server wait for each other on processors that fall asleep and
wake up cold, which costs more than what is measured; it is in the echo server's figure too, and in `ort_baseline`'s after
a pause, but not equally. On one processor nothing sleeps.
"""

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "dist"
MODELS = ("churn", "breast-cancer")
CONNECTIONS = (1, 64)
GOAL = 0.85
ADDED_GOAL_US = 15
START_SECONDS = 20
WARM_SECONDS = 0.5
TICKS = os.sysconf("SC_CLK_TCK")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often each server is measured (default 5)")
    parser.add_argument("--seconds", type=int, default=4, help="seconds of one measurement (default 4)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the tables to this file too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every single measurement to this file")
    parser.add_argument("--log", type=Path, default=Path(os.devnull), metavar="FILE",
                        help="where Candor's request log goes, which is on (default: the null device)")
    return parser.parse_args()


def stop(process):
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def running(command, log=subprocess.DEVNULL, **options):
    """A server, stopped at the end whatever happens."""
    process = subprocess.Popen(command, cwd=ROOT, stderr=log, **options)
    try:
        yield process
    finally:
        stop(process)


def post(url, body):
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=5) as response:
        return response.read()


def free_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until_ready(process, url):
    """Waits for 200 at `url`."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            sys.exit(f"candor ended with {process.returncode}; try: cargo run --release -- serve")
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            with urllib.request.urlopen(url, timeout=1):
                return
        time.sleep(0.05)
    sys.exit(f"{url} was not ready after {START_SECONDS} seconds")


def processor_seconds(pid):
    """User and system time of a process and its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def on_one_processor():
    """For a child before it starts: the last of the processors that it may use."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def load(url, body, connections, seconds, **options):
    command = ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s", "--timeout", "5s",
               "--script", str(ROOT / "benches/load/post.lua"), url, "--", str(body)]
    output = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30, check=True,
                            **options).stdout
    result = json.loads(output.strip().splitlines()[-1])
    if result["faults"]:
        sys.exit(f"{url}: {result['faults']} requests failed under load")
    return result


def measure(process, url, body, connections, seconds, **options):
    """Throughput, processor time a request, processors filled, and latency of one server."""
    before = processor_seconds(process.pid)
    result = load(url, body, connections, seconds, **options)
    cpu_us = (processor_seconds(process.pid) - before) * 1e6 / result["requests"]
    throughput = result["requests"] * 1e6 / result["us"]
    return {
        "throughput": throughput,
        "cpu_us": cpu_us,
        "filled": throughput * cpu_us / 1e6,
        "p50_us": result["p50_us"],
        "p99_us": result["p99_us"],
    }


def bare(model):
    """Microseconds a row of bare ONNX Runtime, by batch size."""
    command = [str(TARGET / "examples/ort_baseline"), model]
    return json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout)


def alone(model, body, size, options):
    """One connection, with server and wrk on one processor: latencies of echo and candor in turns."""
    one = {"preexec_fn": on_one_processor}
    echo_command, port = [str(TARGET / "examples/http_baseline"), str(size)], free_port()
    command = [str(TARGET / "candor"), "serve", "--port", str(port)]
    with (
        running(echo_command, stdout=subprocess.PIPE, text=True, **one) as echo,
        options.log.open("wb") as log,
        running(command, log, **one) as candor,
    ):
        until_ready(candor, f"http://127.0.0.1:{port}/readyz")
        servers = {
            "echo": (echo, f"http://127.0.0.1:{int(echo.stdout.readline())}/predict"),
            "candor": (candor, f"http://127.0.0.1:{port}/models/{model}/predict"),
        }
        rounds = []
        for _ in range(options.rounds + 1):
            rounds.append({name: measure(process, url, body, 1, max(1, options.seconds // 2), **one)["p50_us"]
                           for name, (process, url) in servers.items()})
        # The first one warms up.
        return rounds[1:]


def measure_model(candor, base, model, directory, options):
    """Every round of one model: echo and candor in turns, bare ONNX Runtime once a round."""
    version = max(path.name for path in (ROOT / "models" / model).iterdir() if (path / "model.onnx").exists())
    contract = json.loads((ROOT / "models" / model / version / "contract.json").read_text())
    body = directory / f"{model}.json"
    body.write_text(json.dumps({"features": contract["examples"][0]}, separators=(",", ":")))
    url = f"{base}/models/{model}/predict"
    answer = post(url, body.read_bytes())
    rounds = []
    echo_command = [str(TARGET / "examples/http_baseline"), str(len(answer))]
    with running(echo_command, stdout=subprocess.PIPE, text=True) as echo:
        servers = {"echo": (echo, f"http://127.0.0.1:{int(echo.stdout.readline())}/predict"), "candor": (candor, url)}
        for process, address in servers.values():
            measure(process, address, body, max(CONNECTIONS), max(1, round(WARM_SECONDS)))
        for number in range(options.rounds):
            found = {"bare": bare(model)}
            for connections in CONNECTIONS:
                for name, (process, address) in servers.items():
                    found[f"{name}/{connections}"] = measure(process, address, body, connections, options.seconds)
            rounds.append(found)
            print(f"{model}: round {number + 1} of {options.rounds}", file=sys.stderr)
    for found, one in zip(rounds, alone(model, body, len(answer), options)):
        found["alone"] = one
    print(f"{model}: on one processor", file=sys.stderr)
    return {"rounds": rounds, "body_bytes": body.stat().st_size, "answer_bytes": len(answer)}


def best_batch(rounds):
    """The batch size with the least processor time a row, and that time; medians over the rounds."""
    medians = {size: statistics.median(found["bare"][size]["cpu_us"] for found in rounds) for size in rounds[0]["bare"]}
    return min(medians.items(), key=lambda item: item[1])


def combined_limit(echo, row_cost_us):
    """Requests a second; `echo` is one measurement of the echo server."""
    return echo["filled"] * 1e6 / (echo["cpu_us"] + row_cost_us)


def table(head, rows):
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])


def report(results):
    """The tables, in Markdown."""
    servers, ratios, bares, added = [], [], [], []
    for model, result in results.items():
        rounds = result["rounds"]
        size, row_cost_us = best_batch(rounds)
        alone = statistics.median(found["bare"]["1"]["cpu_us"] for found in rounds)
        bares.append([model, f"{alone:.1f}", f"{row_cost_us:.1f}", size])
        for place, both, call in (
            ("one", lambda found: (found["alone"]["candor"], found["alone"]["echo"]), "wall_us"),
            ("all", lambda found: (found["candor/1"]["p50_us"], found["echo/1"]["p50_us"]), "paused_us"),
        ):
            parts = [(*both(found), found["bare"]["1"][call]) for found in rounds]
            over = [ours - echo - bare for ours, echo, bare in parts]
            added.append([model, place, *(f"{statistics.median(part):.0f}" for part in zip(*parts)),
                          f"**{statistics.median(over):.0f}**", f"{min(over):.0f} to {max(over):.0f}",
                          f"≤ {ADDED_GOAL_US}"])
        for connections in CONNECTIONS:
            echoes = [found[f"echo/{connections}"] for found in rounds]
            candors = [found[f"candor/{connections}"] for found in rounds]
            for name, found in (("echo", echoes), ("candor", candors)):
                median = {key: statistics.median(one[key] for one in found) for key in found[0]}
                servers.append([model, str(connections), name, f"{median['throughput']:.0f}", f"{median['cpu_us']:.0f}",
                                f"{median['filled']:.2f}", f"{median['p50_us']:.0f}", f"{median['p99_us']:.0f}"])
            limits = [combined_limit(echo, row_cost_us) for echo in echoes]
            shares = [one["throughput"] / limit for one, limit in zip(candors, limits)]
            of_echo = [one["throughput"] / echo["throughput"] for one, echo in zip(candors, echoes)]
            goal = f"≥ {GOAL}" if connections == max(CONNECTIONS) else "none"
            ratios.append([model, str(connections), f"{statistics.median(of_echo):.2f}",
                           f"{statistics.median(limits):.0f}", f"**{statistics.median(shares):.2f}**",
                           f"{min(shares):.2f} to {max(shares):.2f}", goal])
    parts = [
        table(["model", "connections", "candor / echo", "combined limit, requests/s", "candor / combined limit",
               "over the rounds", "goal"], ratios),
        table(["model", "connections", "server", "requests/s", "processor µs a request", "processors filled", "p50 µs",
               "p99 µs"], servers),
        table(["model", "processors", "candor, p50 µs at 1 connection", "echo", "bare call", "added", "over the rounds",
               "goal"], added),
        table(["model", "bare ONNX Runtime, processor µs a row at batch 1", "at its best batch", "best batch"], bares),
    ]
    return "\n\n".join(parts) + "\n"


def main():
    options = parse_arguments()
    # SIGTERM unwinds like Ctrl-C, so that every server is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    port = free_port()
    command = [str(TARGET / "candor"), "serve", "--port", str(port), "--default-model", MODELS[0]]
    base = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as directory, options.log.open("wb") as log, running(command, log) as candor:
        until_ready(candor, f"{base}/readyz")
        results = {model: measure_model(candor, base, model, Path(directory), options) for model in MODELS}
    text = report(results)
    print(text)
    if options.out:
        options.out.write_text(text)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
