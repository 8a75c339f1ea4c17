// The program of README.md: a list on the collected heap, dropped and collected.
#include <tarn/tarn.h>

#include <cstdio>

struct Node {
  int value;
  tarn::gc_ptr<Node> next;
};

int main() {
  Node* list = nullptr;
  for (int i = 0; i < 1000000; ++i) list = tarn::make_gc<Node>(i, list);
  std::printf("the first node holds %d\n", list->value);
  list = nullptr;  // Nothing else to do: no free, no registration, no reference counts.
  tarn::Collect();
  tarn::MemStats s = tarn::ReadMemStats();
  std::printf("%zu bytes left after %zu collections\n", size_t{s.heap_alloc}, size_t{s.num_gc});
}
