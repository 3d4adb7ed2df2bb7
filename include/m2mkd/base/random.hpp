#pragma once
// Counter-based random numbers: Philox4x32-10 (Salmon et al., SC 2011). A number is a pure function
// of (seed, purpose, a, b, draw), so there is no state to save and nothing depends on threads,
// ranks or groups.

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace m2mkd {

/// What a random stream is for; values are part of every run's identity and never change.
enum class Purpose : std::uint32_t {
  order = 1,       ///< data order (a = epoch)
  augment = 2,     ///< per-sample augmentation (a = sample, b = epoch)
  mixup = 3,       ///< mixup/cutmix (a = step, b = micro-batch)
  initialise = 4,  ///< parameters (a = hash of the name, b = 0; draw = element)
  drop_path = 5,   ///< stochastic depth (a = step, b = layer; draw = position in the global batch)
  noise = 6,       ///< other noise inside a network
  subset = 7,      ///< fixed splits of a data set
  bench = 8,
  test = 9,
};

/// The raw generator: 10 rounds over a 128-bit counter with a 64-bit key.
std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                    std::array<std::uint32_t, 2> key);

/// Finaliser of splitmix64, a good 64-bit mixer.
std::uint64_t mix64(std::uint64_t x);
/// FNV-1a of a text, to key a stream by a name.
std::uint64_t hash64(const char* data, std::size_t size);

/// A stream of 2^34 32-bit words for one (seed, purpose, a, b).
///
/// Key = mix64(seed + purpose · odd constant); counter = {block, b, low word of a, high word of a}.
/// Streams of one (seed, purpose) therefore never meet, for every a and b. uniform() takes two
/// words and normal() four, always, so that draw number i can be reached by seek(2i) and seek(4i);
/// below() and gamma() take as many as they need.
class Random {
 public:
  Random(std::uint64_t seed, Purpose purpose, std::uint64_t a = 0, std::uint32_t b = 0);
  std::uint32_t bits();
  double uniform();  ///< [0, 1) with 53 bits
  /// [low, high], `high` itself by rounding only.
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  double normal();  ///< N(0, 1), Box-Muller (the second value of the pair is dropped)
  std::uint64_t below(std::uint64_t n);  ///< integer in [0, n), unbiased; n > 0
  double gamma(double shape);            ///< Marsaglia-Tsang, shape > 0, scale 1
  double beta(double a, double b);
  /// Jumps to draw number `index` of 32-bit words: random access into the stream.
  void seek(std::uint64_t index);

 private:
  std::array<std::uint32_t, 2> key_;
  std::array<std::uint32_t, 4> counter_;
  std::array<std::uint32_t, 4> block_{};
  int left_ = 0;
};

/// 0..n-1 in random order (Fisher-Yates).
std::vector<std::int64_t> permutation(std::int64_t n, Random random);

}  // namespace m2mkd
