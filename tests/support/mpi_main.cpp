// GoogleTest under MPI. Rank 0 prints as usual, the others only what fails, with their rank. All
// ranks exit alike: with 1 when any assertion failed anywhere, or when no test was chosen. An
// uncaught exception ends the whole job, because the other ranks may be waiting for the one that
// threw; so does a rank whose assertion failed when the others do not reach the end of that test.

#include <array>
#include <chrono>
#include <cstdio>
#include <exception>
#include <mutex>
#include <string>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <m2mkd/base/log.hpp>
#include <m2mkd/base/stopwatch.hpp>

#include "support/mpi_world.hpp"

namespace m2mkd::test {
namespace {

const Session* opened = nullptr;
constexpr double patience = 60;  // seconds that a failed rank waits for the others
constexpr double limit = 120;    // seconds of one test, after which all ranks end

class QuietPrinter : public testing::EmptyTestEventListener {
  void OnTestStart(const testing::TestInfo& info) override {
    // Kept, because asking UnitTest for the current test takes a lock that it holds while it
    // reports.
    test_ = fmt::format("{}.{}", info.test_suite_name(), info.name());
  }
  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (!result.failed()) return;
    fmt::print(stderr, "rank {}: {}: {}:{}: Failure\n{}\n", world().rank(), test_,
               result.file_name() ? result.file_name() : "?", result.line_number(),
               result.message());
  }

  std::string test_;
};

class Together : public testing::EmptyTestEventListener {
 public:
  // A communicator of its own, so that a rank that left a test early does not answer the others'
  // collectives.
  Together() : ranks_(world().split(0)) {}

 private:
  void OnTestStart(const testing::TestInfo&) override { ranks_.barrier(); }

  void OnTestEnd(const testing::TestInfo& info) override {
    Pending others = ranks_.start_barrier();
    const Stopwatch watch;
    while (!others.test()) {
      std::this_thread::sleep_for(std::chrono::microseconds(100));
      if (info.result()->Failed() && watch.seconds() > patience) {
        fmt::print(stderr, "rank {}: {}.{} failed here and the other ranks do not reach its end\n",
                   world().rank(), info.test_suite_name(), info.name());
        Session::abort(1);
      }
    }
  }

  Communicator ranks_;
};

// Ends all ranks where a test hangs: ranks that wait for each other reach no end, and no assertion.
class Limit : public testing::EmptyTestEventListener {
 public:
  Limit() : thread_([this](const std::stop_token& over) { watch(over); }) {}

 private:
  void OnTestStart(const testing::TestInfo& info) override {
    const std::lock_guard lock(guard_);
    test_ = fmt::format("{}.{}", info.test_suite_name(), info.name());
    since_.restart();
  }
  void OnTestEnd(const testing::TestInfo&) override {
    const std::lock_guard lock(guard_);
    test_.clear();
  }
  void watch(const std::stop_token& over) {
    while (!over.stop_requested()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      const std::lock_guard lock(guard_);
      if (test_.empty() || since_.seconds() < limit) continue;
      fmt::print(stderr, "rank {}: {} has not ended after {:.0f} s\n", world().rank(), test_,
                 limit);
      Session::abort(1);
    }
  }

  std::mutex guard_;
  std::string test_;
  Stopwatch since_;
  std::jthread thread_;
};

int run_all() {
  auto& listeners = testing::UnitTest::GetInstance()->listeners();
  if (world().rank() != 0) {
    delete listeners.Release(listeners.default_result_printer());
    listeners.Append(new QuietPrinter);
  }
  auto* together = new Together;
  listeners.Append(together);
  listeners.Append(new Limit);
  const int failed = RUN_ALL_TESTS();
  delete listeners.Release(together);

  const bool none = testing::UnitTest::GetInstance()->test_to_run_count() == 0;
  if (none && world().rank() == 0) fmt::print(stderr, "no test was chosen\n");
  std::array<double, 1> worst{failed != 0 || none ? 1.0 : 0.0};
  world().max(worst);
  return static_cast<int>(worst[0]);
}

}  // namespace

const Session& session() {
  return *opened;
}

}  // namespace m2mkd::test

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  // An exception must reach the handler below, not become a failure of this rank alone.
  GTEST_FLAG_SET(catch_exceptions, false);
  const m2mkd::Session session;
  m2mkd::test::opened = &session;
  m2mkd::log::set_speaker(session.world().rank(), session.world().size(),
                          session.world().rank() == 0);
  try {
    return m2mkd::test::run_all();
  } catch (const std::exception& error) {
    fmt::print(stderr, "rank {}: uncaught exception: {}\n", session.world().rank(), error.what());
  } catch (...) {
    fmt::print(stderr, "rank {}: uncaught exception of unknown type\n", session.world().rank());
  }
  m2mkd::Session::abort(1);
}
