#pragma once
// What the network that a job trains begins with. How each is loaded stands in src/run/starts.hpp;
// a job that was stopped goes on from its checkpoint, whatever its start.

#include <filesystem>
#include <string>
#include <variant>
#include <vector>

#include <m2mkd/nn/models.hpp>

namespace m2mkd {

/// Where weights come from: a job's module file, or a given file, or nowhere.
struct Source {
  std::string job;
  std::filesystem::path file;
  bool defined() const { return !job.empty() || !file.empty(); }
};

/// Random weights, by the job's seed.
struct FreshStart {};
/// A given network, or the stage of it that is trained (init.student, incubate.from_teacher).
struct GivenStart {
  Source file;
};
/// The L stages that jobs have trained, assembled.
struct PartsStart {
  std::vector<Source> parts;
  ImageShape shape;  ///< images that they were trained on
};
/// A dense network that a job has trained, upcycled.
struct UpcycledStart {
  Source dense;
};
using JobStart = std::variant<FreshStart, GivenStart, PartsStart, UpcycledStart>;

/// What it reads.
std::vector<Source> sources(const JobStart& start);

}  // namespace m2mkd
