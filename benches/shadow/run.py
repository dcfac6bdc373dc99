"""What a shadow costs the answered requests: `make bench-shadow`.

One server, one model of two versions; wrk asks with 1, 8 and 64 connections while the shadow is off and on in turn,
so that both are measured on the same process. Prints a Markdown table: the ratio of the throughputs (median of the
pairs, with the smallest and the largest), and what became of the copies.

Usage: benches/shadow/run.py CANDOR [--rounds 8] [--seconds 3] [--out FILE]
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "bench"
OUTCOMES = ("agree", "disagree", "undecided", "error", "dropped")


class Server:
    """The program over a copy of a bundled model, with an admin listener."""

    def __init__(self, program, directory):
        version = Path(directory) / "models" / "churn"
        shutil.copytree(ROOT / "models/churn/1", version / "1")
        shutil.copytree(ROOT / "models/churn/2", version / "2")
        digest = hashlib.sha256(TOKEN.encode()).hexdigest()
        tokens = Path(directory) / "admin.toml"
        tokens.write_text(f'[[caller]]\nname = "bench"\ntoken_sha256 = "{digest}"\n')
        command = [program, "serve", str(version.parent), "--port", "0"]
        for setting in (f"admin.tokens_file={tokens}", "admin.port=0", "telemetry.log_format=json", "http.busy_poll_us=0"):
            command += ["--set", setting]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("CANDOR_")}
        self.body = str(Path(directory) / "body.json")
        Path(self.body).write_text(BODY)
        log = open(Path(directory) / "log", "w+b")
        self.process = subprocess.Popen(command, stderr=log, env=environment)
        self.address = self.admin = None
        while not (self.address and self.admin and self.ready()):
            if self.process.poll() is not None:
                sys.exit(f"the server ended: {(Path(directory) / 'log').read_text()[-2000:]}")
            for line in (Path(directory) / "log").read_text().splitlines():
                line = json.loads(line)
                if line.get("message") == "listening":
                    self.address = line["address"]
                if line.get("message") == "admin listening":
                    self.admin = line["address"]
            time.sleep(0.05)

    def ready(self):
        try:
            return urllib.request.urlopen(f"http://{self.address}/readyz").status == 200
        except OSError:
            return False

    def move(self, name, **body):
        body = json.dumps({"why": "bench", **body}).encode()
        headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
        url = f"http://{self.admin}/admin/models/churn/{name}"
        urllib.request.urlopen(urllib.request.Request(url, body, headers)).read()

    def copies(self):
        text = urllib.request.urlopen(f"http://{self.address}/metrics").read().decode()
        found = dict(re.findall(r'candor_shadow_rows_total\{[^}]*outcome="(\w+)"[^}]*\} (\d+)', text))
        return {name: int(found.get(name, 0)) for name in OUTCOMES}

    def throughput(self, connections, seconds):
        url = f"http://{self.address}/predict"
        script = str(ROOT / "benches/load/post.lua")
        command = ["wrk", "-t1", "-c", str(connections), "-d", f"{seconds}s", "-s", script, url, "--", self.body]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found = json.loads(said.splitlines()[-1])
        if found["faults"]:
            sys.exit(f"requests failed: {said}")
        return found["requests"] / found["us"] * 1e6


BODY = json.dumps({"features": {"tenure_months": 4, "monthly_charge": 79.5, "plan": "basic"}})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--out")
    options = parser.parse_args()
    lines = [
        "| connections | requests a second without | with / without | smallest, largest | copies compared | copies dropped |",
        "|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as directory:
        server = Server(options.program, directory)
        server.move("promote", version="1", force=True)
        server.throughput(8, 1)
        for connections in (1, 8, 64):
            ratios, without, before = [], [], server.copies()
            for index in range(options.rounds):
                measured = {}
                for shadow in (False, True) if index % 2 == 0 else (True, False):
                    server.move("shadow", **({"version": "2"} if shadow else {"off": True}))
                    measured[shadow] = server.throughput(connections, options.seconds)
                ratios.append(measured[True] / measured[False])
                without.append(measured[False])
                print(f"{connections} connections, round {index + 1}: {ratios[-1]:.3f}", file=sys.stderr)
            after = server.copies()
            counted = {name: after[name] - before[name] for name in OUTCOMES}
            total = max(sum(counted.values()), 1)
            compared = total - counted["dropped"]
            lines.append(
                f"| {connections} | {statistics.median(without):,.0f} | {statistics.median(ratios):.3f} "
                f"| {min(ratios):.3f}, {max(ratios):.3f} | {compared / total:.0%} | {counted['dropped'] / total:.0%} |"
            )
        server.process.terminate()
        server.process.wait()
    table = "\n".join(lines) + "\n"
    print(table)
    if options.out:
        Path(options.out).write_text(table)


main()
