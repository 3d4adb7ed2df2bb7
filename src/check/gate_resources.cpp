// Data, memory, disk: is there room for the run?
#include <algorithm>
#include <cmath>
#include <set>

#include <ATen/ATen.h>
#include <unistd.h>

#include <m2mkd/check/gates.hpp>
#include <m2mkd/run/evaluation_images.hpp>

namespace m2mkd {

namespace {

namespace fs = std::filesystem;

constexpr double whole_file_bytes = 2e9;  ///< larger data files are sampled
constexpr std::int64_t sample_images = 64;

// Images from all over the file, or all of them.
std::vector<std::int64_t> sample(const ImageFile& file, bool all) {
  const auto count = all ? file.info().count : std::min(sample_images, file.info().count);
  std::vector<std::int64_t> images;
  for (std::int64_t i = 0; i < count; ++i)
    images.push_back(i * (file.info().count - 1) / std::max<std::int64_t>(1, count - 1));
  return images;
}

// What is damaged, empty where nothing is, and in `looked` how much was looked at.
std::string damage(const ImageFile& file, const fs::path& path, bool all, std::string& looked) {
  const bool whole = all || static_cast<double>(file.info().bytes) <= whole_file_bytes;
  if (whole) {
    if (const auto damages = verify_image_file(path); !damages.empty())
      return damages.front() + ": pack it again";
    looked = "all digests match";
  }
  const auto images = sample(file, all);
  if (file.info().form == ImageForm::encoded) {
    looked += fmt::format("{}{} of {} were decoded{}", whole ? ", " : "", images.size(),
                          file.info().count, all ? "" : " (--all-images: all)");
    const auto damaged = undecodable(file, images);
    return damaged.empty() ? "" : undecodable_text(file, path, damaged);
  }
  if (whole) return "";
  std::vector<std::byte> bytes;
  for (const auto i : images) {
    bytes.resize(static_cast<std::size_t>(file.image_bytes(i)));
    file.read(i, bytes);
  }
  looked = fmt::format("{} of {} were read (--all-images: all)", images.size(), file.info().count);
  return "";
}

std::string empty_classes(const Dataset& dataset) {
  std::vector<std::int64_t> counts(static_cast<std::size_t>(dataset.classes()));
  for (std::int64_t i = 0; i < dataset.size(); ++i)
    ++counts[static_cast<std::size_t>(dataset.label(i))];
  const auto empty = std::ranges::count(counts, 0);
  if (empty == 0) return "";
  const auto first = std::ranges::find(counts, 0) - counts.begin();
  return fmt::format(
      "{} of {} classes have no image, '{}' among them [a wrong file, or a subset that is too "
      "small]",
      empty, counts.size(), dataset.file().info().classes[static_cast<std::size_t>(first)]);
}

Finding check_images(const fs::path& path, const std::function<Dataset()>& open, bool all_images) {
  Finding finding{"data", path.string(), {}, {}};
  try {
    const Dataset dataset = open();
    std::string looked;
    const std::string damaged = damage(dataset.file(), path, all_images, looked);
    const std::string empty = empty_classes(dataset);
    finding.text =
        fmt::format("{} images of {} classes, {}", dataset.size(), dataset.classes(), looked);
    if (!empty.empty()) finding = {"data", finding.subject, Verdict::warning, empty};
    if (!damaged.empty()) finding = {"data", finding.subject, Verdict::wrong, damaged};
  } catch (const Error& error) {
    finding = {"data", finding.subject, Verdict::wrong, error.what()};
  }
  return finding;
}

// The nearest folder that exists.
fs::path existing(fs::path folder) {
  std::error_code problem;
  folder = fs::absolute(folder);
  while (!fs::exists(folder, problem) && folder.has_relative_path()) folder = folder.parent_path();
  return folder;
}

}  // namespace

Findings check_data(const JobList& list, bool all_images) {
  Findings findings;
  std::set<std::string> seen;
  for (const auto& job : list.jobs) {
    const auto& data = job.data;
    const auto key =
        fmt::format("{} {} {}", data.train.string(), data.validation_images, data.train_images);
    if (seen.insert(key).second)
      findings.push_back(check_images(
          data.train, [&] { return Dataset(data, Split::train); }, all_images));
    for (const auto& evaluation : job.evaluations)
      if (const auto& path = evaluation.data.test;
          evaluation.split == Split::test && seen.insert(path.string()).second)
        findings.push_back(check_images(
            path, [&] { return evaluation.open(); }, all_images));
  }
  for (const auto& note : data_notes(list))
    findings.push_back({"data", list.jobs.front().data.test.string(), Verdict::warning, note});
  return findings;
}

Findings check_memory(const JobList& list, int ranks, const MachineOptions& machine, double real) {
  Findings findings;
  std::string dearest;
  double most = 0;
  for (const auto& names : assign_waves(list, ranks, machine)) {
    std::vector<const Job*> jobs;
    for (const auto& name : names) jobs.push_back(&list.find(name));
    for (const auto& group : make_wave(jobs, ranks, machine).groups)
      for (const auto& pack : group.packs) {
        const std::string name =
            pack.jobs.front() + (pack.jobs.size() > 1 ? " .. " + pack.jobs.back() : "");
        if (pack.memory > most) {
          most = pack.memory;
          dearest = name;
        }
        const bool too_much = pack.memory > real;
        if (too_much || pack.memory > machine.memory_gb * 1e9)
          findings.push_back(
              {"memory", name, too_much ? Verdict::wrong : Verdict::warning,
               fmt::format("needs about {:.2f} GB on each of {} ranks; there are {:.2f} GB per "
                           "rank, and machine.memory_gb is {:.2f}. Try more ranks, a smaller "
                           "micro_batch, or train.forward_micro_batches = 1",
                           pack.memory * 1e-9, group.ranks, real * 1e-9, machine.memory_gb)});
      }
  }
  if (findings.empty())
    findings.push_back({"memory", fmt::format("{} rank(s)", ranks), Verdict::ok,
                        fmt::format("{} needs most: about {:.2f} GB of {:.2f} GB per rank", dearest,
                                    most * 1e-9, real * 1e-9)});
  return findings;
}

Finding check_disk(const JobList& list, const RunFolder& folder) {
  constexpr double logs = 1e6;  ///< metrics, status and log of one job
  double modules = 0, checkpoints = 0;
  std::map<int, double> per_wave;
  for (const auto& job : list.jobs) {
    if (fs::exists(folder.module(job.name))) continue;
    const double module = static_cast<double>(job.cost.network) * job.cost.element_bytes;
    modules += module + logs;
    double& during = job.train.keep_checkpoints ? checkpoints : per_wave[job.wave];
    during += job_disk(job) - module;
  }
  double largest = 0;  // a job's checkpoints go when its module file is published
  for (const auto& [wave, bytes] : per_wave) largest = std::max(largest, bytes);
  const double needed = modules + checkpoints + largest;
  const fs::path place = existing(folder.dir);
  Finding finding{"disk", folder.dir.string(), Verdict::ok, ""};
  const auto free = static_cast<double>(fs::space(place).available);
  finding.text =
      fmt::format("needs about {:.3g} GB of {:.3g} GB that are free", needed * 1e-9, free * 1e-9);
  if (access(place.c_str(), W_OK) != 0)
    finding = {"disk", finding.subject, Verdict::wrong,
               place.string() + " cannot be written [permission]: give another --run.dir"};
  else if (needed > free)
    finding = {"disk", finding.subject, Verdict::wrong,
               finding.text + ": make room or give another --run.dir"};
  else if (needed > 0.8 * free)
    finding.verdict = Verdict::warning;
  return finding;
}

}  // namespace m2mkd
