// The four lists of a span class, and the list they are made of.
#include "runtime/heap/central_list.h"

#include <gtest/gtest.h>

#include <array>
#include <set>
#include <thread>
#include <vector>

namespace tarn::rt {
namespace {

constexpr size_t kSpans = 8;
using Spans = std::array<Span, kSpans>;

std::vector<const Span*> Drain(SpanList& list) {
  std::vector<const Span*> out;
  while (Span* s = list.Pop()) out.push_back(s);
  return out;
}

TEST(SpanListTest, PushAndPopAtTheHead) {
  Spans s{};
  SpanList list;
  EXPECT_TRUE(list.Empty());
  EXPECT_EQ(list.Pop(), nullptr);
  list.Push(&s[0]);
  list.Push(&s[1]);
  list.PushBack(&s[2]);
  EXPECT_FALSE(list.Empty());
  EXPECT_EQ(Drain(list), (std::vector<const Span*>{&s[1], &s[0], &s[2]}));
  EXPECT_TRUE(list.Empty());
}

TEST(SpanListTest, ListThatBecameEmptyIsUsableAgain) {
  Spans s{};
  SpanList list;
  for (int round = 0; round < 3; ++round) {
    list.PushBack(&s[0]);
    list.PushBack(&s[1]);
    EXPECT_EQ(Drain(list), (std::vector<const Span*>{&s[0], &s[1]}));
    list.Push(&s[2]);
    list.PushBack(&s[3]);
    EXPECT_EQ(Drain(list), (std::vector<const Span*>{&s[2], &s[3]}));
  }
}

// Every combination of lengths, and appending to the result: the tail must be right.
TEST(SpanListTest, SpliceTakesEverythingAndKeepsTheTail) {
  for (size_t here = 0; here < 3; ++here) {
    for (size_t there = 0; there < 3; ++there) {
      Spans s{};
      SpanList a;
      SpanList b;
      std::vector<const Span*> want;
      for (size_t i = 0; i < there; ++i) {
        b.PushBack(&s[i]);
        want.push_back(&s[i]);
      }
      for (size_t i = 0; i < here; ++i) {
        a.PushBack(&s[3 + i]);
        want.push_back(&s[3 + i]);
      }
      a.Splice(b);
      EXPECT_TRUE(b.Empty());
      a.PushBack(&s[7]);
      want.push_back(&s[7]);
      EXPECT_EQ(Drain(a), want) << here << " " << there;
      b.PushBack(&s[0]);
      EXPECT_EQ(Drain(b), (std::vector<const Span*>{&s[0]}));
    }
  }
}

TEST(CentralListTest, OnlySweptPartialSpansAreTakenForAllocation) {
  Spans s{};
  CentralList list;
  EXPECT_EQ(list.TakeSweptPartial(), nullptr);
  list.PutSwept(&s[0], /*full=*/true);
  EXPECT_EQ(list.TakeSweptPartial(), nullptr);
  list.PutSwept(&s[1], /*full=*/false);
  EXPECT_EQ(list.TakeSweptPartial(), &s[1]);
  EXPECT_EQ(list.TakeSweptPartial(), nullptr);
  EXPECT_EQ(list.TakeUnswept(), nullptr);
  EXPECT_FALSE(list.HasUnswept());
}

TEST(CentralListTest, FlipMakesAllSpansUnsweptPartialOnesFirst) {
  Spans s{};
  CentralList list;
  list.PutSwept(&s[0], /*full=*/true);
  list.PutSwept(&s[1], /*full=*/false);
  list.PutSwept(&s[2], /*full=*/true);
  list.Flip();
  EXPECT_TRUE(list.HasUnswept());
  EXPECT_EQ(list.TakeSweptPartial(), nullptr);
  EXPECT_EQ(list.TakeUnswept(), &s[1]);
  list.PutSwept(&s[1], /*full=*/false);
  EXPECT_EQ(list.TakeSweptPartial(), &s[1]);
  const std::set<Span*> rest = {list.TakeUnswept(), list.TakeUnswept()};
  EXPECT_EQ(rest, (std::set<Span*>{&s[0], &s[2]}));
  EXPECT_EQ(list.TakeUnswept(), nullptr);
  EXPECT_FALSE(list.HasUnswept());
}

TEST(CentralListTest, HasUnsweptSeesFullSpans) {
  Spans s{};
  CentralList list;
  list.PutSwept(&s[0], /*full=*/true);
  EXPECT_FALSE(list.HasUnswept());
  list.Flip();
  EXPECT_TRUE(list.HasUnswept());
}

TEST(CentralListTest, ForEachTellsTheListOfEachSpan) {
  Spans s{};
  CentralList list;
  list.PutSwept(&s[0], /*full=*/false);
  list.PutSwept(&s[1], /*full=*/true);
  list.Flip();
  list.PutSwept(&s[2], /*full=*/false);
  list.PutSwept(&s[3], /*full=*/true);
  std::set<const Span*> seen;
  list.ForEach([&](Span* span, bool swept, bool full) {
    const auto i = static_cast<size_t>(span - s.data());
    EXPECT_TRUE(seen.insert(span).second);
    EXPECT_EQ(swept, i >= 2) << i;
    EXPECT_EQ(full, i % 2 == 1) << i;
  });
  EXPECT_EQ(seen.size(), 4u);
}

// Threads sweep what is unswept and take what is swept: every span is held by one of them at a
// time, which the sanitizer and the owner marks would tell.
TEST(CentralListTest, ThreadsNeverHoldTheSameSpan) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 3000;
  Spans s{};
  CentralList list;
  for (Span& span : s) list.PutSwept(&span, /*full=*/false);
  list.Flip();
  std::atomic<int> errors{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int r = 0; r < kRounds; ++r) {
        Span* span = list.TakeUnswept();
        if (span == nullptr) span = list.TakeSweptPartial();
        if (span == nullptr) continue;
        if (span->owned.exchange(1) != 0) errors.fetch_add(1);
        ++span->alloc_count;  // plain: exclusion is the list's job
        span->owned.store(0);
        list.PutSwept(span, /*full=*/false);
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(errors.load(), 0);
  size_t left = 0;
  while (list.TakeSweptPartial() != nullptr) ++left;
  while (list.TakeUnswept() != nullptr) ++left;
  EXPECT_EQ(left, kSpans);
}

}  // namespace
}  // namespace tarn::rt
