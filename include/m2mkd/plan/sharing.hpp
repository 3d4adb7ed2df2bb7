#pragma once
// Which jobs may be trained as one pack.

#include <string>

#include <m2mkd/plan/job.hpp>

namespace m2mkd {

bool same_meta(const ModelOptions& a, const Source& from_a, const ModelOptions& b,
               const Source& from_b);

/// Everything that jobs of a pack have in common, as text; unlike any other job's for a job that
/// must stay alone.
std::string share_key(const Job& job);

}  // namespace m2mkd
