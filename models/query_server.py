"""A server of its own, asked over HTTP: what is measured of answers is measured of those that callers get."""

import http.client
import json
import subprocess


def answers(candor, models, path, rows):
    """The answer of a server over these models to each row, posted to this path."""
    process = subprocess.Popen(
        [candor, "serve", "--port", "0", str(models)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    try:
        address = None
        for line in process.stderr:
            event = json.loads(line)
            if event["message"] == "listening":
                address = event["address"]
            if event["message"].startswith(("try: ", "no model")):
                break
        connection = http.client.HTTPConnection(address)
        found = []
        for row in rows:
            connection.request("POST", path, json.dumps({"features": row}), {"content-type": "application/json"})
            response = connection.getresponse()
            answer = json.loads(response.read())
            if response.status != 200:
                raise SystemExit(f"{response.status}: {answer}")
            found.append(answer)
        return found
    finally:
        process.terminate()
        process.communicate()
