#!/usr/bin/env python3
"""Checks the write-barrier protocol of barrier.pml in many configurations, with Spin.

The protocol must be safe in all configurations under SAFE, searched exhaustively within their bounds,
and every change under UNSAFE, which leaves a piece out, must be found to lose an object. Prints a table;
exit status 1 if an expectation does not hold or a search is cut off, 2 if a tool is missing.

    run_model.py [-j N] [-k] [NAME...]   all configurations, or those named
      -j N   run N at a time (default 1)
      -k     keep the work folder and print its name: `spin -t -p barrier.pml` there replays an error

Not here: what is modelled (README.md). Needs spin and a C compiler; about 1 GB of memory.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

MODEL = pathlib.Path(__file__).resolve().parent / "barrier.pml"
MEMORY_MB = 3800  # per search; pan gives up beyond
TIMEOUT_S = 900   # per search: a loaded machine shall not look like an error

ONE_STORE = ["STORES0=1", "STORES1=1"]
ONE_SIDED = ["STORES0=1", "STORES1=0"]
TWO_CYCLES = ["THROUGH_FLIP", "CYCLES=2", "ALLOCS=1"]
ONE_ASSIST = ["ASSISTS0=0", "ASSISTS1=1"] + ONE_SIDED
# Thread 1 attaches, detaches, or both; then it stores, or allocates up to the flip.
ATTACH_STORE = ["ATTACH", "STORES0=0", "STORES1=1"]
ATTACH_FLIP = ["ATTACH", "THROUGH_FLIP", "ALLOCS=1", "STORES0=0", "STORES1=0"]

# Name -> macros. Without STORES0 and STORES1 each thread stores as often as it likes, on top of one
# store in flight at the start; loads are never bounded.
SAFE = {
    "protocol": [],
    "MARK_WHEN_SHADED": ["MARK_WHEN_SHADED"],
    "allocation": ["ALLOCS=1"] + ONE_SIDED,
    "SPLIT_STEPS": ["SPLIT_STEPS"] + ONE_SIDED,
    "OP_EXCHANGE": ["OP_EXCHANGE"] + ONE_SIDED,
    "OP_CAS": ["OP_CAS"] + ONE_SIDED,
    "OP_BULK": ["OP_BULK", "CHUNKS0=1", "CHUNKS1=0", "STORES0=0", "STORES1=0"],
    "two cycles": TWO_CYCLES + ["STORES0=0", "STORES1=0"],
    "RESCAN_ALL": ["ROOT_WITHOUT_BARRIER", "RESCAN_ALL"],
    "assist": ONE_ASSIST,
    "attach": ATTACH_STORE,
    "attach, flip": ATTACH_FLIP,
}
UNSAFE = {
    "NO_H1B": ["NO_H1B"],
    "H1B_IN_H2": ["H1B_IN_H2"],
    "H2_BEFORE_ALL_H1B": ["H2_BEFORE_ALL_H1B"],
    "TRACE_BEFORE_H1_DONE": ["TRACE_BEFORE_H1_DONE"],
    "BLACK_FROM_H1": ["BLACK_FROM_H1", "ALLOCS=1"] + ONE_STORE,
    "NO_HAZARD_SLOT": ["NO_HAZARD_SLOT"],
    "NO_HAZARD_VALUE": ["NO_HAZARD_VALUE"],
    "NO_INSERTION": ["NO_INSERTION"],
    "NO_DELETION": ["NO_DELETION"],
    "ONE_F_ROUND": ["ONE_F_ROUND"] + ONE_STORE,
    "OLD_VALUE_BEFORE_HAZARD": ["OLD_VALUE_BEFORE_HAZARD"],
    "MARK_THEN_ENQUEUE_INTERRUPTIBLE": ["MARK_THEN_ENQUEUE_INTERRUPTIBLE"] + ONE_STORE,
    "COLOUR_STRADDLES_HANDSHAKE": ["COLOUR_STRADDLES_HANDSHAKE", "ALLOCS=1"] + ONE_STORE,
    "NO_REGISTER_SCAN": ["NO_REGISTER_SCAN"],
    "BULK_INTERRUPTIBLE": ["OP_BULK", "BULK_INTERRUPTIBLE", "CHUNKS0=1", "CHUNKS1=1"] + ONE_STORE,
    "ROOT_WITHOUT_BARRIER": ["ROOT_WITHOUT_BARRIER"],
    "RESCAN_ROOT": ["ROOT_WITHOUT_BARRIER", "RESCAN_ROOT"],
    "NO_ASSIST_REPORT": ONE_ASSIST + ["NO_ASSIST_REPORT"],
    "NO_ATTACH_BARRIER": ATTACH_STORE + ["NO_ATTACH_BARRIER"],
    "NO_ATTACH_SCAN": ATTACH_STORE + ["NO_ATTACH_SCAN"],
    "NO_ATTACH_BLACK": ATTACH_FLIP + ["NO_ATTACH_BLACK"],
    "ATTACH_WHITE_BEFORE_FLIP": ATTACH_FLIP + ["ATTACH_WHITE_BEFORE_FLIP"],
    "DETACH_DROPS_BUFFER": ATTACH_STORE + ["DETACH_DROPS_BUFFER"],
    "NO_PUBLISHED_COUNT": ["ATTACH", "NO_PUBLISHED_COUNT"] + ONE_STORE,
    "BLACK_SURVIVES_FLIP": TWO_CYCLES + ["BLACK_SURVIVES_FLIP"] + ONE_STORE,
}


class Result:
    def __init__(self, name, expected):
        self.name, self.expected = name, expected
        self.verdict, self.states, self.depth, self.seconds, self.cpu = "?", 0, 0, 0.0, 0.0

    def ok(self):
        return self.verdict == self.expected


def cpu_of_children():
    times = os.times()
    return times.children_user + times.children_system


def run(command, folder):
    return subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=TIMEOUT_S)


def must(command, folder):
    done = run(command, folder)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout.strip()[-500:]}")


def judge(result, output):
    """Fills in what pan reported. Only a completed search is safe; only a failed assertion unsafe."""
    states = re.search(r"(\d+(?:\.\d+)?(?:e\+\d+)?) states, stored", output)
    result.states = int(float(states.group(1))) if states else 0
    depth = re.search(r"assertion violated .*\(at depth (\d+)\)", output)
    cut_off = re.search(r"not completed|max search depth too small|out of memory", output)
    if depth:
        result.verdict, result.depth = "unsafe", int(depth.group(1))
    elif "errors: 0" in output and not cut_off:
        result.verdict = "safe"
    else:
        result.verdict = "cut off: " + (cut_off.group(0) if cut_off else output.strip()[-200:])


def check(name, expected, macros, folder):
    """HC4: states are stored as 64-bit hashes. -E: a blocked end is no error. The depth limit -m is an
    error when it is met, and so is the memory limit."""
    result = Result(name, expected)
    start, cpu = time.monotonic(), cpu_of_children()
    try:
        shutil.copy(MODEL, folder)
        must(["spin", "-a"] + [f"-D{m}" for m in macros] + [MODEL.name], folder)
        # Errors are found at once; only long searches repay an optimised checker.
        must([os.environ.get("CC", "cc"), "-O2" if expected == "safe" else "-O0", "-w", "-DSAFETY",
              "-DHC4", "-DNOREDUCE", "-DNOBOUNDCHECK", f"-DMEMLIM={MEMORY_MB}", "-o", "pan", "pan.c"],
             folder)
        judge(result, run(["./pan", "-E", "-m1000000", "-w22"], folder).stdout)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        result.verdict = f"failed: {error}"
    result.seconds = time.monotonic() - start
    result.cpu = cpu_of_children() - cpu  # of everything at once with -j
    return result


def report(result):
    depth = f"depth {result.depth}" if result.depth else ""
    print(f"{result.name:32} {result.verdict:8} {result.states:>10} states {depth:>12} "
          f"{result.cpu:6.1f} s CPU {result.seconds:6.1f} s  {'ok' if result.ok() else 'WRONG'}",
          flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-j", type=int, default=1)
    parser.add_argument("-k", action="store_true")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    for tool in ("spin", os.environ.get("CC", "cc")):
        if shutil.which(tool) is None:
            print(f"run_model.py: {tool} is missing; scripts/setup.sh installs it", file=sys.stderr)
            return 2
    jobs = [(n, "safe", m) for n, m in SAFE.items()] + [(n, "unsafe", m) for n, m in UNSAFE.items()]
    unknown = set(args.names) - {job[0] for job in jobs}
    if unknown:
        print(f"run_model.py: no configuration {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    jobs = [job for job in jobs if not args.names or job[0] in args.names]
    work = pathlib.Path(tempfile.mkdtemp(prefix="barrier_model_"))
    try:
        with concurrent.futures.ThreadPoolExecutor(args.j) as pool:
            running = []
            for name, expected, macros in jobs:
                folder = work / re.sub(r"\W+", "_", name)
                folder.mkdir()
                running.append(pool.submit(check, name, expected, macros, folder))
            results = []
            for future in running:
                results.append(future.result())
                report(results[-1])
    finally:
        if args.k:
            print(f"work folder: {work}")
        else:
            shutil.rmtree(work)
    wrong = [r.name for r in results if not r.ok()]
    print(f"{len(results)} configurations, {len(wrong)} not as expected" +
          (": " + ", ".join(wrong) if wrong else ""))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
