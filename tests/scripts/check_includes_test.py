"""check_includes reports each kind of violation, and nothing else."""
import unittest

from fixture import ScriptTest

LEGAL = {
    "runtime/include/tarn/internal/config.h": "#include <cstddef>\n",
    "gc/include/tarn/internal/barrier.h": '#include "tarn/internal/config.h"\n#include <atomic>\n',
    "gc/include/tarn/internal/cold.h": "#include <tarn/internal/config.h>\n",
    "gc/include/tarn/gc_ptr.h": "#include <tarn/internal/barrier.h>\n#include <type_traits>\n",
    "gc/include/tarn/heap.h": '#include "absl/status/status.h"\n#include <tarn/gc_ptr.h>\n',
    "gc/include/tarn/c_api.h": "#include <stddef.h>\n",
    "runtime/base/bits.h": "#include <bit>\n",
    "runtime/base/clock.h": "#include <time.h>\n",
    "runtime/os/os.h": '#include "absl/types/span.h"\n#include "runtime/base/bits.h"\n',
    "runtime/os/os.cc": '#include "runtime/os/os.h"\n#include <sys/mman.h>\n',
    "runtime/heap/span.h": '#include "runtime/os/os.h"\n#include "tarn/internal/config.h"\n',
    "runtime/thread/mutator.h": '#include "runtime/heap/span.h"\n',
    "gc/control/pacer.h": '#include "runtime/base/bits.h"\n',
    "gc/types/desc.h": '#include "runtime/base/bits.h"\n#include "tarn/gc_ptr.h"\n',
    "gc/observe/events.h": '#include "runtime/os/os.h"\n',
    "gc/life/weak.h": '#include "runtime/thread/mutator.h"\n#include "gc/types/desc.h"\n',
    "gc/collect/marker.h": '#include "gc/life/weak.h"\n#include "gc/control/pacer.h"\n',
    "gc/api/heap.cc": '#include "gc/collect/marker.h"\n#include "tarn/heap.h"\n',
    "examples/hello.cc": "#include <tarn/heap.h>\n#include <gmp.h>\n",
    "examples/scheme/vm.cc": '#include "examples/scheme/vm.h"\n#include "value.h"\n',
    "examples/scheme/value.h": "",
    "bench/workloads/trees.cc": '#include "bench/harness.h"\n#include <tarn/gc_ptr.h>\n',
    "bench/micro/mark.cc": '#include "gc/collect/marker.h"\n',
    "tests/gc/marker_test.cc": '#include "gc/collect/marker.h"\n',
}

# (file, line that is added to it, part of the report)
VIOLATIONS = [
    ("runtime/base/bits.h", '#include "runtime/os/os.h"', "may not include runtime/os"),
    ("runtime/os/os.h", '#include "runtime/heap/span.h"', "may not include runtime/heap"),
    ("runtime/heap/span.h", '#include "runtime/thread/mutator.h"', "not include runtime/thread"),
    ("runtime/heap/span.h", '#include "gc/types/desc.h"', "runtime includes gc"),
    ("runtime/heap/span.h", '#include "tarn/internal/barrier.h"', "runtime includes gc"),
    ("runtime/thread/mutator.h", '#include "tarn/gc_ptr.h"', "runtime includes gc"),
    ("runtime/heap/span.h", "#include <runtime/os/os.h>", "take quotes"),
    ("runtime/heap/span.h", '#include "os.h"', "no path from the repository root"),
    ("runtime/heap/span.h", '#include "runtime/os/gone.h"', "no path from the repository root"),
    ("runtime/heap/span.h", '#include "tarn/internal/gone.h"', "does not exist"),
    ("runtime/heap/span.h", '  #  include   "runtime/thread/mutator.h"', "runtime/thread"),
    ("gc/control/pacer.h", '#include "runtime/os/os.h"', "may not include runtime/os"),
    ("gc/control/pacer.h", '#include "tarn/heap.h"', "may not include the public"),
    ("gc/control/pacer.h", "#include <atomic>", "no clock, atomic or lock"),
    ("gc/control/pacer.h", '#include "runtime/base/clock.h"', "no clock, atomic or lock"),
    ("gc/types/desc.h", '#include "runtime/thread/mutator.h"', "may not include runtime/thread"),
    ("gc/observe/events.h", '#include "runtime/heap/span.h"', "may not include runtime/heap"),
    ("gc/control/pacer.h", '#include "tarn/heap.h"', "may not include the public"),
    ("gc/life/weak.h", '#include "gc/collect/marker.h"', "may not include gc/collect"),
    ("gc/collect/marker.h", '#include "gc/api/heap.cc"', "may not include gc/api"),
    ("gc/include/tarn/internal/barrier.h", "#include <tarn/gc_ptr.h>", "tarn/internal may not"),
    ("gc/include/tarn/internal/cold.h", '#include "absl/types/span.h"', "public header may not"),
    ("gc/include/tarn/heap.h", '#include "absl/strings/cord.h"', "public header may not"),
    ("gc/include/tarn/heap.h", '#include "runtime/base/bits.h"', "public header may not"),
    ("gc/include/tarn/heap.h", "#include <sys/mman.h>", "public header may not"),
    ("gc/include/tarn/heap.h", "#include <tarn/gone.h>", "does not exist"),
    ("gc/include/tarn/gc_ptr.h", '#include "absl/types/span.h"', "std only"),
    ("gc/include/tarn/gc_ptr.h", "#include <tarn/heap.h>", "std only"),
    ("gc/include/tarn/c_api.h", "#include <vector>", "the C header may not"),
    ("examples/hello.cc", '#include "gc/collect/marker.h"', "may use <tarn/*.h> only"),
    ("examples/hello.cc", "#include <tarn/internal/config.h>", "may use <tarn/*.h> only"),
    ("examples/hello.cc", '#include "tarn/heap.h"', "users write"),
    ("examples/hello.cc", '#include "absl/strings/str_cat.h"', "only what tarn/*.h shows"),
    ("examples/hello.cc", '#include "tests/gc/marker_test.cc"', "nor its own file"),
    ("examples/hello.cc", "#include <tarn/gone.h>", "does not exist"),
    ("bench/workloads/trees.cc", '#include "runtime/base/bits.h"', "may use <tarn/*.h> only"),
    ("runtime/newlayer/a.h", "", "has no include rule"),
]


class CheckIncludesTest(ScriptTest):
    script = "check_includes"

    def test_legal_tree_is_clean(self):
        self.assert_clean(LEGAL, "--no-compile")

    def test_each_kind_of_violation_is_reported(self):
        for name, line, expected in VIOLATIONS:
            with self.subTest(file=name, line=line):
                files = dict(LEGAL)
                files[name] = files.get(name, "") + line + "\n"
                self.assert_reported(files, expected, "--no-compile")

    def test_report_names_file_and_line(self):
        files = dict(LEGAL)
        files["runtime/base/bits.h"] += '\n#include "runtime/os/os.h"\n'
        self.assert_reported(files, "runtime/base/bits.h:3: ", "--no-compile")

    def test_public_header_that_needs_another_include_first_is_reported(self):
        header = "gc/include/tarn/size.h"
        self.assert_reported({header: "std::vector<int> F();\n"}, "does not compile on its own")
        self.assert_clean({header: "#include <vector>\nstd::vector<int> F();\n"})

    def test_public_header_without_guard_is_reported(self):
        header = "gc/include/tarn/size.h"
        self.assert_reported({header: "struct S {};\n"}, "does not compile on its own")


if __name__ == "__main__":
    unittest.main()
