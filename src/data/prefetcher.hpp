#pragma once
// One thread that prepares batches ahead into a bounded queue.

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include <m2mkd/data/loader.hpp>

namespace m2mkd {

class Prefetcher {
 public:
  /// Called by the thread alone, again and again, until it returns nothing.
  using Produce = std::function<std::optional<Batch>()>;

  Prefetcher(Produce produce, std::int64_t depth);
  /// Asks the thread to stop and waits for the batch that it is working on, no longer.
  ~Prefetcher();
  Prefetcher(const Prefetcher&) = delete;
  Prefetcher& operator=(const Prefetcher&) = delete;

  /// The next batch; nothing at the end. Throws what `produce` threw, after the batches made before
  /// it.
  std::optional<Batch> next();

 private:
  void work(std::stop_token stop);

  const Produce produce_;
  const std::size_t depth_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Batch> ready_;
  bool ended_ = false;  ///< the thread adds nothing more
  std::exception_ptr error_;
  std::jthread thread_;  ///< last: everything above exists when it starts
};

}  // namespace m2mkd
