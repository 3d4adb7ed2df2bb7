#include <algorithm>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/base/log.hpp>
#include <m2mkd/nn/family.hpp>
#include <m2mkd/nn/nac.hpp>
#include <m2mkd/run/prior_files.hpp>
#include <m2mkd/store/digest.hpp>

namespace m2mkd {
namespace {

// Everything that the graph and its signatures depend on.
std::string content(const Job& job) {
  const auto& n = job.model.own<NacOptions>();
  std::string text =
      fmt::format("seed {} nodes {} width {}\n", job.seed, n.mediator_latents, n.signature_width);
  const auto keys = PriorOptions::keys();
  for (const auto& key : keys.keys()) text += key.name + " = " + key.print(n.prior) + "\n";
  return text;
}

std::filesystem::path file_of(const Job& job, const RunFolder& folder) {
  return folder.prior(xxh3_hex(content(job)));
}

void add_report(Attributes& attributes, const GraphReport& report) {
  attributes["density"] = report.density;
  attributes["recall"] = report.recall;
  attributes["false_positives"] = report.false_positives;
  attributes["kept"] = report.kept;
  attributes["added"] = report.added;
  attributes["active"] = report.active;
  attributes["links_per_row"] = report.links_per_row;
}

}  // namespace

bool has_prior(const Job& job) {
  return job.model.model->has_graph_prior() && !job.spliced();
}

namespace {

struct Fit {
  FittedPrior prior;
  GraphReport report;
};

Fit fit(const Job& job) {
  const auto& n = job.model.own<NacOptions>();
  Fit made;
  made.prior.graph = draw_graph(n.prior, n.mediator_latents, job.seed);
  made.prior.signatures = fit_signatures(n.prior, made.prior.graph, n.signature_width, job.seed);
  made.report = graph_report(n.prior, made.prior.graph, made.prior.signatures, n.truncation);
  log::info(
      "prior {} over {} mediators, seed {}: density {:.4f}; fitted: recall {:.3f}, false positives "
      "{:.4f}; active pairs {:.3f}, links per row {:.1f}",
      enum_name(n.prior.prior), n.mediator_latents, job.seed, made.report.density,
      made.report.recall, made.report.false_positives, made.report.active,
      made.report.links_per_row);
  return made;
}

}  // namespace

FittedPrior fitted_prior(const Job& job, const RunFolder& folder) {
  const auto path = file_of(job, folder);
  if (!std::filesystem::exists(path)) return fit(job).prior;
  const TensorFile file = read_tensor_file(path);
  return {file.tensors.at(0).second.to(at::kBool), file.tensors.at(1).second};
}

void fit_priors(const std::vector<const Job*>& jobs, const RunFolder& folder,
                const Communicator& world) {
  std::vector<const Job*> needed;
  for (const Job* job : jobs)
    if (has_prior(*job) && std::ranges::none_of(needed, [&](const Job* other) {
          return file_of(*job, folder) == file_of(*other, folder);
        }))
      needed.push_back(job);
  if (needed.empty()) return;
  for (std::size_t i = 0; i < needed.size(); ++i) {
    const auto path = file_of(*needed[i], folder);
    if (static_cast<int>(i) % world.size() != world.rank() || std::filesystem::exists(path))
      continue;
    const auto [prior, report] = fit(*needed[i]);
    TensorFile file;
    file.attributes["prior"] = content(*needed[i]);
    add_report(file.attributes, report);
    file.tensors = {{"graph", prior.graph.to(at::kByte)}, {"signatures", prior.signatures}};
    write_tensor_file(path, file);
  }
  std::vector<double> done{1};
  world.sum(done);
}

void start_signatures(const Chain& chain, const Job& job, const RunFolder& folder,
                      const Communicator& group) {
  const c10::NoGradGuard no_grad;
  for (const auto& [name, tensor] : state(chain)) {
    if (name != kMediatorSignatures) continue;
    if (group.rank() == 0) at::Tensor(tensor).copy_(fitted_prior(job, folder).signatures);
    group.broadcast(tensor);
  }
}

std::optional<PriorStanding> prior_standing(const Job& job, const RunFolder& folder) {
  const auto module = folder.module(job.name);
  if (!has_prior(job) || !std::filesystem::exists(file_of(job, folder)) ||
      !std::filesystem::exists(module))
    return std::nullopt;
  const auto trained =
      read_tensor_file(module, [](const std::string& name) { return name == kMediatorSignatures; });
  if (trained.tensors.empty()) return std::nullopt;
  const FittedPrior prior = fitted_prior(job, folder);
  const auto& n = job.model.own<NacOptions>();
  const auto report = [&](const at::Tensor& signatures) {
    return graph_report(n.prior, prior.graph, signatures.to(at::kFloat), n.truncation);
  };
  return PriorStanding{report(prior.signatures), report(trained.tensors.front().second)};
}

}  // namespace m2mkd
