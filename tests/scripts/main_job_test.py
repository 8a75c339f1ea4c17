"""The summary of run.sh is computed from the collector's trace lines."""
import subprocess
import tempfile
import unittest

from fixture import SCRIPTS

TRACE = """\
tarn: GOGC=abc is no number; using 100
gc 1 @0.012s 3%: 0.021+4.2+0.030 ms clock, 0.17+0.90/6.1/2.2+0.24 ms cpu, 61->64->35 MB, \
66 MB goal, 1 MB stacks, 0 MB globals, 8 P
gc 2 @12.500s 2%: 0+12+0 ms clock, 0+0/0/0+0 ms cpu, 104->104->10 MB, 70 MB goal, 0 MB stacks, \
0 MB globals, 8 P (forced)
a program's own line about gc 3 @ home
"""


class MainJobTest(unittest.TestCase):
    def summarize(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".err") as trace:
            trace.write(text)
            trace.flush()
            return subprocess.run(
                ["bash", "-c", 'tarn_root=. ; source "$1"; summarize_trace "$2"', "bash",
                 SCRIPTS / "main_job.sh", trace.name],
                text=True, stdout=subprocess.PIPE, check=True).stdout.split()

    def test_cycles_collected_clock_and_peak_goal(self):
        self.assertEqual(["2", "123", "16.3", "70"], self.summarize(TRACE))

    def test_no_trace_is_no_cycle(self):
        self.assertEqual(["0", "0", "0.0", "0"], self.summarize("nothing\n"))


if __name__ == "__main__":
    unittest.main()
