#pragma once
// A folder with the small data set, on one rank.

#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/base/log.hpp>
#include <m2mkd/base/stop.hpp>

#include "support/small_training.hpp"

namespace m2mkd::test {

class SerialTraining : public testing::Test {
 protected:
  SerialTraining() {
    log::set_speaker(0, 1, false);
    at::set_num_threads(1);  // tensors are too small for more
    write_small_data(folder_);
  }
  ~SerialTraining() override {
    std::filesystem::remove_all(folder_);
    stop::clear();
    log::set_speaker(0, 1, true);
  }

  std::filesystem::path run(const std::string& name) const { return folder_ / name; }
  DataOptions data() const { return small_data(folder_); }

  /// Trains until beat number `k` (from 0) asks for a stop.
  Outcome train_until(std::size_t k, std::vector<Task> pack) const {
    std::size_t beats = 0;
    auto result = train(std::move(pack), data(), {}, [&](const std::string&) {
      if (beats++ == k) stop::request();
    });
    stop::clear();
    return result;
  }

  const std::filesystem::path folder_ = make_folder();
};

}  // namespace m2mkd::test
