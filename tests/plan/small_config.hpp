#pragma once
// A configuration of small networks that needs no files, and what tests change in it.

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/plan/cost.hpp>
#include <m2mkd/plan/recipe.hpp>

namespace m2mkd::test {

inline constexpr const char* kSmallIni = R"([run]
methods = m2mkd
[data]
channels = 1
image_size = 28
classes = 10
count = 1000
test_count = 200
[meta]
width = 16
heads = 2
depths = 1 1 1
[teacher]
width = 16
heads = 2
depths = 2 2 2
[student]
model = vmoe
width = 8
heads = 2
depths = 1 1 1
experts = 3
[train]
epochs = 2
)";

using Changes = std::vector<std::pair<std::string, std::string>>;

/// The configuration above with `changes` as from the command line.
inline Config small_config(const Changes& changes = {}) {
  return Config::read({}, changes, kSmallIni);
}
inline JobList small_jobs(const Changes& changes = {}) {
  return make_jobs(small_config(changes));
}

/// The message of the ConfigError that `body` throws; fails the test when it throws none.
template <class Body>
std::string problems_of(Body body) {
  try {
    body();
  } catch (const ConfigError& error) {
    return error.what();
  }
  ADD_FAILURE() << "no ConfigError was thrown";
  return "";
}

}  // namespace m2mkd::test
