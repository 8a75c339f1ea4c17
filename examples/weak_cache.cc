// A cache that holds its values weakly: what the program uses is found again, what nobody uses goes with
// the next collection, and a cleanup takes its empty entry out of the table.
#include <tarn/tarn.h>

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <unordered_map>

struct Page {
  int number = 0;
  char text[1000] = {};
};

class Cache {
 public:
  // The page, from the cache or made anew.
  Page* Get(int number) {
    std::lock_guard<std::mutex> hold(lock_);
    tarn::gc_weak_root<Page>& entry = entries_[number];
    if (Page* found = entry.get()) {
      ++hits_;
      return found;
    }
    ++misses_;
    Page* page = tarn::make_gc<Page>();
    page->number = number;
    std::snprintf(page->text, sizeof(page->text), "page %d", number);
    entry = page;
    // Not the object: the cleanup gets its number.
    if (!tarn::AddCleanup(page, [this, number] { Forget(number); }).ok()) return nullptr;
    return page;
  }
  size_t size() {
    std::lock_guard<std::mutex> hold(lock_);
    return entries_.size();
  }
  size_t hits() const { return hits_; }
  size_t misses() const { return misses_; }

 private:
  void Forget(int number) {
    std::lock_guard<std::mutex> hold(lock_);
    const auto it = entries_.find(number);
    // There may be a new page under the same number.
    if (it != entries_.end() && it->second.get() == nullptr) entries_.erase(it);
  }

  std::mutex lock_;
  std::unordered_map<int, tarn::gc_weak_root<Page>> entries_;
  size_t hits_ = 0, misses_ = 0;
};

// In a frame of its own, so that no stale pointer stays in main's.
[[gnu::noinline]] void ReadMany(Cache& cache, tarn::gc_root<Page>& kept) {
  for (int i = 0; i < 1000; ++i) {
    Page* page = cache.Get(i);
    if (cache.Get(i) != page) std::abort();
    if (i == 500) kept = page;
  }
}

int main() {
  static Cache cache;  // outlives the cleanups that refer to it
  tarn::gc_root<Page> kept;
  tarn::UseFinalizerThread(false);
  ReadMany(cache, kept);
  std::printf("%zu pages, %zu hits, %zu misses\n", cache.size(), cache.hits(), cache.misses());
  tarn::Collect();
  tarn::RunFinalizers();
  std::printf("%zu left after a collection, one of them in use: %s\n", cache.size(),
              cache.Get(500)->text);
  const bool ok = cache.Get(500) == kept.get() && cache.size() < 500;
  return ok ? 0 : 1;
}
