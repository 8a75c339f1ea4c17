"""fast_path counts what is there, on functions written in assembly."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

from fixture import SCRIPTS

ASSEMBLY = """
  .text
  .globl bump
  .type bump, @function
bump:
  mov %fs:0xfffffffffffffff8, %rax
  lea 16(%rax), %rdx
  cmp 8(%rdi), %rdx
  ja 1f
  mov %rdx, (%rdi,%rcx,8)
  addq $1, 8(%rsi)
  lock cmpxchg %rdx, (%rsi)
  ret
1:
  call other
  ret
  .size bump, .-bump
  nopw 0(%rax,%rax,1)
  .globl _ZN4tarn5otherEv
  .type _ZN4tarn5otherEv, @function
_ZN4tarn5otherEv:
other:
  ret
  .size _ZN4tarn5otherEv, .-_ZN4tarn5otherEv
"""


class FastPathTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        source = pathlib.Path(cls.folder.name, "f.s")
        source.write_text(ASSEMBLY, encoding="utf-8")
        cls.binary = source.with_suffix(".so")
        subprocess.run(["gcc", "-shared", "-nostdlib", "-o", cls.binary, source], check=True)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def count(self, symbol):
        return subprocess.run([sys.executable, "-B", SCRIPTS / "fast_path", self.binary, symbol],
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)

    def test_counts_up_to_the_first_return(self):
        self.assertEqual(
            "bump total=10 to_ret=8 loads=2 stores=3 branches=1 calls=0 locked=1\n",
            self.count("bump").stdout)

    def test_demangled_names_are_found(self):
        self.assertIn("tarn::other total=1 to_ret=1 ", self.count("tarn::other").stdout)

    def test_unknown_function_is_an_error(self):
        run = self.count("nosuch")
        self.assertEqual(1, run.returncode)
        self.assertIn("nosuch names 0 functions", run.stderr)


if __name__ == "__main__":
    unittest.main()
