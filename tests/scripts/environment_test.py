"""What the environment does to a program: environment_test.py BINARY, any program that collects.

E1 Good settings print nothing of their own.
E2 A bad value gets exactly one line on stderr, which names it, and the program runs with the default.
E3 GODEBUG=gctrace=1 prints one line per collection in Go's format.
"""
import os
import re
import subprocess
import sys
import unittest

BINARY = None
TRACE = re.compile(
    r"gc \d+ @\d+\.\d{3}s \d+%: [\d.]+\+[\d.]+\+[\d.]+ ms clock, "
    r"[\d.]+\+[\d.]+/[\d.]+/[\d.]+\+[\d.]+ ms cpu, \d+->\d+->\d+ MB, \d+ MB goal, \d+ MB stacks, "
    r"\d+ MB globals, \d+ P( \(forced\))?")


def run(**settings):
    environment = {k: v for k, v in os.environ.items() if k not in ("GOGC", "GODEBUG", "MEMLIMIT")}
    result = subprocess.run([BINARY], env={**environment, **settings}, text=True, timeout=900,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    # On a busy machine the collector may say that it has waited for a thread for ten seconds.
    result.stderr = "".join(line for line in result.stderr.splitlines(keepends=True)
                            if not line.startswith("tarn: collector waits for thread"))
    return result


class EnvironmentTest(unittest.TestCase):
    def test_good_settings_print_nothing(self):
        for settings in [{}, {"GOGC": "50"}, {"GOGC": "off"}, {"GOGC": "1000"},
                         {"GODEBUG": "clobberfree=1"}, {"GODEBUG": "verify=1,clobberfree=1"},
                         {"GODEBUG": "gcstoptheworld=1"}, {"GODEBUG": "madvdontneed=0"}]:
            with self.subTest(**settings):
                result = run(**settings)
                self.assertEqual((0, ""), (result.returncode, result.stderr))

    def test_bad_value_gets_one_line_and_the_default(self):
        for name, value, named in [("GOGC", "abc", "abc"), ("GOGC", "-5", "-5"),
                                   ("GOGC", "50%", "50%"),
                                   ("GODEBUG", "nosuch=1", "nosuch"),
                                   ("GODEBUG", "gctrace=x", "gctrace")]:
            with self.subTest(name=name, value=value):
                result = run(**{name: value})
                lines = result.stderr.splitlines()
                self.assertEqual(0, result.returncode, result.stderr)
                self.assertEqual(1, len(lines), lines)
                self.assertIn(name, lines[0])
                self.assertIn(named, lines[0])

    def test_good_part_of_godebug_is_used_beside_a_bad_one(self):
        lines = run(GODEBUG="nosuch=1,gctrace=1").stderr.splitlines()
        self.assertIn("nosuch", lines[0])
        self.assertTrue(any(TRACE.fullmatch(line) for line in lines[1:]), lines)

    def test_trace_has_one_numbered_line_per_collection(self):
        lines = run(GODEBUG="gctrace=1").stderr.splitlines()
        self.assertTrue(lines)
        for number, line in enumerate(lines, 1):
            self.assertRegex(line, TRACE)
            self.assertTrue(line.startswith(f"gc {number} @"), line)

    def test_lower_gogc_collects_more_often(self):
        few, many = (len(run(GOGC=gogc, GODEBUG="gctrace=1").stderr.splitlines())
                     for gogc in ("400", "25"))
        self.assertLess(few, many)

    def test_gcstress_collects_more_often(self):
        plain, stressed = (len(run(GODEBUG=value).stderr.splitlines())
                           for value in ("gctrace=1", "gctrace=1,gcstress=100000"))
        self.assertLess(plain, stressed)


if __name__ == "__main__":
    BINARY = sys.argv.pop(1)
    unittest.main()
