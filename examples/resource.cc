// A resource of the system behind a heap object: closed by hand, or by a cleanup when the object has
// died. The cleanup gets the descriptor, not the object.
#include <fcntl.h>
#include <tarn/tarn.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>

std::atomic<int> g_open{0}, g_closed_by_hand{0}, g_closed_by_cleanup{0};

struct File {
  int fd = -1;
  tarn::Cleanup cleanup;

  static File* Open(const char* path) {
    File* f = tarn::make_gc<File>();
    f->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (f->fd < 0) return nullptr;
    ++g_open;
    absl::StatusOr<tarn::Cleanup> cleanup = tarn::AddCleanup(
        f,
        [](int fd) {
          close(fd);
          --g_open;
          ++g_closed_by_cleanup;
        },
        f->fd);
    if (cleanup.ok()) f->cleanup = *cleanup;
    return f;
  }
  void Close() {
    if (!cleanup.Stop()) return;  // it was closed
    close(fd);
    fd = -1;
    --g_open;
    ++g_closed_by_hand;
    tarn::KeepAlive(this);  // until here: else the cleanup might close, too
  }
};

[[gnu::noinline]] bool UseMany() {
  for (int i = 0; i < 100; ++i) {
    File* f = File::Open("/dev/null");
    if (f == nullptr) return false;
    char c;
    if (read(f->fd, &c, 1) != 0) return false;
    if (i % 4 == 0) {  // the others are forgotten
      f->Close();
      f->Close();
    }
  }
  return true;
}

int main() {
  tarn::UseFinalizerThread(false);
  if (!UseMany()) return 1;
  tarn::Collect();
  tarn::RunFinalizers();
  std::printf("%d closed by hand, %d by cleanups, %d still open\n", g_closed_by_hand.load(),
              g_closed_by_cleanup.load(), g_open.load());
  return g_closed_by_hand == 25 && g_closed_by_cleanup >= 70 ? 0 : 1;
}
