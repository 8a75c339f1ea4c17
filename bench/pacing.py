#!/usr/bin/env python3
"""Runs the workload `pacing` on tarn and on Go with GODEBUG=gctrace=1 and prints both next to each
other: collections, the heap at the end of marking over the goal (median, highest), the collector's
share of the CPU, wall time, peak resident memory.

    pacing.py FOLDER [--mb N] [--tarn-debug SETTINGS] [SHAPE...]

FOLDER holds `workloads` and `workloads-go` (the build's bench folder). Collections with a goal
below 16 MB are left out of the ratios: the trace has whole megabytes.
Not here: other workloads (scripts/bench.sh).
"""
import argparse
import os
import re
import statistics
import subprocess
import sys

TRACE = re.compile(r"^gc (\d+) @([\d.]+)s (\d+)%: .* (\d+)->(\d+)->(\d+) MB, (\d+) MB goal")
SHAPES = ["steady", "growing", "shrinking", "bursty"]


class Run:
    """What one run printed."""

    def __init__(self, stdout, stderr):
        cycles = [TRACE.match(line) for line in stderr.splitlines()]
        self.cycles = [[float(x) for x in m.groups()] for m in cycles if m]
        self.seconds = float(re.search(r"^TOTAL ([\d.]+) s", stdout, re.M).group(1))
        self.rss = int(re.search(r"^~ peak RSS: (\d+) MB", stdout, re.M).group(1))

    def cells(self):
        over = [end / goal for *_, end, _, goal in self.cycles if goal >= 16]
        ratios = f"{statistics.median(over):.2f} {max(over):.2f}" if over else "- -"
        cpu = f"{self.cycles[-1][2]:.0f}%" if self.cycles else "-"
        return [str(len(self.cycles)), *ratios.split(), cpu, f"{self.seconds:.2f}", str(self.rss)]


def run(program, shape, mb, debug):
    settings = ",".join(["gctrace=1"] + ([debug] if debug else []))
    env = dict(os.environ, GODEBUG=settings)
    done = subprocess.run([program, "pacing", shape, str(mb)], env=env, check=True,
                          capture_output=True, text=True)
    return Run(done.stdout, done.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("shapes", nargs="*", metavar="SHAPE")
    parser.add_argument("--mb", type=int, default=64)
    parser.add_argument("--tarn-debug", default="", metavar="SETTINGS",
                        help="GODEBUG settings for tarn only")
    args = parser.parse_args()
    peers = [("tarn", "workloads", args.tarn_debug), ("Go", "workloads-go", "")]
    head = ["shape", "heap", "cycles", "end/goal", "highest", "GC CPU", "seconds", "RSS MB"]
    rows = [head]
    for shape in args.shapes or SHAPES:
        for name, program, debug in peers:
            path = os.path.join(args.folder, program)
            if os.path.exists(path):
                rows.append([shape, name] + run(path, shape, args.mb, debug).cells())
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


if __name__ == "__main__":
    sys.exit(main())
