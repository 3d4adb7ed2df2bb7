#include <cmath>
#include <numbers>
#include <utility>

#include <m2mkd/base/error.hpp>
#include <m2mkd/base/random.hpp>

namespace m2mkd {
namespace {

// 2^64 divided by the golden ratio, the increment of splitmix64: odd, so purposes of one seed never
// meet.
constexpr std::uint64_t golden = 0x9E3779B97F4A7C15u;

std::uint32_t low_word(std::uint64_t x) {
  return static_cast<std::uint32_t>(x);
}
std::uint32_t high_word(std::uint64_t x) {
  return static_cast<std::uint32_t>(x >> 32);
}

}  // namespace

std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> c,
                                    std::array<std::uint32_t, 2> k) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * c[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57u} * c[2];
    c = {high_word(p1) ^ c[1] ^ k[0], low_word(p1), high_word(p0) ^ c[3] ^ k[1], low_word(p0)};
    k[0] += 0x9E3779B9u;
    k[1] += 0xBB67AE85u;
  }
  return c;
}

std::uint64_t mix64(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

std::uint64_t hash64(const char* data, std::size_t size) {
  std::uint64_t hash = 0xCBF29CE484222325u;
  for (std::size_t i = 0; i < size; ++i)
    hash = (hash ^ static_cast<unsigned char>(data[i])) * 0x100000001B3u;
  return hash;
}

Random::Random(std::uint64_t seed, Purpose purpose, std::uint64_t a, std::uint32_t b)
    : counter_{0, b, low_word(a), high_word(a)} {
  const std::uint64_t key = mix64(seed + static_cast<std::uint64_t>(purpose) * golden);
  key_ = {low_word(key), high_word(key)};
}

std::uint32_t Random::bits() {
  if (left_ == 0) {
    block_ = philox(counter_, key_);
    ++counter_[0];
    left_ = 4;
  }
  return block_[static_cast<std::size_t>(4 - left_--)];
}

void Random::seek(std::uint64_t index) {
  require(index >> 34 == 0, "Random::seek: a stream has 2^34 words");
  counter_[0] = low_word(index / 4);
  left_ = 0;
  for (auto skipped = index % 4; skipped > 0; --skipped) bits();
}

double Random::uniform() {
  const std::uint64_t high = bits();
  const std::uint64_t word = high << 32 | bits();
  return static_cast<double>(word >> 11) * 0x1p-53;
}

double Random::normal() {
  // The second value of the pair is not kept, so that a stream's position is its counter alone.
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
  return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

std::uint64_t Random::below(std::uint64_t n) {
  require(n > 0, "Random::below: n must be positive");
  if (n >> 32 == 0) {  // Lemire 2019: multiply, and reject the few products that would be counted
                       // once too often
    const auto range = low_word(n), excess = (0u - range) % range;
    std::uint64_t product = std::uint64_t{bits()} * n;
    while (low_word(product) < excess) product = std::uint64_t{bits()} * n;
    return product >> 32;
  }
  const std::uint64_t excess = (0u - n) % n;
  for (;;) {
    const std::uint64_t high = bits(), word = high << 32 | bits();
    if (word >= excess) return word % n;
  }
}

double Random::gamma(double shape) {
  require(shape > 0, "Random::gamma: shape must be positive");
  if (shape < 1) {
    const double whole = gamma(shape + 1);
    return whole * std::pow(1.0 - uniform(), 1.0 / shape);
  }
  const double d = shape - 1.0 / 3.0, c = 1.0 / std::sqrt(9.0 * d);
  for (;;) {
    const double x = normal(), root = 1.0 + c * x;
    if (root <= 0) continue;
    const double v = root * root * root;
    if (std::log(1.0 - uniform()) < 0.5 * x * x + d * (1.0 - v + std::log(v))) return d * v;
  }
}

double Random::beta(double a, double b) {
  const double x = gamma(a), y = gamma(b);
  if (x + y > 0) return x / (x + y);
  return uniform() * (a + b) < a ? 1.0 : 0.0;  // both underflowed: the limit of tiny shapes
}

std::vector<std::int64_t> permutation(std::int64_t n, Random random) {
  require(n >= 0, "permutation: n must not be negative");
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < order.size(); ++i) {  // inside-out: place i, swap with an earlier one
    order[i] = static_cast<std::int64_t>(i);
    std::swap(order[i], order[random.below(i + 1)]);
  }
  return order;
}

}  // namespace m2mkd
