// Stopped anywhere and continued, a run ends as if it had never stopped.

#include "support/mpi_training.hpp"

namespace m2mkd {
namespace {

using namespace test;
using testing::IsEmpty;

class Stopping : public MpiTraining {
 protected:
  const int all_ = world().size();
  const int stopper_ = world().size() - 1;  // not the root, where there is another

  std::vector<Task> tasks(const std::string& name) const {
    return distill_tasks(small_options(3), run(name));
  }

  /// Trains undisturbed; returns the stopper's beats.
  std::vector<std::string> undisturbed() const {
    std::string beats;
    train_on(all_, tasks("undisturbed"), [&](const std::string& what) { beats += what + "\n"; });
    std::istringstream lines(world().broadcast(beats, stopper_));
    std::vector<std::string> result;
    for (std::string line; std::getline(lines, line);) result.push_back(line);
    return result;
  }

  /// Trains until the stopper's beat number `k` (from 0), where it alone is asked to stop.
  void stop_at(std::size_t k, const std::string& name) const {
    std::size_t beats = 0;
    const auto result = train_on(all_, tasks(name), [&](const std::string&) {
      if (world().rank() == stopper_ && beats++ == k) stop::request();
    });
    EXPECT_EQ(result, Outcome::stopped);
    stop::clear();
    EXPECT_FALSE(std::filesystem::exists(run(name) / "modules")) << "nothing is finished yet";
  }

  void expect_undisturbed(const std::string& name, double tolerance = 0) const {
    for (int i = 0; i < 3; ++i)
      EXPECT_THAT(
          differences(run(name), run("undisturbed"), "distill." + std::to_string(i), tolerance),
          IsEmpty())
          << name;
  }
};

TEST_F(Stopping, AnywhereEndsAsIfItHadNot) {
  const auto beats = undisturbed();
  const auto number = [&](const std::string& what, int from) {  // of the from-th such beat
    for (std::size_t k = 0; k < beats.size(); ++k)
      if (beats[k] == what && from-- == 0) return k;
    return beats.size();
  };
  ASSERT_EQ(beats[3], "evaluating");  // after the restoring of three jobs
  ASSERT_EQ(beats.back(), "ending an evaluation");
  // At the start's evaluation, in the first step, inside an epoch, at an epoch's last step, at an
  // epoch end's evaluation, in the last step, at the end's evaluation.
  const auto after =
      std::ranges::find(beats.begin() + static_cast<std::ptrdiff_t>(number("training step", 5)),
                        beats.end(), "evaluating");
  for (const std::size_t k :
       {std::size_t{0}, std::size_t{3}, number("training step", 0), number("training step", 2),
        number("training step", 5), static_cast<std::size_t>(after - beats.begin()),
        number("training step", 17), beats.size() - 1}) {
    const std::string name = "stopped at beat " + std::to_string(k);
    stop_at(k, name);
    EXPECT_EQ(train_on(all_, tasks(name)), Outcome::finished);
    expect_undisturbed(name);
  }
}

TEST_F(Stopping, TwiceEndsAsIfItHadNot) {
  undisturbed();
  stop_at(8, "twice");
  stop_at(8, "twice");
  train_on(all_, tasks("twice"));
  expect_undisturbed("twice");
}

TEST_F(Stopping, ContinuesOnAnotherNumberOfRanksToRounding) {
  undisturbed();
  stop_at(12, "on one");
  train_on(1, tasks("on one"));
  expect_undisturbed("on one", 1e-9);
}

}  // namespace
}  // namespace m2mkd
