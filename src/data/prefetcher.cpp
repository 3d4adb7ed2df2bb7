#include "prefetcher.hpp"

#include <m2mkd/base/error.hpp>

namespace m2mkd {

Prefetcher::Prefetcher(Produce produce, std::int64_t depth)
    : produce_(std::move(produce)), depth_(static_cast<std::size_t>(depth)) {
  require(depth >= 1, "a prefetcher holds at least one batch");
  thread_ = std::jthread([this](std::stop_token stop) { work(std::move(stop)); });
}

Prefetcher::~Prefetcher() {
  thread_.request_stop();  // also wakes the thread where it waits for room
  thread_.join();
}

void Prefetcher::work(std::stop_token stop) {
  std::exception_ptr error;
  try {
    while (!stop.stop_requested()) {
      auto batch = produce_();
      if (!batch) break;
      std::unique_lock lock(mutex_);
      if (!changed_.wait(lock, stop, [this] { return ready_.size() < depth_; })) break;
      ready_.push_back(std::move(*batch));
      changed_.notify_all();
    }
  } catch (...) {
    error = std::current_exception();
  }
  const std::lock_guard lock(mutex_);
  error_ = error;
  ended_ = true;
  changed_.notify_all();
}

std::optional<Batch> Prefetcher::next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !ready_.empty() || ended_; });
  if (ready_.empty()) {
    if (error_) std::rethrow_exception(error_);
    return std::nullopt;
  }
  Batch batch = std::move(ready_.front());
  ready_.pop_front();
  changed_.notify_all();
  return batch;
}

}  // namespace m2mkd
