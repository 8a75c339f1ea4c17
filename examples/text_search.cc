// text_search WORD DIRECTORY...: the lines that contain the word, in all files below the directories.
// Files are mapped and never unmapped by hand: a hit is a string_view into its file, and a file stays mapped
// as long as some hit in it is wanted. Files without hits go at the next collection. Without arguments it
// searches the current directory for the word "main".
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <tarn/tarn.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <thread>

struct Hit {
  tarn::gc_ptr<Hit> next;
  std::string_view line;  // into a mapping
};

struct Totals {
  uint64_t files = 0, bytes = 0, hits = 0, most_active = 0;
};

// The contents of a file; empty if there are none to be had.
std::string_view Contents(const std::filesystem::path& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return {};
  struct stat st;
  std::string_view text;
  if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
    const absl::StatusOr<tarn::gc_mapping> file =
        tarn::gc_mmap(fd, 0, static_cast<size_t>(st.st_size), PROT_READ, MAP_PRIVATE);
    if (file.ok()) {
      text = file->text();
    } else {
      std::fprintf(stderr, "%s: %s\n", path.c_str(), file.status().ToString().c_str());
    }
  }
  close(fd);  // the mapping does not need it
  return text;
}

Hit* Search(std::string_view text, std::string_view word, Hit* hits, Totals& totals) {
  for (size_t at = text.find(word); at != text.npos; at = text.find(word, at)) {
    const size_t before = text.rfind('\n', at);
    const size_t begin = before == text.npos ? 0 : before + 1;
    const size_t end = std::min(text.find('\n', at), text.size());
    Hit* hit = tarn::make_gc<Hit>();
    hit->line = text.substr(begin, end - begin);
    hit->next = hits;
    hits = hit;
    ++totals.hits;
    at = end;
  }
  return hits;
}

Hit* SearchTree(const std::filesystem::path& root, std::string_view word, Hit* hits,
                Totals& totals) {
  std::error_code error;
  const auto options = std::filesystem::directory_options::skip_permission_denied;
  std::filesystem::recursive_directory_iterator it(root, options, error);
  for (; !error && it != std::filesystem::recursive_directory_iterator(); it.increment(error)) {
    const std::string_view text = Contents(it->path());
    if (text.empty()) continue;
    ++totals.files;
    totals.bytes += text.size();
    hits = Search(text, word, hits, totals);
    totals.most_active = std::max(totals.most_active, tarn::ReadMappingStats().num_active);
  }
  return hits;
}

void PrintCounters(const char* when) {
  const tarn::MappingStats s = tarn::ReadMappingStats();
  std::printf("%s: %" PRIu64 " files mapped (%.1f MB), %" PRIu64 " unmapped by the collector\n",
              when, s.num_active, static_cast<double>(s.bytes_active) / 1e6, s.died);
}

[[gnu::noinline]] bool Run(std::string_view word, int argc, char** argv) {
  Totals totals;
  Hit* hits = nullptr;
  for (int i = 0; i < argc; ++i) hits = SearchTree(argv[i], word, hits, totals);
  std::printf(
      "%" PRIu64 " hits in %" PRIu64 " files (%.1f MB); at most %" PRIu64 " were mapped at once\n",
      totals.hits, totals.files, static_cast<double>(totals.bytes) / 1e6, totals.most_active);
  PrintCounters("after the search");
  tarn::Collect();
  PrintCounters("files with hits");
  // The lines are where they were, although nobody has kept a file, a mapping or a descriptor.
  uint64_t right = 0;
  int shown = 0;
  for (const Hit* h = hits; h != nullptr; h = h->next) {
    right += h->line.find(word) != h->line.npos;
    if (shown++ < 3) {
      std::printf("  %.*s\n", static_cast<int>(std::min<size_t>(h->line.size(), 70)),
                  h->line.data());
    }
  }
  return right == totals.hits;
}

int main(int argc, char** argv) {
  char here[] = ".";
  char* own[] = {here};
  // On a thread that ends: its stack holds the hits.
  bool ok = false;
  std::thread([&] {
    ok = argc < 3 ? Run("main", 1, own) : Run(argv[1], argc - 2, argv + 2);
  }).join();
  tarn::Collect();
  PrintCounters("at the end");
  return ok ? 0 : 1;
}
