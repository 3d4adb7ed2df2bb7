// Successive shortest augmentation with prices (Jonker and Volgenant's assignment, with groups that
// take several rows): rows come one by one; each looks for the cheapest chain "I take a place here,
// whoever is moved takes one there, ..." that ends in a group with room.
//
// A row sits where its cost minus the group's price is least. So moving a row from its group to
// another costs a non-negative amount, and Dijkstra's algorithm finds the cheapest chain.

#include "nac/transport.hpp"

#include <algorithm>
#include <limits>

#include <m2mkd/base/error.hpp>

namespace m2mkd {
namespace {

constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

class Transport {
 public:
  Transport(std::span<const double> cost, std::size_t groups)
      : cost_(cost),
        room_(cost.size() / groups / groups),
        price_(groups, 0.0),
        members_(groups),
        group_(cost.size() / groups, 0) {}

  std::vector<std::int64_t> operator()() {
    for (std::size_t row = 0; row < group_.size(); ++row) add(row);
    return group_;
  }

 private:
  struct Step {  ///< how the cheapest chain reaches a group
    double distance = std::numeric_limits<double>::infinity();
    std::size_t row = kNone, from = kNone;  ///< `row` enters it, out of group `from`
    bool done = false;
  };

  double reduced(std::size_t row, std::size_t group) const {
    return cost_[row * price_.size() + group] - price_[group];
  }

  /// `row` could leave group `from`, which the chain reaches at `distance`, for any other one.
  void relax(std::vector<Step>& steps, std::size_t row, std::size_t from, double distance) const {
    for (std::size_t to = 0; to < steps.size(); ++to)
      if (const double there = distance + reduced(row, to);
          !steps[to].done && there < steps[to].distance)
        steps[to] = {there, row, from, false};
  }

  void add(std::size_t row) {
    std::vector<Step> steps(price_.size());
    relax(steps, row, kNone, 0);
    std::size_t nearest = kNone;
    for (;;) {
      nearest = kNone;
      for (std::size_t g = 0; g < steps.size(); ++g)
        if (!steps[g].done && (nearest == kNone || steps[g].distance < steps[nearest].distance))
          nearest = g;
      if (members_[nearest].size() < room_) break;
      steps[nearest].done = true;
      for (const auto member : members_[nearest])
        relax(steps, member, nearest, steps[nearest].distance - reduced(member, nearest));
    }
    const double end = steps[nearest].distance;
    for (std::size_t g = 0; g < steps.size(); ++g)
      if (steps[g].done) price_[g] += steps[g].distance - end;
    for (auto to = nearest; to != kNone; to = steps[to].from) move(steps[to], to);
  }

  void move(const Step& step, std::size_t to) {
    if (step.from != kNone) std::erase(members_[step.from], step.row);
    members_[to].push_back(step.row);
    group_[step.row] = static_cast<std::int64_t>(to);
  }

  std::span<const double> cost_;
  std::size_t room_;
  std::vector<double> price_;
  std::vector<std::vector<std::size_t>> members_;
  std::vector<std::int64_t> group_;
};

}  // namespace

std::vector<std::int64_t> transport(std::span<const double> cost, std::int64_t groups) {
  const auto k = static_cast<std::size_t>(groups);
  require(groups > 0 && cost.size() % k == 0 && cost.size() / k % k == 0,
          "transport: the groups must divide the rows");
  return Transport(cost, k)();
}

}  // namespace m2mkd
