#pragma once
// A folder that the ranks share, with the small data set in it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <m2mkd/base/log.hpp>
#include <m2mkd/base/stop.hpp>

#include "support/mpi_world.hpp"
#include "support/small_training.hpp"

namespace m2mkd::test {

class MpiTraining : public testing::Test {
 protected:
  MpiTraining() {
    log::set_speaker(world().rank(), world().size(), false);
    if (world().rank() == 0) {
      folder_ = make_folder();
      write_small_data(folder_);
    }
    folder_ = world().broadcast(folder_.string());
  }
  ~MpiTraining() override {
    world().barrier();
    if (world().rank() == 0) std::filesystem::remove_all(folder_);
    stop::clear();
    log::set_speaker(world().rank(), world().size(), world().rank() == 0);
  }

  std::filesystem::path run(const std::string& name) const { return folder_ / name; }

  /// Trains on the first `ranks` ranks, on a communicator of its own; the others wait.
  Outcome train_on(
      int ranks, const std::vector<Task>& pack, Beat beat = [](const std::string&) {}) const {
    const Communicator group = world().split(world().rank() < ranks ? 0 : -1);
    Outcome result{};
    if (world().rank() < ranks) result = train(pack, data(), group, std::move(beat));
    world().barrier();
    return result;
  }

  DataOptions data() const { return small_data(folder_); }

 private:
  std::filesystem::path folder_;
};

}  // namespace m2mkd::test
