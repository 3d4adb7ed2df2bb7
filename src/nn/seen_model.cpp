#include <algorithm>

#include <ATen/ATen.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/nn/family.hpp>
#include <m2mkd/nn/load.hpp>
#include <m2mkd/nn/seen_model.hpp>

#include "shapes.hpp"

namespace m2mkd {

namespace {

// The stages that the file has, on no device; the others stay null.
Chain make_seen(const SeenModel& seen, const StagedTensors& tensors, const std::string& role) {
  const auto nowhere = at::dtype(at::kFloat).device(at::kMeta);
  Chain chain{role, std::vector<StagePtr>(seen.options.depths.size()), {}};
  const auto shared = make_shared_tensors(seen.options, nowhere);
  for (const auto& [number, part] : by_stage(tensors)) {
    if (number < 0) chain.shared = shared;
    if (number < 0 || number >= seen.options.stages()) continue;
    const auto form = seen.distilled.find(number);
    ModelOptions distilled = seen.options;
    if (form != seen.distilled.end()) distilled.stitch = form->second.stitch;
    chain.stages[static_cast<std::size_t>(number)] =
        form == seen.distilled.end()
            ? make_stage(seen.options, seen.image, number, 0, nowhere, shared)
            : make_distill_form(distilled, seen.image, number, form->second.around, nowhere);
  }
  return chain;
}

std::vector<std::int64_t> grouping(const StagedTensors& tensors, const Family& family,
                                   const std::vector<std::int64_t>& wanted) {
  std::vector<StagedName> names;
  for (const auto& [name, tensor] : tensors) names.push_back(name);
  auto depths = family.seen_depths(names);
  if (!wanted.empty()) {
    for (std::size_t i = 0; i < depths.size(); ++i)
      if (depths[i] != 0 && (i >= wanted.size() || depths[i] != wanted[i]))
        throw ConfigError(
            fmt::format("stage {} holds {} blocks, but the blocks per stage were given as {}", i,
                        depths[i], print_value(wanted)));
    return wanted;
  }
  for (auto& depth : depths)
    depth = std::max<std::int64_t>(1, depth);  // absent stages need a number
  return depths;
}

}  // namespace

void Guessing::note(SeenModel& seen, const std::string& what) const {
  seen.guesses.push_back(fmt::format("{}: not in the weights; usual for width {} (--{}.{})", what,
                                     seen.options.width, section, what.substr(0, what.find(' '))));
}

SeenModel see_model(const StagedTensors& tensors, const Family& family,
                    std::vector<std::int64_t> depths, const std::string& section,
                    const WrittenSettings& settings, const std::string& source) {
  SeenModel seen;
  seen.options.model = &family;
  seen.options.depths = grouping(tensors, family, depths);
  seen.options.heads = 1;
  family.see(tensors, seen);
  Settings written;
  for (const auto& [key, value] : settings) written.set(key, value, {"command line", 0});
  const auto find = [&](std::string_view name) {
    return written.find(section + "." + std::string(name));
  };
  family.guess(seen, {[&](const char* name) { return find(name) != nullptr; }, section});
  std::vector<std::string> problems;
  ModelOptions::keys().read(seen.options, find, problems);
  for (auto& problem : model_problems(seen.options, seen.image, section))
    problems.push_back(std::move(problem));
  if (!problems.empty()) throw ConfigError(problems);

  const Chain chain = make_seen(seen, tensors, section);
  std::map<std::string, at::Tensor> by_name;
  NamedTensors all;
  for (const auto& [name, tensor] : tensors) {
    all.emplace_back(name.text('/'), tensor);
    by_name[all.back().first] = tensor;
  }
  // Random tensors that never train are not in published files.
  const auto random = buffers(chain);
  const auto optional = [&](const std::string& name) {
    return std::ranges::any_of(random, [&](const auto& buffer) { return buffer.name == name; });
  };
  load(chain, all, source, {}, optional);  // into nothing: only its strict comparison is wanted
  for (const auto& [name, nothing] : state(chain))
    if (const auto found = by_name.find(name); found != by_name.end())
      seen.tensors.push_back(*found);
  seen.whole =
      std::ranges::all_of(tensors,
                          [&](const auto& t) { return family.tells_stage(t.first.key); }) &&
      std::ranges::none_of(chain.stages, [](const auto& stage) { return stage == nullptr; });
  return seen;
}

}  // namespace m2mkd
