// The program of README.md: trees on the collected heap, of which one is kept.
#include <tarn/tarn.h>

#include <cstdio>

struct Tree {
  tarn::gc_ptr<Tree> left, right;
};

Tree* Make(int depth) {
  if (depth == 0) return tarn::make_gc<Tree>();
  return tarn::make_gc<Tree>(Make(depth - 1), Make(depth - 1));
}

int main() {
  Tree* kept = Make(10);
  for (int i = 0; i < 100; ++i) Make(14);  // Garbage at once. No free, no registration, no counts.
  tarn::Collect();
  tarn::MemStats s = tarn::ReadMemStats();
  std::printf("%zu bytes allocated, %zu in use after %zu collections\n", size_t{s.total_alloc},
              size_t{s.heap_alloc}, size_t{s.num_gc});
  return kept->left != nullptr ? 0 : 1;
}
