#include <fmt/format.h>
#include <xxhash.h>

#include <m2mkd/store/digest.hpp>

namespace m2mkd {

void Digest::Free::operator()(XXH3_state_s* state) const {
  XXH3_freeState(state);
}

Digest::Digest() : state_(XXH3_createState()) {
  XXH3_64bits_reset(state_.get());
}

Digest::~Digest() = default;

void Digest::add(const void* data, std::size_t size) {
  XXH3_64bits_update(state_.get(), data, size);
}

std::string Digest::hex() const {
  return fmt::format("{:016x}", XXH3_64bits_digest(state_.get()));
}

std::uint64_t xxh3(const void* data, std::size_t size) {
  return XXH3_64bits(data, size);
}

std::string xxh3_hex(const void* data, std::size_t size) {
  return fmt::format("{:016x}", xxh3(data, size));
}

std::string xxh3_hex(const std::string& text) {
  return xxh3_hex(text.data(), text.size());
}

}  // namespace m2mkd
