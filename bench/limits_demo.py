#!/usr/bin/env python3
"""Runs the program `limits_demo` twice, samples its resident memory (RSS) and its share of it (PSS)
from /proc/PID/smaps_rollup, and draws both against what it keeps, its heap goal and its limits.

    limits_demo.py PROGRAM FOLDER [--smoke]

Writes FOLDER/limits_spike.svg and FOLDER/limits_leak.svg and prints what they show in numbers.
--smoke: the same for seconds and megabytes, then reads the files as XML.
Not here: the drawing (chart.py), tarn beside Go (rss.py).
"""
import argparse
import os
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree

sys.dont_write_bytecode = True
import chart  # noqa: E402

MIB = 1 << 20
NO_LIMIT = 1 << 62
SAMPLE_SECONDS = 0.05
RSS, PSS, KEPT, GOAL, SOFT, HARD = "#86cfae", "#064e36", "#dbe4ee", "#37508f", "#d9822b", "#a3161f"


def mib_of(text, name):
    for line in text.splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    return None


class Sampler(threading.Thread):
    """Reads smaps_rollup of a process until it ends. `samples`: (monotonic seconds, RSS, PSS) in MiB."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.path = f"/proc/{pid}/smaps_rollup"
        self.samples = []
        self.start()

    def run(self):
        while True:
            try:
                with open(self.path, encoding="ascii") as file:
                    text = file.read()
            except OSError:
                return
            rss, pss = mib_of(text, "Rss:"), mib_of(text, "Pss:")
            if rss is None:  # a process that has ended has no memory
                return
            self.samples.append((time.monotonic(), rss, pss))
            time.sleep(SAMPLE_SECONDS)


class Run:
    """What one run of the program did. Times in seconds since its first line, sizes in MiB."""

    def __init__(self, program, args, settings):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("GO", "MEM"))}
        with subprocess.Popen([program, *args], stdout=subprocess.PIPE, text=True,
                              env=dict(env, **settings)) as process:
            sampler = Sampler(process.pid)
            lines = process.stdout.read().splitlines()
        sampler.join()
        if process.returncode != 0:
            sys.exit(f"limits_demo.py: {program} {' '.join(args)} ended with {process.returncode}")
        rows = [[int(word) for word in line.split()[1:]] for line in lines if line.startswith("~")]
        start = rows[0][0] / 1e9
        self.rows = [(row[0] / 1e9 - start, *[value / MIB for value in row[1:]]) for row in rows]
        events = [line.split(" ", 2)[1:] for line in lines if line.startswith("!")]
        self.events = [(int(nanos) / 1e9 - start, what) for nanos, what in events]
        self.memory = [(t - start, rss, pss) for t, rss, pss in sampler.samples if t >= start]

    def column(self, index):
        return [(row[0], row[index]) for row in self.rows]

    def lines(self):
        found = [chart.Line("kept by the program", KEPT, self.column(1), "area"),
                 chart.Line("RSS", RSS, [(t, rss) for t, rss, _ in self.memory], "thick"),
                 chart.Line("PSS", PSS, [(t, pss) for t, _, pss in self.memory], "thin"),
                 chart.Line("heap goal", GOAL, self.column(3), "dashed")]
        for name, colour, index in (("soft limit", SOFT, 4), ("hard limit", HARD, 5)):
            points = self.column(index)
            if points[0][1] < NO_LIMIT / MIB:
                found.append(chart.Line(name, colour, points))
        return found

    def rss_at(self, seconds):
        """The last sample that is not later."""
        earlier = [rss for t, rss, _ in self.memory if t <= seconds]
        return earlier[-1] if earlier else 0

    def report(self, title):
        if len(self.memory) < 2:
            print(f"{title}: too few samples, this process hardly ran")
            return
        most = max(self.memory, key=lambda sample: sample[1])
        print(f"{title}: highest RSS {most[1]:.0f} MiB, PSS {most[2]:.0f} MiB, at {most[0]:.1f} s")
        gap = max(b[0] - a[0] for a, b in zip(self.memory, self.memory[1:]))
        if gap > 20 * SAMPLE_SECONDS:
            print(f"  the system did not let this run for {gap:.1f} s: the picture has a hole there")
        for seconds, what in self.events:
            print(f"  {seconds:5.1f} s  {what}: RSS {self.rss_at(seconds):.0f} MiB, "
                  f"0.5 s later {self.rss_at(seconds + 0.5):.0f} MiB")


def marks(run):
    """The first of each kind."""
    found = {}
    for seconds, what in run.events:
        found.setdefault(what, seconds)
    return [(seconds, what) for what, seconds in found.items()]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("folder")
    parser.add_argument("--smoke", action="store_true")
    args = parser.parse_args()
    os.makedirs(args.folder, exist_ok=True)
    mb, seconds, soft, hard = (20, 1, 40, 60) if args.smoke else (500, 30, 300, 400)
    runs = [("spike", "A spike, then little work; then the same with FreeOsMemory", str(mb * 3 // 5), {}),
            ("leak", f"A leak under MEMLIMIT={soft}MiB MEMHARDLIMIT={hard}MiB", str(mb),
             {"MEMLIMIT": f"{soft}MiB", "MEMHARDLIMIT": f"{hard}MiB"})]
    for name, title, size, settings in runs:
        run = Run(args.program, [name, size, str(seconds)], settings)
        run.report(title)
        path = os.path.join(args.folder, f"limits_{name}.svg")
        with open(path, "w", encoding="utf-8") as file:
            file.write(chart.draw(title, run.lines(), "seconds", "MiB", marks(run)))
        if args.smoke:
            xml.etree.ElementTree.parse(path)
        print(f"  {path}")


if __name__ == "__main__":
    sys.exit(main())
