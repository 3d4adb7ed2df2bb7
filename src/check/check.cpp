#include <algorithm>

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include <m2mkd/base/stopwatch.hpp>
#include <m2mkd/check/check.hpp>
#include <m2mkd/check/gates.hpp>
#include <m2mkd/comm/on_root.hpp>
#include <m2mkd/run/rank_memory.hpp>

namespace m2mkd {

namespace {

constexpr double usable_share = 0.8;  ///< of a rank's memory: the rest is the system's and ours

/// Tells findings, and remembers the worst.
class Report {
 public:
  explicit Report(const std::function<void(const Finding&)>& tell) : tell_(tell) {}
  void add(const Finding& finding) {
    worst_ = std::max(worst_, finding.verdict);
    tell_(finding);
  }
  void add(const Findings& findings) {
    for (const auto& finding : findings) add(finding);
  }
  Verdict worst() const { return worst_; }

 private:
  const std::function<void(const Finding&)>& tell_;
  Verdict worst_ = Verdict::ok;
};

bool is_pair(const Job& job) {
  return job.phase == Phase::distill || job.phase == Phase::incubate;
}

// The same bytes on every rank, so that all decide alike.
double least_memory(const Session& session) {
  std::vector<double> negative{-rank_memory(session, session.all_infos())};
  session.world().max(negative);
  return -negative[0];
}

}  // namespace

Verdict check(const Config& config, const Session& session, const CheckOptions& options,
              const std::function<void(const Finding&)>& tell) {
  const Communicator& world = session.world();
  const JobList list = make_jobs(config);
  const RunFolder folder{config.run.dir};
  const double real = least_memory(session), memory = usable_share * real;
  const Stopwatch watch;
  Report report(tell);

  // What looks at files works on rank 0, and with all the memory that its host has for the ranks.
  const std::string told = on_root(world, [&] {
    Digests usable;
    report.add(check_data(list, options.all_images));
    const bool data = report.worst() != Verdict::wrong;
    report.add(
        check_memory(list, options.ranks > 0 ? options.ranks : world.size(), config.machine, real));
    report.add(check_disk(list, folder));
    report.add(check_files(list, folder, config.run, usable));
    report.add(check_splices(list, folder, usable, memory));
    report.add(check_assemblies(list, folder, usable, memory));
    if (data) {
      report.add(check_given(list, folder, usable, options.seconds / 2, memory));
      report.add(check_teachers(list, folder, usable, memory));
      report.add(check_recorded(list, folder, usable, options.seconds / 2, memory));
    }
    return nlohmann::json{{"usable", usable}, {"worst", report.worst()}, {"data", data}}.dump();
  });
  const auto json = nlohmann::json::parse(told);
  const auto usable = json.at("usable").get<Digests>();
  Verdict worst = json.at("worst").get<Verdict>();

  TrainContext context;
  context.world = context.group = world;
  context.device = session.device();
  for (const auto& job : list.jobs) {
    if (!is_pair(job)) continue;
    const Job form = check_form(job, options.images);
    const Job* pack[] = {&form};
    std::vector<double> left{watch.seconds() - options.seconds};
    world.max(left);
    Finding finding;
    const double bytes = pack_memory(pack, world.size());
    if (!json.at("data").get<bool>()) {
      finding = {"pair", job.name, Verdict::skipped, "there are no images to learn"};
    } else if (bytes > memory) {
      finding = {"pair", job.name, Verdict::skipped,
                 fmt::format("needs about {:.1f} GB per rank of {:.1f} GB: run it on more ranks",
                             bytes * 1e-9, real * 1e-9)};
    } else if (left[0] >= 0) {
      finding = {"pair", job.name, Verdict::skipped, "no time left: --seconds"};
    } else {
      CheckOptions own = options;
      own.seconds = -left[0];
      Builder builder(folder, usable, world, context.device, Weights::known);
      Task task = builder.task(form, {});
      if (!usable.contains(digest_key(form.meta_weights))) liven_frozen(task);
      finding = check_pair(form, std::move(task), context, own);
    }
    worst = std::max(worst, finding.verdict);
    if (world.rank() == 0) tell(finding);
  }
  return worst;
}

}  // namespace m2mkd
