"""check_docs reports names of things that are not there, and nothing else."""
import unittest

from fixture import ScriptTest

HELLO = "#include <tarn/tarn.h>\nint main() { tarn::Collect(); }\n"
TREE = {
    "README.md": f"# tarn\n\n```cpp\n{HELLO}```\n\n```sh\nscripts/run.sh\n```\n\n## Two words\n",
    "examples/hello.cc": "// Builds a list.\n" + HELLO,
    "scripts/run.sh": "",
    "gc/include/tarn/tarn.h": "",
    "gc/README.md": "[top](../README.md#two-words) [self](#gc) [out](https://example.org/x)\n\n"
                    "# gc\n\n`tarn/tarn.h` `<tarn/tarn.h>` `hello.cc` `scripts/run.sh` `a.b()` "
                    "`gc/include` `gc`\n",
}
ADDED = [
    ("[x](gone.md)", "link to gone.md: no such file"),
    ("[x](../README.md#gone)", "no such heading"),
    ("[x](#gone)", "no such heading"),
    ("`gc/collect/gone.h`", "names gc/collect/gone.h: no such file"),
    ("`gc/gone`", "names gc/gone: no such file or folder"),
    ("`gone.cc`", "no file of that name"),
    ("`<tarn/gone.h>`", "no such file"),
    ("`scripts/gone --check`", "names scripts/gone: no such file"),
    ("```sh\nscripts/gone.sh\n```", "names scripts/gone.sh: no such file"),
]


class CheckDocsTest(ScriptTest):
    script = "check_docs"

    def test_true_documents_are_clean(self):
        self.assert_clean(TREE)

    def test_each_wrong_name_is_reported(self):
        for text, expected in ADDED:
            with self.subTest(text):
                files = dict(TREE)
                files["gc/README.md"] += text + "\n"
                self.assert_reported(files, expected)

    def test_file_named_in_a_comment_must_exist(self):
        for comment, expected in [("// See gone.h.", "names gone.h: no file of that name"),
                                  ("int x;  // I1 (gc/gone.cc)", "names gc/gone.cc: no such file")]:
            with self.subTest(comment):
                self.assert_reported({**TREE, "gc/a.cc": comment + "\n"}, expected)
        self.assert_clean({**TREE, "gc/a.cc": "// See tarn/tarn.h, hello.cc and a.cc; not *.h\n"
                                              "#include \"gone.h\"\n"})

    def test_file_made_by_the_build_counts_as_there(self):
        self.assert_clean({**TREE, "gc/a.cc": "// See made.cc.\n",
                           "gc/CMakeLists.txt": "add_custom_command(OUTPUT ${X}/made.cc)\n"})

    def test_readme_program_that_differs_is_reported(self):
        files = dict(TREE)
        files["examples/hello.cc"] += "// more\n"
        self.assert_reported(files, "README.md:3: the first C++ block is not examples/hello.cc")

    def test_readme_without_program_is_reported(self):
        files = dict(TREE)
        files["README.md"] = "# tarn\n\n## Two words\n"
        self.assert_reported(files, "the first C++ block is not examples/hello.cc")


if __name__ == "__main__":
    unittest.main()
