// The fixed stratified split of a training file into validation images and a training subset.

#include <algorithm>
#include <numeric>

#include <m2mkd/base/error.hpp>
#include <m2mkd/base/random.hpp>
#include <m2mkd/data/dataset.hpp>

namespace m2mkd {

namespace {

// `total` seats for classes of these sizes, by largest remainder (ties: the lower class). Exact
// where the proportion is whole; no class gets more than it has, because a quota is never above the
// class's size.
std::vector<std::int64_t> apportion(std::int64_t total, const std::vector<std::int64_t>& sizes) {
  const std::int64_t all = std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0});
  std::vector<std::int64_t> seats(sizes.size(), 0);
  if (total == 0) return seats;
  std::vector<std::int64_t> remainder(sizes.size());
  for (std::size_t c = 0; c < sizes.size(); ++c) {
    seats[c] = total * sizes[c] / all;
    remainder[c] = total * sizes[c] % all;
  }
  std::vector<std::size_t> by_remainder(sizes.size());
  std::iota(by_remainder.begin(), by_remainder.end(), 0);
  std::stable_sort(by_remainder.begin(), by_remainder.end(),
                   [&](std::size_t a, std::size_t b) { return remainder[a] > remainder[b]; });
  std::int64_t left = total - std::accumulate(seats.begin(), seats.end(), std::int64_t{0});
  for (std::size_t k = 0; left > 0; ++k, --left) ++seats[by_remainder[k]];
  return seats;
}

}  // namespace

std::vector<std::int64_t> split_indices(std::span<const std::int32_t> labels,
                                        std::int64_t validation_images, std::int64_t train_images,
                                        Split split) {
  const auto count = static_cast<std::int64_t>(labels.size());
  if (validation_images < 0 || train_images < 0 || validation_images > count ||
      train_images > count - validation_images)
    fail(
        "data.validation_images = {} and data.train_images = {} do not fit into {} images of the "
        "training file: make them smaller",
        validation_images, train_images, count);
  const std::int64_t rest = count - validation_images;
  const std::int64_t train = train_images == 0 ? rest : train_images;

  std::vector<std::int64_t> chosen;
  if (split == Split::test || (split == Split::train && train == count)) {
    chosen.resize(labels.size());
    std::iota(chosen.begin(), chosen.end(), 0);
    return chosen;
  }

  std::vector<std::vector<std::int64_t>> members;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto label = labels[static_cast<std::size_t>(i)];
    if (label < 0) fail("image {} has label {}: labels count from 0", i, label);
    if (static_cast<std::size_t>(label) >= members.size())
      members.resize(static_cast<std::size_t>(label) + 1);
    members[static_cast<std::size_t>(label)].push_back(i);
  }
  std::vector<std::int64_t> sizes;
  for (const auto& m : members) sizes.push_back(static_cast<std::int64_t>(m.size()));
  const auto validation_seats = apportion(validation_images, sizes);
  for (std::size_t c = 0; c < sizes.size(); ++c) sizes[c] -= validation_seats[c];
  const auto train_seats = apportion(train, sizes);

  for (std::size_t c = 0; c < members.size(); ++c) {
    const auto order =
        permutation(static_cast<std::int64_t>(members[c].size()), Random(0, Purpose::subset, c));
    const bool validation = split == Split::validation;
    const std::int64_t first = validation ? 0 : validation_seats[c];
    const std::int64_t last = first + (validation ? validation_seats[c] : train_seats[c]);
    for (std::int64_t k = first; k < last; ++k)
      chosen.push_back(members[c][static_cast<std::size_t>(order[static_cast<std::size_t>(k)])]);
  }
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

}  // namespace m2mkd
