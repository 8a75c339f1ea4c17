// The public calls of tarn/thread.h.
#include <stdexcept>

#include "tarn/thread.h"
#include "tests/runtime/thread/thread_test_util.h"

namespace tarn::rt {
namespace {

void InThread(const std::function<void()>& body) { std::thread(body).join(); }

TEST(ThreadApiTest, ScopeAttachesAndDetaches) {
  InThread([] {
    {
      tarn::ThreadOptions options;
      options.cooperative = true;
      options.precise_roots = true;
      tarn::ThreadScope scope(options);
      ASSERT_TRUE(scope.status().ok());
      EXPECT_TRUE(Mutator::Current()->options().cooperative);
      EXPECT_TRUE(Mutator::Current()->options().precise_roots);
      tarn::Safepoint();
      tarn::ThreadScope again;
      EXPECT_EQ(again.status().code(), absl::StatusCode::kAlreadyExists);
      {
        tarn::BlockedScope blocked;
        EXPECT_EQ(Mutator::Current()->state(), Mutator::kBlocked);
        tarn::Blocked([] { EXPECT_EQ(Mutator::Current()->state(), Mutator::kBlocked); });
        EXPECT_EQ(Mutator::Current()->state(), Mutator::kBlocked);
      }
      EXPECT_EQ(Mutator::Current()->state(), Mutator::kRunning);
    }
    EXPECT_EQ(Mutator::Current(), nullptr);
  });
}

TEST(ThreadApiTest, AnExceptionEndsABlockedCall) {
  InThread([] {
    EnsureAttached();
    EXPECT_THROW(tarn::Blocked([] { throw std::runtime_error("x"); }), std::runtime_error);
    EXPECT_EQ(Mutator::Current()->state(), Mutator::kRunning);
    EXPECT_EQ(internal::t_block.in_runtime, 0u);
  });
}

TEST(ThreadApiTest, EverythingIsHarmlessInAThreadThatIsNotAttached) {
  InThread([] {
    tarn::Safepoint();
    { tarn::BlockedScope scope; }
    bool ran = false;
    tarn::Blocked([&] { ran = true; });
    EXPECT_TRUE(ran);
    EXPECT_EQ(internal::t_block.mutator, nullptr);
    EXPECT_EQ(internal::t_block.in_runtime, 0u);
  });
}

}  // namespace
}  // namespace tarn::rt
