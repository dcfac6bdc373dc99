"""What callers notice of moves: three models under constant load, without moves and with moves.

usage: run.py [--out FILE] [--seconds N] [--rate N] [--moves N]

An open loop asks the three models in turn for N seconds without moves, then for N seconds with moves, at the same rate: versions
are added, promoted, rolled back, replaced, broken and removed. Each version adds a constant of its own and names it in
`training_data`, so that an answer shows which files it comes from; a second client checks answers all the time. Prints a Markdown
table. `make bench-moves` builds what it needs; CANDOR and
GENERATOR name other binaries, such as those of a debug build.
"""

import argparse
import hashlib
import http.client
import json
import math
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "overload"))

import server as overload  # noqa: E402  (from benches/overload)

PLACE = overload.TARGET / "moves"
MODELS = ("a", "b", "c")
GOAL = 1.1
TOKEN = "moves"
BODY = json.dumps({"features": {"x": 1}})


def graph(constant: float) -> bytes:
    """The graph of y = x + constant."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    column = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 1]) for name in "xy"]
    weights = [numpy_helper.from_array(np.array([[constant]], np.float32), "c")]
    body = helper.make_graph([helper.make_node("Add", ["x", "c"], ["y"])], "adder", column[:1], column[1:], weights)
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def write(version: pathlib.Path, constant: int, fault: str = "") -> None:
    """Writes a version, file by file and in place, as a copy does."""
    features = {"x": {"type": "number"}}
    contract = {
        "title": "adder", "type": "object", "properties": features, "required": ["x"], "additionalProperties": False,
        "x-inputs": [{"tensor": "x", "features": ["x"]}],
        "x-output": {"task": "regression", "value": {"tensor": "y"}},
    }
    expected = constant + (2 if fault == "golden" else 1)
    golden = {"features": {"x": 1}, "expect": {"prediction": expected}}
    files = {
        "model.onnx": graph(constant),
        "contract.json": json.dumps(contract).encode(),
        "golden.jsonl": (json.dumps(golden) + "\n").encode(),
    }
    listed = {name: "sha256:" + hashlib.sha256(content).hexdigest() for name, content in files.items()}
    if fault == "truncated":
        files["model.onnx"] = files["model.onnx"][:60]
    if fault == "digest":
        files["contract.json"] += b" "
    files["version.json"] = json.dumps({"training_data": {"tag": f"adds-{constant}"}, "files": listed}).encode()
    version.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (version / name).write_bytes(content)


class Server(overload.Server):
    """A server over the three models, with an admin listener."""

    def __init__(self) -> None:
        self.models = PLACE / "models"
        shutil.rmtree(PLACE, ignore_errors=True)
        for index, model in enumerate(MODELS):
            write(self.models / model / "1", constant(index, 1, 0))
        tokens = PLACE / "admins.toml"
        digest = hashlib.sha256(TOKEN.encode()).hexdigest()
        tokens.write_text(f'[[caller]]\nname = "bench"\ntoken_sha256 = "{digest}"\n')
        self.log = PLACE / "log"
        settings = [f"admin.tokens_file={tokens}", "admin.port=0", "repository.settle_ms=200", "repository.poll_interval_ms=500"]
        command = [overload.CANDOR, "serve", self.models, "--port", "0", *(part for one in settings for part in ("--set", one))]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=overload.ROOT)
        self.started = time.time()
        self.port = self.listening("listening")
        self.admin = http.client.HTTPConnection("127.0.0.1", self.listening("admin listening"), timeout=30)
        until("the models are ready", lambda: all(self.state(model, 1)[0] == "ready" for model in MODELS))

    def listening(self, message: str) -> int:
        def found() -> list[str]:
            return [line["address"] for line in self.log_since(0) if line.get("message") == message]

        until(f"it is {message}", found)
        return int(found()[0].rpartition(":")[2])

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, dict]:
        headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
        self.admin.request(method, path, json.dumps(body or {}), headers)
        answer = self.admin.getresponse()
        return answer.status, json.loads(answer.read())

    def move(self, model: str, name: str, body: dict) -> None:
        status, answer = self.ask("POST", f"/admin/models/{model}/{name}", body)
        if status != 200:
            raise SystemExit(f"{name} {model} {body}: {answer}")

    def state(self, model: str, version: int) -> tuple[str, list[str]]:
        _, rollout = self.ask("GET", f"/admin/models/{model}")
        for entry in rollout.get("versions", []):
            if entry["version"] == str(version):
                return entry["state"], entry["reasons"]
        return "absent", []


def constant(model: int, version: int, revision: int) -> int:
    """The model, the version and the revision of its files, in one number that 32-bit floats hold."""
    return (model + 1) * 1_000_000 + version * 10 + revision


def until(what: str, condition: object, seconds: float = 60.0) -> None:
    began = time.time()
    while not condition():
        if time.time() - began > seconds:
            raise SystemExit(f"timed out waiting until {what}")
        time.sleep(0.005)


class Checker:
    """Asks the models in turn and reads every answer: a good one, wholly of one version. Leaves as a context."""

    def __init__(self, server: Server):
        self.server, self.failures, self.count, self.latest = server, [], 0, {}
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def check(self, index: int, status: int, text: bytes) -> None:
        answer = json.loads(text)
        if status == 200:
            found = round(answer["prediction"]) - 1
            whole = answer["training_data"] == f"adds-{found}" and found // 1_000_000 == index + 1
            if whole and found % 1_000_000 // 10 == int(answer["model_version"]):
                self.latest[index] = found
                return
        self.failures.append(f"{MODELS[index]}: {status} {text.decode()}")

    def run(self) -> None:
        connection = self.server.connect()
        while not self.done.is_set():
            index = self.count % len(MODELS)
            try:
                connection.request("POST", f"/models/{MODELS[index]}/predict", BODY, {"content-type": "application/json"})
                answer = connection.getresponse()
                self.check(index, answer.status, answer.read())
            except OSError as error:
                self.failures.append(f"{MODELS[index]}: {error!r}")
                connection = self.server.connect()
            self.count += 1
            time.sleep(0.005)

    def __enter__(self) -> "Checker":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.thread.join(10)


class Operator:
    """Makes the moves of all models, one after the other, spread over the time that there is."""

    def __init__(self, server: Server, checker: Checker, moves: int, seconds: float):
        self.server, self.checker, self.wanted, self.seconds = server, checker, moves, seconds
        self.made, self.began, self.late = 0, time.time(), 0.0
        self.counts: dict[str, int] = {}
        self.at = {index: 1 for index in range(len(MODELS))}

    def pace(self, kind: str) -> None:
        self.made += 1
        self.counts[kind] = self.counts.get(kind, 0) + 1
        due = self.began + self.made * self.seconds / self.wanted
        self.late = max(self.late, time.time() - due)
        time.sleep(max(0.0, due - time.time()))

    def served(self, index: int, version: int, revision: int) -> None:
        expected = constant(index, version, revision)
        until(f"{MODELS[index]} answers {expected}", lambda: self.checker.latest.get(index) == expected)

    def round(self, index: int) -> None:
        model, old, new = MODELS[index], self.at[index], self.at[index] + 1
        place, server = self.server.models / model, self.server

        def write_new(revision: int, fault: str = "") -> None:
            write(place / str(new), constant(index, new, revision), fault)

        fault = ("truncated", "digest", "golden")[new % 3]
        write_new(0, fault)
        until("it is unavailable", lambda: server.state(model, new)[0] == "unavailable")
        self.pace("break")
        write_new(1)
        until("it is ready", lambda: server.state(model, new)[0] == "ready")
        self.pace("add")
        server.move(model, "promote", {"version": str(new)})
        self.served(index, new, 1)
        self.pace("promote")
        server.move(model, "rollback", {"from": str(new)})
        self.served(index, old, 2 if old > 1 else 0)
        self.pace("roll back")
        server.move(model, "promote", {"version": str(new)})
        self.served(index, new, 1)
        self.pace("promote")
        write_new(2)
        self.served(index, new, 2)
        self.pace("replace")
        if old > 1:
            shutil.rmtree(place / str(old - 1))
            until("it is gone", lambda: server.state(model, old - 1)[0] == "absent")
            self.pace("remove")
        self.at[index] = new

    def work(self) -> None:
        index = 0
        while self.made < self.wanted:
            self.round(index % len(MODELS))
            index += 1


def measure(server: Server, requests: pathlib.Path, options: argparse.Namespace, moves: int) -> dict:
    """One step: the generator's report, with what the checker and the operator found."""
    with Checker(server) as checker:
        report: dict = {}
        # A little longer than the load, so that the generator is never alone.
        loading = threading.Thread(
            target=lambda: report.update(server.load(requests, rate=options.rate, seconds=options.seconds, connections=64))
        )
        loading.start()
        operator = Operator(server, checker, max(moves, 1), options.seconds * 0.9)
        if moves:
            operator.work()
        loading.join()
    bad = sum(report["refused"].values()) + sum(report["other"].values())
    report["failures"] = bad + report["broken"] + report["unanswered"] + report["unsent"] + len(checker.failures)
    return report | {"checker": checker, "operator": operator}


