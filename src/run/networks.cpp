#include <set>

#include <ATen/ATen.h>

#include <m2mkd/nn/initialise.hpp>
#include <m2mkd/nn/load.hpp>
#include <m2mkd/run/networks.hpp>
#include <m2mkd/train/parameter_type.hpp>

namespace m2mkd {

double WholeNetwork::bytes() const {
  const Chain shape = make_chain(model, job->image_shape(), {job->meta, job->image_shape()}, role,
                                 at::dtype(at::kFloat).device(at::kMeta));
  return static_cast<double>(parameter_count(shape)) * job->cost.element_bytes;
}

std::vector<WholeNetwork> whole_networks(const JobList& list) {
  std::vector<WholeNetwork> networks;
  std::set<std::string> seen;
  const auto add = [&](const std::string& role, const ModelOptions& model, const Source& source,
                       const Job& job) {
    if (!source.defined() || !seen.insert(digest_key(source)).second) return;
    networks.push_back({digest_key(source), role, model, source, &job});
  };
  for (const auto& job : list.jobs) {
    add("meta", job.meta, job.meta_weights, job);
    for (const auto& teacher : job.teachers) {
      add("meta", teacher.meta, teacher.meta_weights, job);
      // Stages as they were incubated are no whole network.
      const bool whole = teacher.weights.job.empty() || list.find(teacher.weights.job).stage < 0;
      if (whole) add("teacher", teacher.model, teacher.weights, job);
    }
    if (!job.spliced() && job.role != Role::meta)
      add(std::string(enum_name(job.role)), job.model, {job.name, {}}, job);
  }
  return networks;
}

Chain whole_or_stage(const WholeNetwork& network, const RunFolder& folder, const Digests& usable,
                     int only_stage) {
  const Job& job = *network.job;
  const Chain chain = make_chain(network.model, job.image_shape(), {job.meta, job.image_shape()},
                                 network.role, parameter_type(job.train.precision), only_stage);
  if (usable.contains(digest_key(network.source))) {
    const auto path = folder.file(network.source);
    load(chain, read_stages(path, network.model.depths, only_stage).tensors, path.string());
  } else {
    initialise(chain, job.seed);
  }
  return chain;
}

}  // namespace m2mkd
