#!/usr/bin/env python3
"""Runs the workloads on tarn and its peers in turn, several rounds, and writes a Markdown report:
medians, ratios with their spread, peak resident memory, machine, versions, commit.

    compare.py FOLDER OUT [--quick] [--rounds N] [--only WORKLOAD]...

FOLDER holds the programs workloads, workloads-go, workloads-libgc, workloads-malloc; one that is
not there is left out. A ratio is formed within a round, so that what else the machine does
meanwhile meets both sides; its spread is that of the rounds.
Not here: building (scripts/bench.sh); checking that results are equal beyond the lines that these
runs print.
"""
import argparse
import datetime
import glob
import os
import re
import statistics
import subprocess
import sys

TIMEOUT = 900
COLLECTION = r"collection \d+: ([\d.]+) ms"


TOTAL = ("time", r"^TOTAL ([\d.]+) s", "s")


def tail(label, unit="us"):
    return [(f"p50 {label}", r"^~ {}: .*?p50 ([\d.]+) us", unit),
            (f"p99.9 {label}", r"^~ {}: .*?p99.9 ([\d.]+) us", unit),
            (f"max {label}", r"^~ {}: .*?max ([\d.]+) us", unit)]


def labelled(metrics, label):
    return [(name, pattern.format(label), unit) for name, pattern, unit in metrics]


ALLOC = [(f"{n} bytes", rf"^~ {n} bytes: ([\d.]+) ns", "ns") for n in (16, 32, 64, 256)]
CHURN = [TOTAL] + labelled(tail("batch"), "batches of 100")
PAUSES = (labelled(tail("gap")[1:], "gaps above 5 us") +
          labelled(tail("gap without preemption")[1:], "gaps above 5 us without preemption") +
          [("time in gaps", r"^~ time in gaps: ([\d.]+)%", "%"),
           ("operations", r"^~ operations per second: (\d+)", "/s")])
FORCED = [("collection", COLLECTION, "ms"), TOTAL]
CPU = ("CPU", r"^~ CPU: ([\d.]+) s", "s")
# (arguments, arguments of a quick run, measurements: name, pattern, unit). Of several matches in
# one run the median counts. Less is better except for "/s". All runs have CPU, too.
RUNS = [
    ("alloc 100000000", "alloc 10000000", ALLOC),
    ("binary-trees 21 1", "binary-trees 17 1", [TOTAL]),
    ("binary-trees 21 2", "binary-trees 17 2", [TOTAL]),
    ("gcbench", "gcbench", [TOTAL]),
    ("gcbench-xl 22", "gcbench-xl 18", [TOTAL]),
    ("mark 10000000", "mark 1000000", FORCED),
    ("churn 1000000 5000000 1", "churn 200000 500000 1", CHURN),
    ("churn 1000000 5000000 2", "churn 200000 500000 2", CHURN),
    ("pauses 1024 20 1", "pauses 64 3 1", PAUSES),
    ("pauses 1024 20 2", "pauses 64 3 2", PAUSES),
    ("messages 200000 2", "messages 20000 2", [TOTAL]),
    ("string-map 2000000 10000000", "string-map 200000 1000000", [TOTAL]),
    ("wide-array 10000000 10", "wide-array 1000000 5", FORCED),
    ("long-list 10000000 5", "long-list 1000000 5", FORCED),
    ("server 3000000 2 50000", "server 300000 2 10000",
     [TOTAL] + labelled(tail("request"), "requests")),
]


class Peer:
    def __init__(self, name, program, **environment):
        self.name, self.program, self.environment = name, program, environment

    def run(self, arguments):
        """Standard output, or None if it did not succeed."""
        try:
            done = subprocess.run([self.program, *arguments.split()], timeout=TIMEOUT, text=True,
                                  env=dict(os.environ, **self.environment), capture_output=True,
                                  check=True)
            return done.stdout
        except subprocess.CalledProcessError as e:
            print(f"  {self.name}: exit {e.returncode}: {e.stderr[-300:]}", flush=True)
        except subprocess.TimeoutExpired:
            print(f"  {self.name}: more than {TIMEOUT} s", flush=True)
        return None


def peers(folder):
    """tarn first. Stop-the-world marking is there to see what concurrency costs."""
    tarn = os.path.join(folder, "workloads")
    yield Peer("tarn", tarn, GODEBUG="gcstoptheworld=0")
    yield Peer("tarn stopped", tarn, GODEBUG="gcstoptheworld=1")
    for name in ("go", "libgc"):
        program = os.path.join(folder, f"workloads-{name}")
        if os.path.exists(program):
            yield Peer({"go": "Go"}.get(name, name), program)
    malloc = os.path.join(folder, "workloads-malloc")
    mimalloc = sorted(glob.glob("/usr/lib/*/libmimalloc.so.*")) + sorted(
        glob.glob("/usr/lib/libmimalloc.so.*"))
    if os.path.exists(malloc):
        if mimalloc:
            yield Peer("mimalloc", malloc, LD_PRELOAD=mimalloc[0])
        else:
            yield Peer("malloc", malloc)


