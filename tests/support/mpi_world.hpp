#pragma once
// What tests under MPI share: the session that main opened.

#include <m2mkd/comm/session.hpp>

namespace m2mkd::test {

const Session& session();
inline const Communicator& world() {
  return session().world();
}

}  // namespace m2mkd::test
