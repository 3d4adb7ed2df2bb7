#pragma once
// Memory as the host, its batch system and its devices tell it.

#include <vector>

#include <m2mkd/comm/session.hpp>

namespace m2mkd {

/// Bytes of this rank where the ranks of one host share its memory, or a device: the host's (or
/// what this process's control group leaves of it) or the device's, divided by those that share it.
/// `ranks`: session.all_infos().
double rank_memory(const Session& session, const std::vector<RankInfo>& ranks);

}  // namespace m2mkd
