// Strict loading: every tensor of both sides is accounted for before anything is copied.

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/nn/chain.hpp>
#include <m2mkd/nn/load.hpp>

namespace m2mkd {
namespace {

constexpr std::size_t kShown = 5;  ///< problems that one message names

std::string shape_text(const at::Tensor& tensor) {
  return fmt::format("({})", fmt::join(tensor.sizes(), ", "));
}

/// Tensors that depend on the data, and the command that makes them fit other data.
std::string advice(const std::string& name) {
  if (name.ends_with("/pos_embed")) return " (m2mkd convert --image-size N resizes it)";
  if (name.ends_with("/head.weight") || name.ends_with("/head.bias"))
    return " (m2mkd convert --classes N makes a new head)";
  return {};
}

[[noreturn]] void refuse(const Chain& chain, const std::string& source,
                         std::vector<std::string> problems) {
  const auto more = problems.size() > kShown ? problems.size() - kShown : 0;
  problems.resize(problems.size() - more);
  fail(
      "cannot load {} into the {} chain:\n  {}{}\n(loading is strict, so nothing was copied; the "
      "model settings must be those that the file was made with: `m2mkd inspect` lists the file)",
      source, chain.role, fmt::join(problems, "\n  "),
      more ? fmt::format("\n  and {} more", more) : std::string());
}

}  // namespace

LoadReport load(const Chain& chain, const NamedTensors& tensors, const std::string& source,
                const AssemblyMap& map,
                const std::function<bool(const std::string& name)>& may_stay_fresh) {
  const NamedTensors targets = state(chain);
  std::map<std::string, std::size_t> position;  // name → index in targets
  for (std::size_t i = 0; i < targets.size(); ++i) position[targets[i].first] = i;

  LoadReport report;
  std::vector<std::string> problems;
  std::vector<const at::Tensor*> sources(targets.size(), nullptr);
  for (const auto& [name, tensor] : tensors) {
    const std::optional<std::string> wanted = map ? map(name) : name;
    if (!wanted) {
      report.discarded.push_back(name);
      continue;
    }
    const auto found = position.find(*wanted);
    if (found == position.end()) {
      problems.push_back(fmt::format("{}: the model has no such tensor", *wanted));
      continue;
    }
    const auto& target = targets[found->second].second;
    if (sources[found->second]) {
      problems.push_back(fmt::format("{}: given twice, the second time by {}", *wanted, name));
    } else if (target.sizes() != tensor.sizes()) {
      problems.push_back(fmt::format("{}: shape {} in the file, {} in the model{}", *wanted,
                                     shape_text(tensor), shape_text(target), advice(*wanted)));
    } else if (*wanted == name) {
      report.copied.push_back(name);
    } else {
      report.renamed.push_back(name + " -> " + *wanted);
    }
    sources[found->second] = &tensor;
  }
  for (std::size_t i = 0; i < targets.size(); ++i) {
    if (sources[i]) continue;
    const auto& name = targets[i].first;
    if (may_stay_fresh && may_stay_fresh(name))
      report.fresh.push_back(name);
    else
      problems.push_back(fmt::format("{}: not in the file", name));
  }
  if (!problems.empty()) refuse(chain, source, std::move(problems));

  const c10::AutoGradMode no_grad(false);
  for (std::size_t i = 0; i < targets.size(); ++i)
    if (sources[i]) at::Tensor(targets[i].second).copy_(*sources[i]);
  return report;
}

}  // namespace m2mkd
