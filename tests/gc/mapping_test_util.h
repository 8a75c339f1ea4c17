// Shared by the tests of gc_mmap: files with known contents, mappings made and dropped on threads that end.
#ifndef TARN_TESTS_GC_MAPPING_TEST_UTIL_H_
#define TARN_TESTS_GC_MAPPING_TEST_UTIL_H_

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "runtime/os/safe_read_linux.h"
#include "tarn/gc_mmap.h"
#include "tests/gc/gc_test_util.h"

namespace tarn::rt {

constexpr size_t kOsPage = 4096;

inline std::byte PatternAt(uint64_t seed, uint64_t i) {
  return static_cast<std::byte>((seed * 0x9e37 + i * 131 + i / kOsPage * 7) & 0xff);
}

// A file that is closed and gone at the end; what is mapped of it stays.
class TestFile {
 public:
  // In the directory for temporary files, or, in memory, with a name.
  static TestFile OnDisk(size_t bytes, uint64_t seed) {
    std::string path = testing::TempDir() + "gc_mmap_test.XXXXXX";
    TestFile f(mkostemp(path.data(), O_CLOEXEC));
    f.path_ = path;
    unlink(path.c_str());
    f.Fill(bytes, seed);
    return f;
  }
  static TestFile InMemory(size_t bytes, uint64_t seed) {
    TestFile f(memfd_create("gc_mmap_test", MFD_CLOEXEC));
    f.Fill(bytes, seed);
    return f;
  }
  static TestFile Sparse(size_t bytes) {
    TestFile f(memfd_create("gc_mmap_sparse", MFD_CLOEXEC));
    EXPECT_EQ(0, ftruncate(f.fd(), static_cast<off_t>(bytes)));
    return f;
  }
  TestFile(TestFile&& other) noexcept : fd_(other.fd_), path_(other.path_) { other.fd_ = -1; }
  TestFile& operator=(TestFile&&) = delete;
  ~TestFile() {
    if (fd_ >= 0) close(fd_);
  }
  int fd() const { return fd_; }
  const std::string& path() const { return path_; }
  std::byte At(uint64_t i) const {
    std::byte b{};
    EXPECT_EQ(1, pread(fd_, &b, 1, static_cast<off_t>(i)));
    return b;
  }

 private:
  explicit TestFile(int fd) : fd_(fd) { EXPECT_GE(fd, 0); }
  void Fill(size_t bytes, uint64_t seed) {
    std::vector<std::byte> data(bytes);
    for (size_t i = 0; i < bytes; ++i) data[i] = PatternAt(seed, i);
    EXPECT_EQ(static_cast<ssize_t>(bytes), pwrite(fd_, data.data(), bytes, 0));
  }

  int fd_;
  std::string path_;
};

inline size_t CountWrong(const gc_mapping& m, uint64_t seed, size_t offset = 0) {
  size_t wrong = 0;
  for (size_t i = 0; i < m.size(); ++i) wrong += m.data()[i] != PatternAt(seed, offset + i);
  return wrong;
}

// Whether the byte can be read, without a signal if not.
inline bool IsReadable(Hidden h) {
  std::byte b;
  return SafeRead(&b, h.Reveal<const void>(), 1) == 1;
}

// f(mapping) on a thread that ends; the address.
template <class F, class... A>
Hidden WithMapping(F&& f, A&&... args) {
  Hidden h;
  OnOtherThread([&] {
    absl::StatusOr<gc_mapping> m = gc_mmap(std::forward<A>(args)...);
    ASSERT_TRUE(m.ok()) << m.status();
    h = Hidden(m->data());
    f(*m);
  });
  return h;
}

// Kernel mappings of this process.
inline size_t KernelMappings() {
  std::ifstream maps("/proc/self/maps");
  size_t n = 0;
  for (std::string line; std::getline(maps, line);) ++n;
  return n;
}

}  // namespace tarn::rt

#endif  // TARN_TESTS_GC_MAPPING_TEST_UTIL_H_
