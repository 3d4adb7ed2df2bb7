#include "starts.hpp"

#include <set>

#include <m2mkd/base/log.hpp>
#include <m2mkd/nn/family.hpp>
#include <m2mkd/nn/load.hpp>

namespace m2mkd {

namespace {

std::string lines(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += name + "\n";
  return text;
}

void record(const LoadReport& report, std::size_t files, const StartPlace& place) {
  const auto& name = place.job.name;
  log::info("{}: assembled from {} files: {} tensors copied, {} renamed, {} discarded, {} fresh",
            name, files, report.copied.size(), report.renamed.size(), report.discarded.size(),
            report.fresh.size());
  for (const auto& tensor : report.discarded) log::debug("{}: discarded {}", name, tensor);
  place.provenance["load.copied"] = lines(report.copied);
  place.provenance["load.renamed"] = lines(report.renamed);
  place.provenance["load.discarded"] = lines(report.discarded);
  place.provenance["load.fresh"] = lines(report.fresh);
}

}  // namespace

void load_start(const FreshStart&, const StartPlace&) {}

void load_start(const GivenStart& start, const StartPlace& place) {
  // Random tensors that never train, which published files do not hold (reference/nac §3.2).
  std::set<std::string> drawn;
  for (const auto& buffer : buffers(place.chain)) drawn.insert(buffer.name);
  load(place.chain, place.read(start.file, place.job.stage),
       start.file.file.string() + " (" + place.chain.role + " start weights)", {},
       [&](const std::string& name) { return drawn.contains(name); });
}

void load_start(const PartsStart& start, const StartPlace& place) {
  const Job& job = place.job;
  NamedTensors all;
  for (std::size_t i = 0; i < start.parts.size(); ++i)
    for (auto& tensor : place.read(start.parts[i], static_cast<int>(i)))
      all.push_back(std::move(tensor));
  record(load(place.chain, all, job.name + "'s stage files",
              assembly_map(job.model, start.shape, job.image_shape()),
              fresh_in_assembly(job.model, start.shape, job.image_shape())),
         start.parts.size(), place);
}

void load_start(const UpcycledStart& start, const StartPlace& place) {
  const Family& family = *place.job.model.model;
  record(
      load(place.chain, family.upcycle(place.read(start.dense, -1), place.job.model),
           start.dense.job, {}, [&](const auto& name) { return family.fresh_in_upcycling(name); }),
      1, place);
}

}  // namespace m2mkd
