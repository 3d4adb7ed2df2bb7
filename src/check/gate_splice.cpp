// Splicing and assembling change no bit.
#include <algorithm>
#include <set>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <unistd.h>

#include <m2mkd/check/gates.hpp>
#include <m2mkd/nn/initialise.hpp>
#include <m2mkd/nn/load.hpp>
#include <m2mkd/run/networks.hpp>
#include <m2mkd/run/prior_files.hpp>
#include <m2mkd/train/parameter_type.hpp>

#include "too_large.hpp"

namespace m2mkd {

namespace {

namespace fs = std::filesystem;

/// A folder that goes away.
struct ScratchFolder {
  fs::path path;
  ScratchFolder() {
    std::string pattern = (fs::temp_directory_path() / "m2mkd_check_XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr)
      fail("{} cannot be made [no temporary folder]: set TMPDIR to a folder with space", pattern);
    path = pattern;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
};

at::Tensor few_images(const Job& job) {
  constexpr std::int64_t count = 2;
  const auto& s = job.facts;
  const auto values = at::arange(count * s.channels * s.image_size * s.image_size,
                                 parameter_type(job.train.precision));
  return (values * 0.37).sin().view({count, s.channels, s.image_size, s.image_size});
}

double difference(const at::Tensor& a, const at::Tensor& b) {
  return a.sizes() == b.sizes() ? (a - b).abs().max().item<double>() : INFINITY;
}

// Stages of the full model, each from its part's file alone.
Chain sum_of_files(const Job& job, const RunFolder& folder) {
  const Chain sum =
      make_chain(job.model, job.image_shape(), {job.meta, job.image_shape()},
                 std::string(enum_name(job.role)), parameter_type(job.train.precision));
  initialise(sum, job.seed);
  if (has_prior(job)) start_signatures(sum, job, folder, {});
  const PartsStart& start = *job.parts();
  for (int i = 0; i < job.model.stages(); ++i) {
    Chain one = empty_chain(sum.role, job.model.stages());
    const auto at = static_cast<std::size_t>(i);
    one.stages[at] = sum.stages[at];
    const auto path = folder.file(start.parts[at]);
    load(one, read_stages(path, job.model.depths, i).tensors, path.string(),
         assembly_map(job.model, start.shape, job.image_shape()),
         fresh_in_assembly(job.model, start.shape, job.image_shape()));
  }
  return sum;
}

}  // namespace

Finding check_splice(const std::string& name, const Chain& whole,
                     const std::function<StagePtr(int)>& alone, const at::Tensor& images) {
  const c10::NoGradGuard no_grad;
  const ForwardContext context;
  const at::Tensor own = whole.forward(images, context);
  for (int i = 0; i < whole.size(); ++i) {
    const Chain hybrid = splice(whole, i, alone(i));
    const at::Tensor prefix = hybrid.forward(images, context, 0, i);
    const at::Tensor logits = hybrid.forward(prefix, context, i);
    if (!at::equal(own, logits))
      return {"splice", name, Verdict::wrong,
              fmt::format("with its own stage {} spliced in, its logits differ by up to {:.3g} "
                          "[the stage's tensors are not those of the whole network]: compare its "
                          "file by `m2mkd inspect`",
                          i, difference(own, logits))};
  }
  return {"splice", name, Verdict::ok,
          fmt::format("{} own stages spliced in give its own logits", whole.size())};
}

Findings check_splices(const JobList& list, const RunFolder& folder, Digests& usable,
                       double memory) {
  Findings findings;
  for (const auto& network : whole_networks(list)) {
    const Job& job = *network.job;
    if (auto skipped = too_large("splice", network.name, 2 * network.bytes(), memory)) {
      findings.push_back(*skipped);
      continue;
    }
    const auto make = [&](int only_stage) {
      return whole_or_stage(network, folder, usable, only_stage);
    };
    try {
      findings.push_back(check_splice(
          network.name, make(-1),
          [&](int i) { return make(i).stages[static_cast<std::size_t>(i)]; }, few_images(job)));
    } catch (const Error& error) {
      usable.erase(digest_key(network.source));
      findings.push_back({"splice", network.name, Verdict::wrong, error.what()});
    }
  }
  return findings;
}

void write_random_parts(const Job& job, const JobList& list, const RunFolder& folder) {
  fs::create_directories(folder.module("x").parent_path());
  for (const auto& source : job.parts()->parts) {
    const Job& part = list.find(source.job);
    Chain one = empty_chain(std::string(enum_name(part.role)), part.model.stages());
    one.stages[static_cast<std::size_t>(part.stage)] =
        make_distill_form(part.model, part.image_shape(), part.stage, part.around(),
                          parameter_type(part.train.precision));
    initialise(one, part.seed);
    write_tensor_file(folder.module(part.name), {{}, state(one)});
  }
}

Finding check_assembled(const Job& job, const Chain& assembled, const RunFolder& folder,
                        const at::Tensor& images) {
  const c10::NoGradGuard no_grad;
  const auto wrong = [&](const std::string& text) {
    return Finding{"assembly", job.name, Verdict::wrong,
                   text + " [the network is not the sum of its stages' files]"};
  };
  const auto& parts = job.parts()->parts;
  const Chain sum = sum_of_files(job, folder);
  const NamedTensors wanted = state(sum), found = state(assembled);
  if (wanted.size() != found.size())
    return wrong(fmt::format("{} tensors where the files have {}", found.size(), wanted.size()));
  for (std::size_t i = 0; i < wanted.size(); ++i)
    if (wanted[i].first != found[i].first || !at::equal(wanted[i].second, found[i].second))
      return wrong(fmt::format(
          "{} differs from {}", found[i].first,
          folder.file(parts[static_cast<std::size_t>(std::stoi(wanted[i].first.substr(7)))])
              .string()));
  const at::Tensor a = assembled.forward(images, {}), b = sum.forward(images, {});
  if (!at::equal(a, b))
    return wrong(fmt::format("logits differ by up to {:.3g}", difference(a, b)));
  return {"assembly", job.name, Verdict::ok,
          fmt::format("{} tensors and the logits equal those of {} files", wanted.size(),
                      parts.size())};
}

Findings check_assemblies(const JobList& list, const RunFolder& folder, const Digests& usable,
                          double memory) {
  Findings findings;
  for (const auto& job : list.jobs) {
    if (job.parts() == nullptr) continue;
    const double bytes = static_cast<double>(job.cost.chain.parameters()) * job.cost.element_bytes;
    if (auto skipped = too_large("assembly", job.name, 3 * bytes, memory)) {
      findings.push_back(*skipped);
      continue;
    }
    try {
      std::optional<ScratchFolder> scratch;
      RunFolder from = folder;
      if (!std::ranges::all_of(sources(job.start),
                               [&](const auto& s) { return usable.contains(s.job); })) {
        scratch.emplace();
        from.dir = scratch->path;
        write_random_parts(job, list, from);
      }
      Job alone = job;
      alone.teachers.clear();
      const Chain assembled = Builder(from, {}, {}, c10::kCPU).task(alone, {}).chain;
      Finding finding = check_assembled(job, assembled, from, few_images(job));
      if (scratch) finding.text += " (random ones)";
      findings.push_back(std::move(finding));
    } catch (const Error& error) {
      findings.push_back({"assembly", job.name, Verdict::wrong, error.what()});
    }
  }
  return findings;
}

}  // namespace m2mkd