def ms(micros: float) -> str:
    return f"{micros / 1000:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--out")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, default=2000)
    parser.add_argument("--moves", type=int, default=100)
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with Server() as server:
        lines = [f"/models/{model}/predict {BODY}" for model in MODELS]
        requests = PLACE / "requests"
        requests.write_text("\n".join(lines) + "\n")
        server.load(requests, rate=options.rate, seconds=min(3.0, options.seconds), connections=64)
        quiet = measure(server, requests, options, 0)
        moved = measure(server, requests, options, options.moves)
    operator = moved["operator"]
    ratio = moved["latency_us"]["p99"] / max(quiet["latency_us"]["p99"], 1e-9)
    rows = []
    for name, step in (("none", quiet), (str(operator.made), moved)):
        latency = step["latency_us"]
        times = [ms(latency[key]) for key in ("p50", "p90", "p99", "p999")]
        processors = [f"{step[key]:.2f}" for key in ("server_processors", "generator_processors", "other_processors")]
        rows.append([name, step["sent"], step["failures"], step["checker"].count, *times, *processors])
    head = ["moves", "requests", "failures", "read in full", "p50", "p90", "p99", "p99.9", "server CPUs", "generator CPUs", "other CPUs"]
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(operator.counts.items()))
    text = f"{overload.PROCESSORS} processors, load average before {load:.1f}; three models, {options.rate:g} requests/s, "
    text += f"{options.seconds:g} s each. Times in milliseconds, from the intended start.\n\n"
    lines = [head, ["---"] * len(head), *rows]
    text += "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
    text += f"\n\np99 with moves is {ratio:.2f} times p99 without (goal: at most {GOAL}). Moves: {kinds}.\n"
    found = quiet["checker"].failures + moved["checker"].failures
    faults = [f"{step['failures']} failures" for step in (quiet, moved) if step["failures"]] + found[:5]
    if math.isnan(ratio) or ratio > GOAL:
        faults.append(f"p99 is {ratio:.2f} times as high")
    text += "".join(f"\n**Broken promise:** {fault}\n" for fault in faults)
    print(text)
    if options.out:
        pathlib.Path(options.out).write_text(text)
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
