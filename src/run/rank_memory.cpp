#include <algorithm>
#include <filesystem>
#include <fstream>

#include <ATen/ATen.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <unistd.h>

#include <m2mkd/run/rank_memory.hpp>

namespace m2mkd {

namespace {

namespace fs = std::filesystem;

// Bytes that this process may use: the host's, or what its control group (a batch job's allocation)
// leaves of it.
double host_memory() {
  double least =
      static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    if (!line.starts_with("0::/")) continue;
    for (fs::path folder = "/sys/fs/cgroup/" + line.substr(4);; folder = folder.parent_path()) {
      std::ifstream limit(folder / "memory.max");
      if (double value = 0; limit >> value) least = std::min(least, value);  // "max" is no number
      if (folder == "/sys/fs/cgroup" || !folder.has_relative_path()) break;
    }
  }
  return least;
}

}  // namespace

double rank_memory(const Session& session, const std::vector<RankInfo>& ranks) {
  const auto& mine = session.info();
  const auto device = session.device();
  if (device.is_cpu()) return host_memory() / mine.local_size;
  const auto sharing = std::ranges::count_if(
      ranks, [&](const RankInfo& r) { return r.host == mine.host && r.device == mine.device; });
  const auto all = c10::getDeviceAllocator(device.type())->getMemoryInfo(device.index()).second;
  return static_cast<double>(all) / static_cast<double>(std::max<std::ptrdiff_t>(sharing, 1));
}

}  // namespace m2mkd
