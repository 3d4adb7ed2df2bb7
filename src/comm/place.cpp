#include "place.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <thread>

#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

namespace m2mkd {

std::vector<int> allowed_cores() {
  std::vector<int> cores;
  // The kernel refuses a set smaller than its own: large hosts have more than the 1024 cores of a
  // plain cpu_set_t.
  for (int most = CPU_SETSIZE; most <= 1 << 20; most *= 2) {
    cpu_set_t* set = CPU_ALLOC(static_cast<std::size_t>(most));
    if (set == nullptr) break;
    const std::size_t bytes = CPU_ALLOC_SIZE(static_cast<std::size_t>(most));
    CPU_ZERO_S(bytes, set);
    const bool known = sched_getaffinity(0, bytes, set) == 0;
    const bool too_small = !known && errno == EINVAL;
    for (int core = 0; known && core < most; ++core) {
      if (CPU_ISSET_S(static_cast<std::size_t>(core), bytes, set)) cores.push_back(core);
    }
    CPU_FREE(set);
    if (!too_small) break;
  }
  if (cores.empty()) {
    const auto count = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
    for (int core = 0; core < count; ++core) cores.push_back(core);
  }
  return cores;
}

std::string cores_text(const std::vector<int>& cores) {
  std::string text;
  for (std::size_t i = 0; i < cores.size();) {
    std::size_t last = i;
    while (last + 1 < cores.size() && cores[last + 1] == cores[last] + 1) ++last;
    if (!text.empty()) text += ',';
    text += last == i ? fmt::format("{}", cores[i]) : fmt::format("{}-{}", cores[i], cores[last]);
    i = last + 1;
  }
  return text;
}

std::optional<int> threads_of_environment() {
  const char* text = std::getenv("OMP_NUM_THREADS");
  if (text == nullptr) return std::nullopt;
  const long threads = std::strtol(text, nullptr, 10);
  if (threads < 1 || threads > INT_MAX) return std::nullopt;
  return static_cast<int>(threads);
}

int threads_for(const std::vector<int>& mine, const std::vector<std::vector<int>>& all) {
  const auto overlaps = [&mine](const std::vector<int>& other) {
    return std::find_first_of(mine.begin(), mine.end(), other.begin(), other.end()) != mine.end();
  };
  const auto sharing = std::max<std::ptrdiff_t>(1, std::count_if(all.begin(), all.end(), overlaps));
  return static_cast<int>(std::max<std::ptrdiff_t>(1, std::ssize(mine) / sharing));
}

}  // namespace m2mkd
