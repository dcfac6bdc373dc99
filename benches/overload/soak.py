"""Whether the server's memory stays where it was.

usage: soak.py [--requests N] [--out FILE]

Asks `churn`, `digits` and, now and then, `heavy` N times (a million unless told otherwise) from 1 to 64 callers, so that
batches of every size are formed. Resident memory at the end is compared with that after 10 000 requests;
more than 10 % apart fails. `make bench-soak` builds what it needs.
"""

import argparse
import json
import sys
import time

from server import PLACE, Server, bodies

# The share of a round that each number of callers sends.
ROUND = ((64, 0.2), (1, 0.05), (32, 0.2), (2, 0.05), (16, 0.2), (4, 0.1), (8, 0.2))
# One request in so many is for `heavy`.
RARE = 20


def mixed() -> str:
    churn, digits, heavy = bodies("churn"), bodies("digits"), bodies("heavy")
    lines = []
    for index in range(RARE * 100):
        model, rows = ("heavy", heavy) if index % RARE == RARE - 1 else ("digits", digits) if index % 3 == 0 else ("churn", churn)
        lines.append(f"/models/{model}/predict {rows[index % len(rows)]}")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--out")
    options = parser.parse_args()
    path = PLACE / "mixed.requests"
    path.write_text(mixed())
    rows, sent, mark = [], 0, min(10_000, options.requests // 4)

    with Server(["churn", "digits", "heavy"]) as server:

        def send(count: int, connections: int) -> None:
            nonlocal sent
            report = server.load(path, connections=connections, seconds=3600, count=count)
            if report["answered"] != count:
                raise SystemExit(f"not every request was answered: {json.dumps(report)}")
            sent += count
            memory = server.memory()
            rows.append((sent, connections, f"{report['answered_per_second']:.0f}", f"{memory:.1f}"))
            print(*rows[-1], sep="\t", flush=True)

        began, start = time.time(), server.memory()
        print("requests", "callers", "per second", "memory MB", sep="\t")
        # The first part is a whole round, so that every size of batch has been seen.
        for connections, share in ROUND:
            send(round(mark * share), connections)
        early = server.memory()
        rest = options.requests - sent
        for connections, share in ROUND * 3:
            send(round(rest * share / 3), connections)
        late, took = server.memory(), time.time() - began

    change = late / early - 1
    text = f"Resident memory: {start:.1f} MB when every model had answered once, {early:.1f} MB after {mark} requests, "
    text += f"{late:.1f} MB after {sent} ({change:+.1%}); {took:.0f} s.\n\n"
    text += "| requests | callers | requests/s | memory MB |\n| --- | --- | --- | --- |\n"
    text += "".join("| " + " | ".join(map(str, row)) + " |\n" for row in rows)
    print(text)
    if options.out:
        with open(options.out, "w") as out:
            out.write(text)
    if change > 0.1:
        sys.exit("resident memory grew by more than 10 %")


if __name__ == "__main__":
    main()
