#include <algorithm>

#include <m2mkd/base/error.hpp>
#include <m2mkd/base/log.hpp>
#include <m2mkd/store/checkpoint.hpp>
#include <m2mkd/store/leftovers.hpp>

namespace m2mkd {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kKept = 2;
const std::string kSetAside = ".unusable";

/// Names in a folder; none when it does not exist.
std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code problem;
  for (fs::directory_iterator at(folder, problem), end; !problem && at != end;
       at.increment(problem)) {
    names.push_back(at->path().filename().string());
  }
  if (problem && problem != std::errc::no_such_file_or_directory) {
    fail("cannot list checkpoints in '{}': {}", folder.string(), problem.message());
  }
  return names;
}

/// The step of a name "step-0000000120.h5"; nothing for other names.
std::optional<std::int64_t> step_of(const std::string& name) {
  const std::string prefix = "step-", suffix = ".h5";
  if (name.size() < prefix.size() + 10 + suffix.size() || name.rfind(prefix, 0) != 0) return {};
  if (name.substr(name.size() - suffix.size()) != suffix) return {};
  const auto digits = name.substr(prefix.size(), name.size() - prefix.size() - suffix.size());
  if (digits.size() > 18 || digits.find_first_not_of("0123456789") != std::string::npos) return {};
  return std::stoll(digits);
}

/// Space that cannot be freed does not stop a run.
void remove_file(const fs::path& path) {
  std::error_code problem;
  fs::remove(path, problem);
  if (problem) log::warn("cannot remove '{}': {}", path.string(), problem.message());
}

}  // namespace

fs::path CheckpointFolder::path(std::int64_t step) const {
  return folder_ / fmt::format("step-{:010}.h5", step);
}

std::vector<std::int64_t> CheckpointFolder::steps() const {
  std::vector<std::int64_t> steps;
  for (const auto& name : names_in(folder_)) {
    if (const auto step = step_of(name)) steps.push_back(*step);
  }
  std::sort(steps.rbegin(), steps.rend());
  return steps;
}

void CheckpointFolder::save(std::int64_t step, const TensorFile& state) const {
  write_tensor_file(path(step), state);
  std::size_t kept = 0;
  for (const auto existing : steps()) {
    if (existing <= step && ++kept > kKept) remove_file(path(existing));
  }
  clear_leftovers();  // this program has just renamed its own
}

void CheckpointFolder::clear_leftovers() const {
  remove_leftovers(folder_, [](const std::string& name) { return step_of(name).has_value(); });
}

TensorFile CheckpointFolder::load(std::int64_t step) const {
  TensorFile file = read_tensor_file(path(step));
  NamedTensors state;  // what else it holds may be NaN: an accuracy that was not measured
  for (const auto& tensor : file.tensors)
    if (!tensor.first.starts_with("progress/")) state.push_back(tensor);
  if (const auto bad = first_not_finite(state); !bad.empty())
    fail("'{}': {}", path(step).string(), bad);
  return file;
}

void CheckpointFolder::set_aside(std::int64_t step) const {
  std::error_code problem;
  fs::rename(path(step), path(step).string() + kSetAside, problem);
  if (problem) log::warn("cannot rename '{}': {}", path(step).string(), problem.message());
}

void CheckpointFolder::remove() const {
  clear_leftovers();
  for (const auto& name : names_in(folder_)) {
    const bool aside = name.ends_with(kSetAside);
    if (step_of(aside ? name.substr(0, name.size() - kSetAside.size()) : name))
      remove_file(folder_ / name);
  }
  std::error_code not_empty;  // somebody else's files stay, and the folder with them
  fs::remove(folder_, not_empty);
}

}  // namespace m2mkd
