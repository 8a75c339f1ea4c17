#!/usr/bin/env python3
"""Runs the workload `spike` on tarn and on Go and prints resident memory over time next to each
other: how fast memory goes back to the system after a spike.

    rss.py FOLDER [--mb N] [--seconds N] [--free] [--svg FILE] [--tarn-debug SETTINGS]

FOLDER holds `workloads` and `workloads-go` (the build's bench folder). --free: the program asks for
it (FreeOsMemory, debug.FreeOSMemory) right after the spike.
Not here: limits (limits_demo.py); other workloads (scripts/bench.sh); the drawing (chart.py).
"""
import argparse
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
import chart  # noqa: E402

SAMPLE = re.compile(r"^~ rss ([\d.]+) s ([\d.]+) MB", re.M)
COLOURS = ["#0b6e4f", "#b5480f", "#37508f"]
TIMES = [0, 0.1, 0.2, 0.5, 1, 2, 3, 5, 7, 10, 15, 20, 30, 60]


def run(program, args, debug):
    env = dict(os.environ, GODEBUG=debug, GOGC="100")
    text = [str(args.mb), str(args.seconds), "1" if args.free else "0"]
    done = subprocess.run([program, "spike", *text], env=env, check=True, capture_output=True,
                          text=True)
    return [(float(t), float(mb)) for t, mb in SAMPLE.findall(done.stdout)]


def at(samples, time):
    """The last sample that is not later."""
    return [mb for t, mb in samples if t <= time + 0.05][-1]


def table(peers, seconds):
    rows = [["seconds", *[name for name, _ in peers]]]
    for time in [t for t in TIMES if t <= seconds]:
        rows.append([f"{time:g}", *[f"{at(samples, time):.0f}" for _, samples in peers]])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(c.rjust(w) for c, w in zip(row, widths)) for row in rows)


def svg(peers, seconds, title):
    lines = [chart.Line(name, colour, [(t, mb) for t, mb in samples if t <= seconds])
             for (name, samples), colour in zip(peers, COLOURS)]
    return chart.draw(title, lines, "seconds after the spike", "resident memory, MB")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--mb", type=int, default=1024)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--free", action="store_true")
    parser.add_argument("--svg", metavar="FILE")
    parser.add_argument("--tarn-debug", default="", metavar="SETTINGS",
                        help="GODEBUG settings for tarn only")
    args = parser.parse_args()
    peers = []
    for name, program, debug in [("tarn", "workloads", args.tarn_debug), ("Go", "workloads-go", "")]:
        path = os.path.join(args.folder, program)
        if os.path.exists(path):
            peers.append((name, run(path, args, debug)))
    print(table(peers, args.seconds))
    if args.svg:
        with open(args.svg, "w", encoding="utf-8") as file:
            when = "dropped, then given back on request" if args.free else "dropped"
            file.write(svg(peers, args.seconds, f"{args.mb} MB {when}"))


if __name__ == "__main__":
    sys.exit(main())
