"""check_orders reports ordered atomics without a named partner, and nothing else."""
import unittest

from fixture import ScriptTest

CLEAN = {
    "relaxed needs nothing": "int F() { return a.load(std::memory_order_relaxed); }",
    "comment before": "// acquire: pairs with the release in Set().\n"
                      "int F() { return a.load(std::memory_order_acquire); }",
    "comment on the line": "a.store(1, std::memory_order_release);  // pairs with the load in F()",
    "order named in the comment": "// seq_cst: the store above must not sink below this load.\n"
                                  "a.load(std::memory_order_seq_cst);",
    "comment four lines before": "// release: publishes b.\nx = 1;\ny = 2;\nz = 3;\n"
                                 "a.store(1, std::memory_order_release);",
    "second order in a long call": "// acq_rel on success: pairs with Push().\n"
                                   "a.compare_exchange_strong(\n    x, y,\n"
                                   "    std::memory_order_acq_rel,\n"
                                   "    std::memory_order_acquire);",
    "order in a comment only": "// never memory_order_acquire here\nint x;",
    "order in a string only": 'Log("memory_order_acquire");',
    "order passed on": "int Load(std::memory_order order) { return a.load(order); }",
    "digit separators": "int n = 1'000; a.load(std::memory_order_relaxed); int m = 2'000;",
    "signal fence": "std::atomic_signal_fence(std::memory_order_seq_cst);",
    "load of another class": "int F() { return word.load(); }",
    "a function of that name": "cache.load_all(); store(1); std::exchange(a, b);",
}
REPORTED = {
    "acquire without comment": ("int F() { return a.load(std::memory_order_acquire); }", "acquire"),
    "comment without partner": ("// Reads the flag.\na.load(std::memory_order_acquire);", "acquire"),
    "comment too far": ("// pairs with F\n\n\n\n\na.load(std::memory_order_acquire);", "acquire"),
    "default order": ("std::atomic<int> a;\nint F() { return a.load(); }", "without an order"),
    "default store": ("void F(std::atomic<int>* p) { p->store(1); }", "without an order"),
    "default read-modify-write": ("std::atomic<int> a{0};\nvoid F() { a.fetch_add(1); }", "without an order"),
    "default order in an array": ("std::atomic<std::pair<int, int>> a[3];\n"
                                  "int F() { return a[1].load(); }", "without an order"),
    "new spelling": ("a.store(1, std::memory_order::release);", "release"),
    "fence": ("std::atomic_thread_fence(std::memory_order_seq_cst);", "seq_cst"),
    "word in passing": ("// acquire the lock; tarn::rt::Lock\n"
                        "a.load(std::memory_order_acquire);", "acquire"),
    "after digit separators": ("int n = 1'000;\na.load(std::memory_order_acquire);\n"
                               "int m = 2'000;", "acquire"),
}


class CheckOrdersTest(ScriptTest):
    script = "check_orders"

    def test_clean_code_is_not_reported(self):
        for title, code in CLEAN.items():
            with self.subTest(title):
                self.assert_clean({"runtime/base/a.h": code + "\n"})

    def test_missing_partner_is_reported(self):
        for title, (code, expected) in REPORTED.items():
            with self.subTest(title):
                self.assert_reported({"gc/collect/a.cc": code + "\n"}, expected)

    def test_tests_and_examples_are_not_its_business(self):
        self.assert_clean({"tests/a.cc": "a.load();\n", "examples/a.cc": "a.load();\n"})


if __name__ == "__main__":
    unittest.main()
