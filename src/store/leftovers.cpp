#include <vector>

#include <m2mkd/base/log.hpp>
#include <m2mkd/store/leftovers.hpp>

namespace m2mkd {

std::string final_name(const std::string& name) {
  const std::string mark = ".tmp.";
  const auto at = name.rfind(mark);
  if (at == std::string::npos || at == 0) return "";
  const auto pid = name.substr(at + mark.size());
  if (pid.empty() || pid.find_first_not_of("0123456789") != std::string::npos) return "";
  return name.substr(0, at);
}

void remove_leftovers(const std::filesystem::path& folder,
                      const std::function<bool(const std::string& target)>& ours) {
  namespace fs = std::filesystem;
  std::vector<fs::path> found;
  std::error_code problem;
  for (fs::directory_iterator at(folder, problem), end; !problem && at != end;
       at.increment(problem)) {
    const auto target = final_name(at->path().filename().string());
    std::error_code gone;
    if (!target.empty() && ours(target) && fs::is_regular_file(at->symlink_status(gone)))
      found.push_back(at->path());
  }
  for (const auto& path : found) {
    fs::remove(path, problem);
    if (problem) log::warn("cannot remove '{}': {}", path.string(), problem.message());
  }
}

}  // namespace m2mkd
