#pragma once
// XXH3-64, the digest of data, weights and files.

#include <cstdint>
#include <memory>
#include <string>

struct XXH3_state_s;

namespace m2mkd {

/// Of one piece, as a number.
std::uint64_t xxh3(const void* data, std::size_t size);

/// Of bytes or text as 16 hex digits.
std::string xxh3_hex(const void* data, std::size_t size);
std::string xxh3_hex(const std::string& text);

/// Over pieces.
class Digest {
 public:
  Digest();
  ~Digest();
  void add(const void* data, std::size_t size);
  /// 16 hex digits of all that was added.
  std::string hex() const;

 private:
  struct Free {
    void operator()(XXH3_state_s* state) const;
  };
  std::unique_ptr<XXH3_state_s, Free> state_;
};

}  // namespace m2mkd
