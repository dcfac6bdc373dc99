"""A `candor serve` under measurement, and the load generator before it. Standard library only."""

import datetime
import http.client
import json
import os
import pathlib
import resource
import shutil
import socket
import statistics
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
PLACE = TARGET / "overload"
CANDOR = pathlib.Path(os.environ.get("CANDOR", TARGET / "dist" / "candor"))
GENERATOR = pathlib.Path(os.environ.get("GENERATOR", TARGET / "dist" / "examples" / "overload-generator"))
TICKS = os.sysconf("SC_CLK_TCK")


def busy_seconds() -> float:
    """What all processors have worked, for whomever."""
    fields = pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    return sum(int(field) for index, field in enumerate(fields[:8]) if index not in (3, 4)) / TICKS


def go_first(process: int) -> bool:
    """Lets a process have a processor before everyone else, as if it were on another machine. Whether it may."""
    try:
        os.sched_setscheduler(process, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        return False
    return True


def may_go_first() -> bool:
    """Whether generators may have a processor before everyone else."""
    with subprocess.Popen(["sleep", "0.1"]) as process:
        return go_first(process.pid)


def repository(models: list[str]) -> pathlib.Path:
    """A directory of these models, each from `models/` or, for `heavy`, from what heavy.py wrote."""
    place = PLACE / "-".join(["models", *models])
    shutil.rmtree(place, ignore_errors=True)
    for model in models:
        if model == "heavy":
            version = place / "heavy" / "1"
            version.mkdir(parents=True)
            shutil.copy(PLACE / "heavy.onnx", version / "model.onnx")
        else:
            shutil.copytree(ROOT / "models" / model, place / model)
    return place


def bodies(model: str) -> list[str]:
    """Requests of a model: its golden cases, or for `heavy` some rows."""
    if model == "heavy":
        rows = [[round((row * 7 + column * 3) % 11 / 10 - 0.5, 2) for column in range(16)] for row in range(20)]
        return [json.dumps({"features": row}) for row in rows]
    golden = sorted((ROOT / "models" / model).glob("*/golden.jsonl"))[-1]
    return [json.dumps({"features": json.loads(line)["features"]}) for line in golden.read_text().splitlines()]


def requests(name: str, models: list[str]) -> pathlib.Path:
    """A file of requests for the generator, the models in turn as they stand."""
    rows = [[f"/models/{model}/predict {body}" for body in bodies(model)] for model in models]
    lines = [row[index % len(row)] for index in range(max(map(len, rows))) for row in rows]
    path = PLACE / f"{name}.requests"
    path.write_text("\n".join(lines) + "\n")
    return path


class Server:
    """A server with a log file; leaves as a context."""

    def __init__(self, models: list[str], wait: bool = True, environment: dict[str, str] | None = None):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.log = PLACE / f"{'-'.join(models)}.log"
        with self.log.open("w") as log:
            command = [CANDOR, "serve", repository(models), "--port", str(self.port), "--default-model", models[0]]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT, env=os.environ | (environment or {}))
        self.started = time.time()
        if wait:
            for model in models:
                self.until_answered(model)

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def post(self, connection: http.client.HTTPConnection, model: str) -> tuple[int, float]:
        """The status of one request, and the seconds it took."""
        began = time.perf_counter()
        connection.request("POST", f"/models/{model}/predict", bodies(model)[0], {"content-type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        return answer.status, time.perf_counter() - began

    def body(self, model: str) -> dict:
        """The answer to the model's first request."""
        connection = self.connect()
        connection.request("POST", f"/models/{model}/predict", bodies(model)[0], {"content-type": "application/json"})
        return json.loads(connection.getresponse().read())

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)

    def until_answered(self, model: str, seconds: float = 60, pause: float = 0.005) -> float:
        """Waits until a model answers; returns how long after the start that was."""
        last = None
        while time.time() < self.started + seconds:
            if self.process.poll() is not None:
                break
            try:
                last, _ = self.post(self.connect(), model)
                if last == 200:
                    return time.time() - self.started
            except OSError:
                pass
            time.sleep(pause)
        raise SystemExit(f"{model} did not answer ({last}); the log is {self.log}\n{self.log.read_text()[-2000:]}")

    def memory(self) -> float:
        """Resident memory, in MB."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def processor_seconds(self) -> float:
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def log_since(self, offset: int) -> list[dict]:
        """What the server logged after this place of its log."""
        with self.log.open("rb") as log:
            log.seek(offset)
            return [json.loads(line) for line in log.read().splitlines() if line.startswith(b"{") and line.endswith(b"}")]

    def loaded(self, model: str) -> float:
        """When a model was there, by the log, in seconds since 1970."""
        lines = (line for line in self.log_since(0) if line.get("message") == "loaded" and line["model"] == model)
        return datetime.datetime.fromisoformat(next(lines)["timestamp"]).timestamp()

    def load(self, requests: pathlib.Path, port: int = 0, first: bool = False, **flags: object) -> dict:
        """Runs the generator, at another server's port where one is given, and returns its report with the processors' time
        that this server and the generator took. With `first` it gets a processor before everyone else, where it may."""
        text = [f"--{name.replace('_', '-')}={value}" for name, value in flags.items()]
        began = time.perf_counter()
        server, machine, own = self.processor_seconds(), busy_seconds(), resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [GENERATOR, f"--address=127.0.0.1:{port or self.port}", f"--requests={requests}", *text]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as generator:
            if first:
                go_first(generator.pid)
            output, _ = generator.communicate()
        if generator.returncode != 0:
            raise subprocess.CalledProcessError(generator.returncode, command)
        report = json.loads(output)
        took = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        machine = (busy_seconds() - machine) / took
        report["server_processors"] = (self.processor_seconds() - server) / took
        spent = after.ru_utime + after.ru_stime - own.ru_utime - own.ru_stime
        report["generator_processors"] = spent / took
        # What the machine did besides: others who share it.
        report["other_processors"] = max(0.0, machine - report["server_processors"] - report["generator_processors"])
        return report

    def probe(self, model: str, count: int, pause: float = 0.02) -> list[tuple[float, float, int]]:
        """Asks every 20 ms: when each began, how long it took, and its status."""
        connection, found = self.connect(), []
        for _ in range(count):
            began = time.perf_counter()
            status, took = self.post(connection, model)
            found.append((began, took, status))
            time.sleep(max(0.0, began + pause - time.perf_counter()))
        return found

    def recovery(self, model: str, normal: float, limit: float = 5.0) -> float | None:
        """Seconds until the latency is within 1.5 times the normal one: the first probe from which the median of five is."""
        found = []
        connection, began = self.connect(), time.perf_counter()
        while time.perf_counter() - began < limit:
            at = time.perf_counter()
            status, took = self.post(connection, model)
            found.append((at - began, took if status == 200 else limit))
            if len(found) >= 5 and statistics.median(took for _, took in found[-5:]) <= 1.5 * normal:
                return found[-5][0]
            time.sleep(max(0.0, at + 0.02 - time.perf_counter()))
        return None


class Health:
    """Asks for the server's health all the time; leaves as a context with what was found."""

    def __init__(self, server: Server):
        self.server, self.asked, self.failed, self.slowest = server, 0, 0, 0.0
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self) -> None:
        connection = self.server.connect()
        while not self.done.wait(0.05):
            began = time.perf_counter()
            self.asked += 1
            try:
                connection.request("GET", "/livez")
                answer = connection.getresponse()
                answer.read()
                self.failed += answer.status != 200
            except OSError:
                self.failed += 1
                connection = self.server.connect()
            self.slowest = max(self.slowest, time.perf_counter() - began)

    def __enter__(self) -> "Health":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.thread.join(10)
