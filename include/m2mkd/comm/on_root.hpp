#pragma once
// Work that rank 0 does for all: its result is broadcast, and so is its failure, so that all ranks
// leave together.

#include <functional>
#include <string>

#include <m2mkd/base/error.hpp>
#include <m2mkd/comm/communicator.hpp>

namespace m2mkd {

/// A failure that every rank throws alike; rank 0 has the message.
class CollectiveError : public Error {
 public:
  using Error::Error;
};

/// `work` on rank 0, its text on all ranks. Collective. Throws CollectiveError on all ranks if it
/// throws Error.
std::string on_root(const Communicator& world, const std::function<std::string()>& work);

}  // namespace m2mkd
