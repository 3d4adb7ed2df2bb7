// Finished and given files: are they what the run will take them for?
#include <algorithm>
#include <set>

#include <m2mkd/check/gates.hpp>
#include <m2mkd/nn/weights.hpp>
#include <m2mkd/store/table_file.hpp>
#include <m2mkd/train/identity.hpp>

namespace m2mkd {

namespace {

namespace fs = std::filesystem;

// Stage of a tensor's name "stages/<i>/<key>"; -1 for shared tensors and others.
int stage_of(const std::string& name) {
  return name.starts_with("stages/") ? std::stoi(name.substr(7)) : -1;
}

std::string text_or(const Attributes& attributes, const std::string& name,
                    const std::string& otherwise) {
  return attributes.contains(name) ? text_attribute(attributes, name) : otherwise;
}

// What the file says it is against what the job publishes.
std::string wrong_claim(const Job& job, const Attributes& attributes, const fs::path& path) {
  const auto claim = [&](const std::string& what, const std::string& wanted,
                         const std::string& found) {
    return found == wanted ? std::string()
                           : fmt::format(
                                 "its {} is {}, not {} [another job's file under this "
                                 "name]: remove it, or restore the right one",
                                 what, found, wanted);
  };
  for (const auto& problem :
       {claim("job", job.name, text_attribute(attributes, "job")),
        claim("network", std::string(enum_name(job.role)), text_attribute(attributes, "network")),
        claim("stage", std::to_string(job.stage),
              std::to_string(integer_attribute(attributes, "stage")))})
    if (!problem.empty()) return problem;
  for (const auto& tensor : list_tensors(path))
    if (job.spliced() && stage_of(tensor.name) != job.stage)
      return fmt::format("it holds {}, which is no tensor of stage {}", tensor.name, job.stage);
  return "";
}

// The settings or the parents that differ from those of today. A parent without a file will be made
// again to the same bits.
std::vector<std::string> differences(const Job& job, const Attributes& attributes,
                                     const Digests& present, bool parents) {
  auto all =
      identity_differences(text_attribute(attributes, "identity"), full_identity(job, present));
  std::erase_if(all, [&](const std::string& line) {
    return line.starts_with("digest.") != parents || line.ends_with(" -> unknown");
  });
  return all;
}

std::string recorded_digest(const RunFolder& folder, const Job& job) {
  const auto path = folder.metrics(job.name);
  if (!fs::exists(path)) return "";
  try {
    return text_or(read_table_file(path).attributes, "module_digest", "");
  } catch (const Error&) {
    return "";  // damaged metrics say nothing about the module
  }
}

Finding check_file(const Job& job, const RunFolder& folder, const RunOptions& run, Digests& present,
                   Digests& usable) {
  const auto path = folder.module(job.name);
  const auto found = [&](Verdict verdict, const std::string& text) {
    return Finding{"files", job.name, verdict, text};
  };
  try {
    const Attributes attributes = read_attributes(path);
    const auto digest = present[job.name] = text_attribute(attributes, "digest");
    if (const auto damages = verify_tensor_file(path); !damages.empty())
      return found(Verdict::wrong, damages.front() + ". Remove " + path.string());
    if (const auto claim = wrong_claim(job, attributes, path); !claim.empty())
      return found(Verdict::wrong, claim);
    if (const auto other = differences(job, attributes, present, false); !other.empty())
      return found(
          run.redo ? Verdict::warning : Verdict::wrong,
          fmt::format("made by other settings: {}{}. Use --run.redo to train it anew, or "
                      "another --run.dir",
                      other.front(),
                      other.size() > 1 ? fmt::format(" and {} more", other.size() - 1) : ""));
    usable[job.name] = digest;
    if (const auto other = differences(job, attributes, present, true); !other.empty())
      return found(Verdict::wrong,
                   fmt::format("{} [the parent's file is another one than it was made from]: "
                               "restore that file, or --run.redo",
                               other.front()));
    if (const auto recorded = recorded_digest(folder, job); !recorded.empty() && recorded != digest)
      return found(Verdict::wrong,
                   fmt::format("its digest is {}, but {} was published [its tensors were changed "
                               "or exchanged]: remove {} to train it anew",
                               digest, recorded, path.string()));
    return found(Verdict::ok, "sound, and made from the parents that are there");
  } catch (const Error& error) {
    return found(Verdict::wrong, error.what());
  }
}

// A file that settings name (init.*).
Finding check_given(const Source& source, const std::string& network, Digests& usable) {
  Finding finding{"files", source.file.string(), Verdict::ok, "sound"};
  try {
    const bool module = source.file.extension() == ".h5";
    const Attributes attributes = module ? read_attributes(source.file) : Attributes{};
    if (module)
      if (const auto damages = verify_tensor_file(source.file); !damages.empty())
        return {"files", finding.subject, Verdict::wrong, damages.front()};
    usable[digest_key(source)] = weights_digest(source.file);  // reads a file of another kind whole
    // A converted file without a configuration does not know what it is.
    const bool knows = attributes.contains("config");
    if (const auto claimed = text_or(attributes, "network", network); knows && claimed != network)
      finding = {"files", finding.subject, Verdict::warning,
                 fmt::format("it says that it is a {}, and is used as {}", claimed, network)};
  } catch (const Error& error) {
    finding = {"files", finding.subject, Verdict::wrong, error.what()};
  }
  return finding;
}

/// Stage files of one network, or one file of a whole one.
struct NetworkFiles {
  std::string name;
  std::vector<Source> files;
};

// Weight matrices of one stage that another stage of the network has too, bit by bit: training
// never makes two alike.
std::optional<Finding> twins(const NetworkFiles& network, const RunFolder& folder) {
  std::map<std::pair<std::string, std::string>, std::string> first;  // key, digest → name
  std::size_t same = 0;
  std::string example;
  for (const auto& file : network.files)
    for (const auto& tensor : list_tensors(folder.file(file))) {
      const int stage = stage_of(tensor.name);
      if (stage < 0 || tensor.shape.size() < 2) continue;
      const auto key = tensor.name.substr(tensor.name.find('/', 7));
      const auto [it, fresh] = first.try_emplace({key, tensor.xxh3}, tensor.name);
      if (fresh || stage_of(it->second) == stage) continue;
      if (same++ == 0) example = it->second + " and " + tensor.name;
    }
  if (same == 0) return std::nullopt;
  return Finding{"files", network.name, Verdict::wrong,
                 fmt::format("{} are equal, {} such pairs [one stage's weights in two places]: "
                             "restore the right file",
                             example, same)};
}

}  // namespace

Findings check_files(const JobList& list, const RunFolder& folder, const RunOptions& run,
                     Digests& usable) {
  Findings findings;
  Digests present;
  std::set<std::string> seen;
  std::vector<NetworkFiles> networks;
  const auto given = [&](const Source& source, const std::string& network) {
    if (source.file.empty() || !seen.insert(digest_key(source)).second) return;
    findings.push_back(check_given(source, network, usable));
    if (usable.contains(digest_key(source))) {
      present[digest_key(source)] = usable[digest_key(source)];
      if (source.file.extension() == ".h5") networks.push_back({source.file.string(), {source}});
    }
  };
  for (const auto& job : list.jobs) {
    given(job.meta_weights, "meta");
    for (const auto& source : sources(job.start)) given(source, std::string(enum_name(job.role)));
    for (const auto& teacher : job.teachers) {
      given(teacher.weights, "teacher");
      given(teacher.meta_weights, "meta");
    }
    if (fs::exists(folder.module(job.name))) {
      findings.push_back(check_file(job, folder, run, present, usable));
      if (!job.spliced()) networks.push_back({job.name, {{job.name, {}}}});
    }
    if (const auto* start = job.parts())
      networks.push_back({"stages of " + job.name, start->parts});
  }
  for (const auto& network : networks)
    if (std::ranges::all_of(network.files,
                            [&](const auto& file) { return usable.contains(digest_key(file)); }))
      if (auto finding = twins(network, folder)) findings.push_back(std::move(*finding));
  return findings;
}

}  // namespace m2mkd
