#include <algorithm>
#include <array>
#include <deque>
#include <fstream>
#include <set>

#include <nlohmann/json.hpp>

#include <m2mkd/base/error.hpp>
#include <m2mkd/plan/job.hpp>
#include <m2mkd/run/run_folder.hpp>
#include <m2mkd/store/checkpoint.hpp>
#include <m2mkd/store/leftovers.hpp>
#include <m2mkd/store/table_file.hpp>
#include <m2mkd/store/text_file.hpp>

namespace m2mkd {

namespace {

namespace fs = std::filesystem;

constexpr const char* first_line =
    "# The resolved configuration of this run, which every start replaces: keep your own "
    "elsewhere.";

constexpr std::size_t looked_at = 100'000;  ///< entries below a folder, nearest first

// "distill.2", "incubate.seed2.0", "final.e2e".
bool is_job(const std::string& name) {
  return std::ranges::any_of(EnumNames<Phase>::names, [&](const auto& phase) {
    return name == phase.second || name.starts_with(std::string(phase.second) + ".");
  });
}
bool is_job_file(const std::string& name, const std::string& suffix) {
  return name.ends_with(suffix) && is_job(name.substr(0, name.size() - suffix.size()));
}
bool is_table(const std::string& name) {
  return is_job_file(name, ".h5");
}
bool is_status(const std::string& name) {
  return is_job_file(name, ".json") || name == "stops.txt";
}
bool is_prior(const std::string& name) {
  return name.size() == 19 && name.ends_with(".h5") &&
         name.find_first_not_of("0123456789abcdef") == 16;
}
constexpr std::array texts{"config.ini", "plan.json", "summary.h5", "given.h5"};
bool is_text(const std::string& name) {
  return std::ranges::count(texts, name) > 0;
}

/// A folder of a run and the names that it may hold.
struct Place {
  const char* name;
  bool (*ours)(const std::string& name);
};
constexpr std::array<Place, 5> places{{{"modules", is_table},
                                       {"metrics", is_table},
                                       {"status", is_status},
                                       {"checkpoints", is_job},
                                       {"priors", is_prior}}};

// Names in a folder; none where it is absent or closed to us.
std::vector<fs::directory_entry> entries(const fs::path& folder) {
  std::vector<fs::directory_entry> found;
  std::error_code problem;
  for (fs::directory_iterator at(folder, problem), end; !problem && at != end;
       at.increment(problem))
    found.push_back(*at);
  return found;
}

bool is_our_config(const fs::path& path) {
  std::string line;
  return std::getline(std::ifstream(path), line) && line == first_line;
}

// Earlier versions wrote no first line into config.ini, but a plan.
bool is_our_plan(const fs::path& path) {
  std::ifstream in(path);
  const auto json = nlohmann::json::parse(in, nullptr, false);
  return json.is_object() && json.value("format", "") == "m2mkd plan";
}

bool is_run(const fs::path& folder) {
  std::error_code absent;
  const RunFolder run{folder};
  return fs::is_regular_file(run.config(), absent) &&
         (is_our_config(run.config()) || is_our_plan(run.plan()));
}

[[noreturn]] void refuse(const std::string& what) {
  throw Error(what + ": choose another --run.dir. Nothing was changed", ExitCode::usage);
}

// What lies under our names although no run has worked here.
void require_free(const fs::path& dir) {
  const auto foreign = [&](const fs::path& path) {
    refuse(fmt::format("run.dir = {} is no run's folder, but holds {}, which m2mkd did not write",
                       dir.string(), path.lexically_relative(dir).string()));
  };
  std::error_code absent;
  const auto free = [&](const char* name) {
    if (fs::exists(fs::symlink_status(dir / name, absent))) foreign(dir / name);
  };
  std::ranges::for_each(texts, free);
  free("run.log");
  for (const auto& place : places)
    for (const auto& entry : entries(dir / place.name)) {
      const auto name = entry.path().filename().string();
      if (!place.ours(name) && !place.ours(final_name(name))) foreign(entry.path());
    }
}

// The nearest folder of a run below `dir`, by looking at so many entries; empty where there is
// none.
fs::path run_below(const fs::path& dir, bool own) {
  std::deque<fs::path> open{dir};
  std::error_code gone;
  for (std::size_t count = 0; !open.empty() && count < looked_at; open.pop_front())
    for (const auto& entry : entries(open.front())) {
      ++count;
      if (entry.is_symlink(gone) || !entry.is_directory(gone)) continue;
      const bool part =
          own && open.front() == dir &&
          std::ranges::find(places, entry.path().filename().string(), &Place::name) != places.end();
      if (part) continue;
      if (is_run(entry.path())) return entry.path();
      open.push_back(entry.path());
    }
  return {};
}

}  // namespace

void RunFolder::require_own() const {
  const auto place = fs::weakly_canonical(fs::absolute(dir));
  for (auto above = place.parent_path();; above = above.parent_path()) {
    if (is_run(above))
      refuse(fmt::format("run.dir = {} lies in {}, the folder of another run", place.string(),
                         above.string()));
    if (!above.has_relative_path()) break;
  }
  if (!fs::exists(place)) return;
  if (!fs::is_directory(place)) refuse(fmt::format("run.dir = {} is no folder", place.string()));
  const bool own = is_run(place);
  if (!own) require_free(place);
  if (const auto below = run_below(place, own); !below.empty())
    refuse(fmt::format("run.dir = {} lies around {}, the folder of another run", place.string(),
                       below.string()));
}

void RunFolder::write_config(const std::string& text) const {
  write_text_file(config(), std::string(first_line) + "\n" + text);
}

void RunFolder::prepare() const {
  for (const auto* sub : {"modules", "checkpoints", "metrics", "status"})
    fs::create_directories(dir / sub);
  remove_leftovers(dir, is_text);
  for (const auto& place : places) remove_leftovers(dir / place.name, place.ours);
  for (const auto& entry : entries(dir / "checkpoints"))
    if (is_job(entry.path().filename().string())) CheckpointFolder(entry.path()).clear_leftovers();
}

fs::path RunFolder::module(const std::string& job) const {
  return dir / "modules" / (job + ".h5");
}
fs::path RunFolder::checkpoints(const std::string& job) const {
  return dir / "checkpoints" / job;
}
fs::path RunFolder::metrics(const std::string& job) const {
  return dir / "metrics" / (job + ".h5");
}
fs::path RunFolder::status(const std::string& job) const {
  return dir / "status" / (job + ".json");
}
fs::path RunFolder::prior(const std::string& key) const {
  return dir / "priors" / (key + ".h5");
}

fs::path RunFolder::file(const Source& source) const {
  return source.job.empty() ? source.file : module(source.job);
}

bool RunFolder::holds_run() const {
  return fs::exists(config()) || fs::exists(dir / "status") || fs::exists(dir / "modules");
}

std::vector<std::string> RunFolder::traces() const {
  std::vector<std::string> names;
  for (const auto& [sub, suffix] : {std::pair{"modules", ".h5"}, std::pair{"status", ".json"}}) {
    std::set<std::string> sorted;
    for (const auto& entry : entries(dir / sub))
      if (entry.path().extension() == suffix) sorted.insert(entry.path().stem().string());
    for (const auto& name : sorted)
      if (std::ranges::count(names, name) == 0) names.push_back(name);
  }
  return names;
}

}  // namespace m2mkd
