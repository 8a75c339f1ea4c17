// What a program sees of an installed tarn: the umbrella header, allocation, a collection.
// Exit status 0 if the list survived the collection and garbage was collected.
#include <tarn/tarn.h>

#include <cstdio>

struct Node {
  int value;
  tarn::gc_ptr<Node> next;
};

int main() {
  Node* list = nullptr;
  for (int i = 1; i <= 1000; ++i) list = tarn::make_gc<Node>(i, list);
  for (int i = 0; i < 100000; ++i) tarn::make_gc<Node>(i, nullptr);
  const uint64_t before = tarn::ReadMemStats().heap_alloc;
  tarn::Collect();
  const tarn::MemStats stats = tarn::ReadMemStats();
  int sum = 0;
  for (const Node* n = list; n != nullptr; n = n->next) sum += n->value;
  std::printf("consumer: sum %d, %llu -> %llu bytes, %llu collections\n", sum,
              static_cast<unsigned long long>(before),
              static_cast<unsigned long long>(stats.heap_alloc),
              static_cast<unsigned long long>(stats.num_gc));
  return sum == 500500 && stats.num_gc > 0 && stats.heap_alloc < before ? 0 : 1;
}
