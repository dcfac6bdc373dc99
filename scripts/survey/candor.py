"""Runs `candor check` and `candor serve`, and sends requests over HTTP. Every step has a time limit."""

import http.client
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from cases import ROOT

CHECK_LIMIT = 90
START_LIMIT = 90
ANSWER_LIMIT = 60
STOP_LIMIT = 10
# The default of `http.max_body_bytes`.
DEFAULT_BODY = 1 << 20


@dataclass
class Answer:
    """The response to one instance."""

    status: int
    body: dict


@dataclass
class Session:
    """One model, checked and served: the reason of a refusal, or its contract and an answer for each instance."""

    refused: str | None = None
    contract: dict | None = None
    answers: list = field(default_factory=list)
    # Set if `check` and `serve` disagree.
    disagreement: str | None = None


class Candor:
    """The binary under test, and the folder for its logs."""

    def __init__(self, program, logs):
        self.program = Path(program).resolve()
        self.logs = logs
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("CANDOR_")}
        self.environment.setdefault("ORT_DYLIB_PATH", str(fetched_library()))
        logs.mkdir(parents=True, exist_ok=True)

    def version(self):
        return self._run(["--version"], CHECK_LIMIT)[1].strip()

    def ask(self, name, path, instances, settings=()):
        """Checks and serves the model at `path`, and sends the instances that `instances` builds from its contract."""
        checked = self._check(path)
        session = Session()
        log = self.logs / f"{name}.log"
        with open(log, "wb") as sink:
            command = [self.program, "serve", str(path), "--port", "0", *(f"--set={setting}" for setting in settings)]
            server = subprocess.Popen(
                command,
                cwd=self.logs,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=sink,
            )
            try:
                self._talk(server, log, session, instances)
            except (OSError, http.client.HTTPException, ValueError) as error:
                session.refused = f"the server did not answer: {type(error).__name__} {error}; exit code {server.poll()}"
            finally:
                stop(server)
        if (checked is None) != (session.refused is None):
            session.disagreement = f"check: {checked or 'ok'}; serve: {session.refused or 'ready'}"
        session.refused = session.refused and (checked or session.refused)
        return session

    def _run(self, arguments, limit):
        try:
            done = subprocess.run(
                [self.program, *arguments],
                cwd=self.logs,
                env=self.environment,
                timeout=limit,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        except subprocess.TimeoutExpired:
            return None, f"no end within {limit} s"
        return done.returncode, done.stdout.decode("utf-8", "replace")

    def _check(self, path):
        """The reason why `candor check` refuses the model; None if it does not."""
        code, text = self._run(["check", str(path)], CHECK_LIMIT)
        if code == 0:
            return None
        lines = [line.strip() for line in text.splitlines()]
        refused = next((at for at, line in enumerate(lines) if line.startswith("REFUSED")), None)
        if code is None or code < 0 or refused is None:
            return f"candor check: exit code {code}: {text.strip()[-300:]}"
        faults = [line for line in lines[refused + 1 :] if line and not re.match(r"(note|warning): |\d+ good, ", line)]
        return without_path("; ".join(faults), path)

    def _talk(self, server, log, session, instances):
        address = wait_for_address(server, log)
        connection = http.client.HTTPConnection(address, timeout=ANSWER_LIMIT)
        model = wait_for_model(server, connection)
        if "reason" in model:
            session.refused = model["reason"]
            return
        name = model["name"]
        session.contract = json.loads(get(connection, f"/models/{name}/contract"))
        for instance in instances(session.contract):
            session.answers.append(predict(address, name, instance))


def fetched_library():
    """The library that `make runtime` fetches."""
    return ROOT / ".onnxruntime" / ("libonnxruntime.dylib" if sys.platform == "darwin" else "libonnxruntime.so")


def get(connection, path):
    connection.request("GET", path)
    return connection.getresponse().read()


def predict(address, model, instance):
    """Sends one request on its own connection, because the server closes the connection while it refuses a large body."""
    connection = http.client.HTTPConnection(address, timeout=ANSWER_LIMIT)
    body = json.dumps({"features": instance}, allow_nan=False, separators=(",", ":"))
    try:
        connection.request("POST", f"/models/{model}/predict", body, {"content-type": "application/json"})
    except (BrokenPipeError, ConnectionResetError):
        pass
    try:
        response = connection.getresponse()
        return Answer(response.status, json.loads(response.read()))
    except (ConnectionError, http.client.HTTPException) as error:
        # The response may be lost with the connection.
        if len(body) > DEFAULT_BODY:
            return Answer(413, {"code": "body_too_large", "detail": f"{type(error).__name__} while {len(body)} bytes were sent"})
        raise
    finally:
        connection.close()


def wait_for_address(server, log):
    """The address in the `listening` line of the log."""
    until = time.monotonic() + START_LIMIT
    while time.monotonic() < until and server.poll() is None:
        found = re.search(rb'"message":"listening","address":"([^"]+)"', log.read_bytes())
        if found:
            return found[1].decode()
        time.sleep(0.01)
    last = log.read_bytes().decode("utf-8", "replace").strip().splitlines()[-1:]
    raise ValueError(f"it does not listen: {''.join(last)[:300]}")


def wait_for_model(server, connection):
    """Waits until the model is ready or refused: its name, and the reason if it is refused."""
    until = time.monotonic() + START_LIMIT
    while time.monotonic() < until and server.poll() is None:
        found = json.loads(get(connection, "/models"))["models"]
        state = found[0]["versions"][0]["state"] if found and found[0]["versions"] else "loading"
        if state == "ready":
            return {"name": found[0]["name"]}
        if state != "loading":
            version = json.loads(get(connection, f"/models/{found[0]['name']}/versions/{found[0]['versions'][0]['version']}"))
            return {"name": found[0]["name"], "reason": "; ".join(version.get("reasons") or [state])}
        time.sleep(0.01)
    raise ValueError(f"the model is neither ready nor refused after {START_LIMIT} s")


def stop(server):
    if server.poll() is None:
        server.terminate()
        try:
            server.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def without_path(text, path):
    """A message without the path of the model and without ONNX Runtime's boilerplate for a failed node."""
    text = re.sub(r"Non-zero status code returned while running (\w+) node\. Name:'[^']*' Status Message: ", r"\1: ", text)
    text = re.sub(r"/onnxruntime_src/\S+ (?:virtual )?[^\[]*(?:\[ONNXRuntimeError\] : \d+ : \w+ : )?", "", text)
    for prefix in (f"{path}/1/", f"{path}/", f"{path}"):
        text = text.replace(f"{prefix}: ", "").replace(prefix, "")
    return text