def measure(output, pattern):
    found = [float(x) for x in re.findall(pattern, output, re.M)]
    return statistics.median(found) if found else None


def results(output):
    return [line for line in output.splitlines() if not line.startswith(("~ ", "TOTAL "))]


class Table:
    """What all rounds of one run printed: outputs[peer] has one string per round, None: failed."""

    def __init__(self, arguments, metrics, peer_list, rounds):
        self.metrics, self.peers = metrics + [CPU], peer_list
        self.outputs = {p.name: [] for p in peer_list}
        self.arguments = arguments
        wanted = None
        for _ in range(rounds):
            for peer in peer_list:
                output = peer.run(arguments)
                self.outputs[peer.name].append(output)
                if output is None:
                    continue
                wanted = wanted or results(output)
                if results(output) != wanted:
                    print(f"  {peer.name}: other results than tarn: {results(output)}", flush=True)

    def values(self, peer, pattern):
        return [None if o is None else measure(o, pattern) for o in self.outputs[peer]]

    def cell(self, peer, pattern):
        ours = self.values(self.peers[0].name, pattern)
        theirs = self.values(peer, pattern)
        found = [v for v in theirs if v is not None]
        if not found:
            return "-"
        median = f"{statistics.median(found):.4g}"
        if peer == self.peers[0].name:
            return median
        ratios = [a / b for a, b in zip(ours, theirs) if a is not None and b]
        if not ratios:
            return median
        low, high = min(ratios), max(ratios)
        return f"{median}, **{statistics.median(ratios):.2f}** ({low:.2f}-{high:.2f})"

    def rows(self):
        for name, pattern, unit in self.metrics:
            cells = [self.cell(p.name, pattern) for p in self.peers]
            if any(c != "-" for c in cells):
                yield [f"`{self.arguments}`", f"{name}, {unit}", *cells]

    def memory_row(self):
        return [f"`{self.arguments}`"] + [self.cell(p.name, r"^~ peak RSS: (\d+) MB")
                                          for p in self.peers]


def first_line(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True,
                              check=True).stdout.splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return "none"


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        model = re.search(r"model name\s*: (.*)", f.read())
    with open("/proc/meminfo", encoding="utf-8") as f:
        memory = int(re.search(r"MemTotal:\s*(\d+)", f.read()).group(1)) >> 20
    cpus = len(os.sched_getaffinity(0))
    return (f"{model.group(1) if model else os.uname().machine}, {cpus} CPUs, {memory} GB, "
            f"Linux {os.uname().release}")


def about(options, load):
    version = first_line("dpkg-query", "-W", "-f", "${Package} ${Version}\n", "libgc1")
    mimalloc = first_line("dpkg-query", "-W", "-f", "${Package} ${Version}\n", "libmimalloc2.0")
    commit = first_line("git", "rev-parse", "--short=12", "HEAD")
    dirty = first_line("git", "status", "--porcelain", "--", "gc", "runtime", "bench") != "none"
    return [
        f"- {datetime.date.today()}, commit {commit}{' with local changes' if dirty else ''}, "
        f"{options.rounds} rounds{', quick arguments' if options.quick else ''}",
        f"- {machine()}; load average at the start {load:.1f}",
        f"- {first_line('g++', '--version')}, -O2; {first_line('go', 'version')}; {version}; "
        f"{mimalloc}",
        "- GOGC=100 for tarn and Go; every heap may use all CPUs",
    ]


def markdown(head, rows):
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def report(start, peer_list, tables):
    names = [p.name for p in peer_list]
    lines = ["# Results", "", "Written by `scripts/bench.sh`. A cell is the median of the rounds;",
             "then, bold, tarn's value over this one's, median of the rounds, and its lowest and",
             "highest: below 1 is better, except where the unit is /s. `tarn stopped` is",
             "GODEBUG=gcstoptheworld=1. CPU counts all threads. [README.md](README.md) says what",
             "the workloads do.", ""]
    lines += start + ["", "## Time", ""]
    lines += markdown(["workload", "what", *names], [r for t in tables for r in t.rows()])
    lines += ["", "## Peak resident memory, MB", ""]
    lines += markdown(["workload", *names], [t.memory_row() for t in tables])
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("out")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--only", action="append", default=[], metavar="WORKLOAD")
    options = parser.parse_args()
    options.rounds = options.rounds or (3 if options.quick else 5)
    start = about(options, os.getloadavg()[0])  # now: the commit that was built
    peer_list = list(peers(options.folder))
    tables = []
    for full, quick, metrics in RUNS:
        arguments = quick if options.quick else full
        if options.only and arguments.split()[0] not in options.only:
            continue
        print(arguments, flush=True)
        tables.append(Table(arguments, metrics, peer_list, options.rounds))
        # After each, so that an early end loses little.
        with open(options.out, "w", encoding="utf-8") as out:
            out.write(report(start, peer_list, tables))
    return 0


if __name__ == "__main__":
    sys.exit(main())
