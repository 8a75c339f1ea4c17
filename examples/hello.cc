// The program of README.md: a list of 10,000 nodes remains of ten million.
#include <tarn/tarn.h>

#include <cstdio>

struct Node {
  int value;
  tarn::gc_ptr<Node> next;
};

int main() {
  Node* list = nullptr;  // Found by scanning the stack. Each node that is replaced becomes garbage.
  for (int i = 0; i < 10'000'000; ++i)
    list = tarn::make_gc<Node>(i, i % 1000 ? list->next.get() : list);
  std::printf("%d, after %zu collections\n", list->value, size_t{tarn::ReadMemStats().num_gc});
}
