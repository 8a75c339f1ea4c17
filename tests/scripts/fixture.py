"""A scratch repository for the tests of the checking scripts: files in a temporary folder."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPTS = pathlib.Path(__file__).resolve().parent.parent.parent / "scripts"


class ScriptTest(unittest.TestCase):
    script = ""

    def run_on(self, files, *arguments):
        """Runs the script on a tree of {path: text}; returns (status, lines of its output)."""
        with tempfile.TemporaryDirectory() as root:
            for name, text in files.items():
                path = pathlib.Path(root, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            run = subprocess.run(
                [sys.executable, "-B", SCRIPTS / self.script, "--root", root, *arguments],
                text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
            if run.returncode not in (0, 1) or "Traceback" in run.stderr:
                self.fail(f"{self.script} broke:\n{run.stderr}")
            return run.returncode, run.stdout.splitlines()

    def assert_clean(self, files, *arguments):
        status, lines = self.run_on(files, *arguments)
        self.assertEqual(0, status, lines)

    def assert_reported(self, files, expected, *arguments):
        """Exactly one violation, and its line contains `expected`."""
        status, lines = self.run_on(files, *arguments)
        self.assertEqual(1, status, f"nothing was reported; expected: {expected}")
        self.assertEqual(1, len(lines), lines)
        self.assertIn(expected, lines[0])
