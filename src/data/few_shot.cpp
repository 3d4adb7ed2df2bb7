#include <algorithm>
#include <bit>
#include <limits>
#include <numeric>
#include <random>
#include <set>

#include <m2mkd/base/error.hpp>
#include <m2mkd/data/few_shot.hpp>

namespace m2mkd {

namespace {

// MT19937's "init_by_array" for a key of one word, in the form that std::mt19937 takes: the engine
// asks for its whole state.
class PythonSeed {
 public:
  using result_type = std::uint32_t;
  explicit PythonSeed(std::uint32_t key) : key_(key) {}

  template <class Iterator>
  void generate(Iterator begin, Iterator end) const {
    constexpr std::uint32_t start = 19650218;
    const auto n = static_cast<std::size_t>(end - begin);
    std::vector<std::uint32_t> s(n);
    s[0] = start;
    for (std::size_t i = 1; i < n; ++i)
      s[i] = 1812433253U * (s[i - 1] ^ s[i - 1] >> 30) + static_cast<std::uint32_t>(i);
    std::size_t i = 1;
    const auto advance = [&] {
      if (++i < n) return;
      s[0] = s[n - 1];
      i = 1;
    };
    for (std::size_t k = 0; k < n; ++k, advance())
      s[i] = (s[i] ^ (s[i - 1] ^ s[i - 1] >> 30) * 1664525U) + key_;
    for (std::size_t k = 0; k + 1 < n; ++k, advance())
      s[i] = (s[i] ^ (s[i - 1] ^ s[i - 1] >> 30) * 1566083941U) - static_cast<std::uint32_t>(i);
    s[0] = 0x80000000U;
    std::copy(s.begin(), s.end(), begin);
  }

 private:
  std::uint32_t key_;
};

// CPython's _randbelow: as many bits as n has, until they are below n.
std::uint64_t python_below(std::mt19937& bits, std::uint64_t n) {
  const int width = std::bit_width(n);
  for (;;)
    if (const std::uint64_t r = bits() >> (32 - width); r < n) return r;
}

// NumPy's legacy bounded integer: bits under the smallest mask that covers `highest`, until they
// are not above it.
std::uint64_t numpy_upto(std::mt19937& bits, std::uint64_t highest) {
  if (highest == 0) return 0;
  const std::uint64_t mask = (std::uint64_t{1} << std::bit_width(highest)) - 1;
  for (;;)
    if (const std::uint64_t r = bits() & mask; r <= highest) return r;
}

// RandomState.permutation(values)
std::vector<std::int64_t> numpy_permutation(std::vector<std::int64_t> values, std::mt19937& bits) {
  for (std::size_t i = values.size(); i-- > 1;) std::swap(values[i], values[numpy_upto(bits, i)]);
  return values;
}

}  // namespace

std::vector<std::int64_t> python_sample(std::int64_t n, std::int64_t k, std::uint32_t seed) {
  require(0 <= k && k <= n && n <= std::numeric_limits<std::uint32_t>::max(),
          "a sample is no larger than its population");
  PythonSeed words(seed);
  std::mt19937 bits(words);
  // CPython takes from a list where that is smaller than a set of k.
  std::int64_t set_size = 21;
  if (k > 5) {
    std::int64_t table = 1;
    while (table < 3 * k) table *= 4;
    set_size += table;
  }
  std::vector<std::int64_t> result;
  if (n <= set_size) {
    std::vector<std::int64_t> pool(static_cast<std::size_t>(n));
    std::iota(pool.begin(), pool.end(), 0);
    for (std::int64_t i = 0; i < k; ++i) {
      const auto j = python_below(bits, pool.size());
      result.push_back(pool[j]);
      pool[j] = pool.back();
      pool.pop_back();
    }
    return result;
  }
  std::set<std::int64_t> seen;
  while (std::ssize(result) < k) {
    const auto j = static_cast<std::int64_t>(python_below(bits, static_cast<std::uint64_t>(n)));
    if (seen.insert(j).second) result.push_back(j);
  }
  return result;
}

FewShotTask draw_few_shot(std::span<const std::int32_t> labels, std::int64_t classes,
                          std::int64_t ways, std::int64_t per_class, std::int64_t seed) {
  if (seed < 1 || seed > std::numeric_limits<std::uint32_t>::max())
    throw ConfigError(fmt::format(
        "few-shot seed {}: take one from 1 to 4294967295 [the published Python takes 0 for no seed "
        "and draws other classes for validation than for training]",
        seed));
  if (ways < 1 || ways > classes || per_class < 1)
    throw ConfigError(
        fmt::format("few-shot task of {} ways with {} images each: there are {} classes", ways,
                    per_class, classes));
  const auto sampled = python_sample(classes, ways, static_cast<std::uint32_t>(seed));

  FewShotTask task;
  task.classes = sampled;
  std::ranges::sort(task.classes);
  std::mt19937 bits(static_cast<std::uint32_t>(seed));
  for (const auto c : sampled) {
    std::vector<std::int64_t> members;
    for (std::size_t i = 0; i < labels.size(); ++i)
      if (labels[i] == c) members.push_back(static_cast<std::int64_t>(i));
    members = numpy_permutation(std::move(members), bits);
    members.resize(std::min(members.size(), static_cast<std::size_t>(per_class)));
    task.images.insert(task.images.end(), members.begin(), members.end());
  }
  task.images = numpy_permutation(std::move(task.images), bits);
  for (const auto i : task.images) {
    const auto place = std::ranges::lower_bound(task.classes, labels[static_cast<std::size_t>(i)]);
    task.labels.push_back(place - task.classes.begin());
  }
  return task;
}

}  // namespace m2mkd
