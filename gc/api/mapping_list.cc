// Which mappings there are: numbers, and a list with names.
// The list is copied under the lock, into memory that was taken before: nothing inside the runtime may call
// malloc. The names come from the system, which knows them; a record has none.
#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "gc/api/instance.h"
#include "gc/life/mappings.h"
#include "runtime/thread/runtime_scope.h"
#include "runtime/thread/thread_registry.h"
#include "tarn/gc_mmap.h"

namespace tarn {

using rt::Instance;
using rt::Mapping;

namespace {

// What of a record outlives the lock.
struct Row {
  uintptr_t base;
  uintptr_t data;
  size_t length;
  int64_t offset;
  size_t charged;
  MappingAccounting accounting;
  uint32_t site_line;
  char site_file[Mapping::kSiteBytes];
};

Row RowOf(const Mapping& m) {
  Row row{m.base, m.base + m.delta, m.length, m.offset, m.charged, m.accounting, m.site_line, {}};
  std::memcpy(row.site_file, m.site_file, sizeof(row.site_file));
  return row;
}

std::vector<Row> CopyRows() {
  rt::Mappings& mappings = Instance::Get().collector().mappings();
  rt::EnsureAttached();
  std::vector<Row> rows;
  for (size_t seen = mappings.Stats().num_active;; seen = mappings.Stats().num_active) {
    rows.resize(seen + seen / 8 + 16);
    size_t n = 0;
    {
      rt::RuntimeScope scope;
      mappings.ForEach([&](const Mapping& m) {
        // relaxed: one that is unmapped at this moment may be in or out.
        if (m.state.load(std::memory_order_relaxed) == Mapping::kUnmapped) return;
        if (n < rows.size()) rows[n] = RowOf(m);
        ++n;
      });
    }
    if (n > rows.size()) continue;  // some came meanwhile
    rows.resize(n);
    std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.base < b.base; });
    return rows;
  }
}

// Fills in the names of the rows, which are sorted like the lines of the system's file. The kernel joins
// neighbours that continue each other in a file.
void FillNames(const std::vector<Row>& rows, std::vector<MappingInfo>& infos) {
  std::FILE* f = std::fopen("/proc/self/maps", "re");
  if (f == nullptr) return;
  char* line = nullptr;
  size_t capacity = 0;
  size_t i = 0;
  while (i < rows.size() && getline(&line, &capacity, f) > 0) {
    uintptr_t begin, end;
    int name_at = 0;
    if (std::sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %*s %*s %*s %*s %n", &begin, &end, &name_at) <
            2 ||
        name_at == 0) {
      continue;
    }
    std::string name(line + name_at);
    if (!name.empty() && name.back() == '\n') name.pop_back();
    // [anon:...], and how the system names shared anonymous memory.
    if (name[0] == '[' || name == "/dev/zero (deleted)" || name == "/anon_hugepage (deleted)") {
      name.clear();
    }
    for (; i < rows.size() && rows[i].base < end; ++i) {
      if (rows[i].base >= begin) infos[i].file = name;
    }
  }
  std::free(line);
  std::fclose(f);
}

}  // namespace

MappingStats ReadMappingStats() { return Instance::Get().collector().mappings().Stats(); }

std::vector<MappingInfo> ListMappings() {
  const std::vector<Row> rows = CopyRows();
  std::vector<MappingInfo> infos(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    infos[i].address = rows[i].data;
    infos[i].length = rows[i].length;
    infos[i].offset = rows[i].offset;
    infos[i].accounting = rows[i].accounting;
    infos[i].charged_bytes = rows[i].charged;
    infos[i].site = std::string(rows[i].site_file) + ":" + std::to_string(rows[i].site_line);
  }
  FillNames(rows, infos);
  return infos;
}

}  // namespace tarn
