#include "bench_machine.hpp"

#include <algorithm>
#include <set>

#include <ATen/ATen.h>
#include <unistd.h>

#include <m2mkd/base/stopwatch.hpp>
#include <m2mkd/comm/on_root.hpp>
#include <m2mkd/run/rank_memory.hpp>
#include <m2mkd/store/tensor_file.hpp>

namespace m2mkd {

namespace {

namespace fs = std::filesystem;

constexpr std::int64_t elements = 16 << 20;  // 64 MB of floats
constexpr double bytes = 4.0 * elements;
constexpr int repetitions = 5;

// Bytes per second through each rank's link: an all-reduce moves 2(n − 1)/n of the tensor, as the
// prediction has it.
double reduce_rate(const Session& session) {
  const auto& world = session.world();
  const at::Tensor tensor = at::zeros({elements}, at::dtype(at::kFloat).device(session.device()));
  double best = 0;
  for (int i = 0; i <= repetitions; ++i) {
    world.barrier();
    const Stopwatch watch;
    world.sum(tensor);
    tensor[0].item();  // waits for a GPU
    std::vector<double> seconds{watch.seconds()};
    world.max(seconds);
    const double n = world.size();
    if (i > 0) best = std::max(best, bytes * 2 * (n - 1) / n / seconds[0]);
  }
  return best;
}

// Bytes per second of a checkpoint: digest, write, fsync.
double disk_rate(const fs::path& run_dir) {
  std::error_code problem;
  const fs::path parent = fs::absolute(run_dir).parent_path();
  const bool usable = fs::is_directory(parent, problem) && access(parent.c_str(), W_OK) == 0;
  const fs::path file =
      (usable ? parent : fs::temp_directory_path()) / fmt::format(".m2mkd-bench-{}.h5", getpid());
  // Random, so that a compressing file system has its work.
  const TensorFile contents{{}, {{"values", at::randn({elements})}}};
  const Stopwatch watch;
  write_tensor_file(file, contents);
  const double seconds = watch.seconds();
  fs::remove(file, problem);
  return bytes / seconds;
}

}  // namespace

MachineFacts measure_machine(const Session& session, const fs::path& run_dir,
                             const MachineOptions& given) {
  const auto& world = session.world();
  MachineFacts facts;
  facts.ranks = session.all_infos();
  facts.rates.reduce_gb_s = world.size() > 1 ? reduce_rate(session) * 1e-9 : given.reduce_gb_s;
  std::vector<double> memory{-rank_memory(session, facts.ranks)};
  world.max(memory);
  facts.rates.memory_gb = -memory[0] * 1e-9;
  facts.rates.disk_gb_s =
      std::stod(on_root(world, [&] { return fmt::format("{:.6g}", disk_rate(run_dir) * 1e-9); }));
  return facts;
}

std::string machine_ini(const MachineFacts& facts) {
  std::set<std::string> hosts;
  for (const auto& rank : facts.ranks) hosts.insert(rank.host);
  const auto& rates = facts.rates;
  const auto number = [](double value) {
    return value >= 1000 ? fmt::format("{:.0f}", value) : fmt::format("{:.3g}", value);
  };
  std::string text = fmt::format(
      "# m2mkd bench: {} rank(s) on {} host(s), device {}, {} thread(s) per rank\n[machine]\n",
      facts.ranks.size(), hosts.size(), facts.ranks.front().device, facts.ranks.front().threads);
  text += "gflops = " + number(rates.gflops) + "\n";
  if (facts.ranks.size() == 1) text += "# Not measured: one rank has nobody to reduce with.\n";
  text += "reduce_gb_s = " + number(rates.reduce_gb_s) + "\n";
  text += "memory_gb = " + number(rates.memory_gb) + "\n";
  text += "disk_gb_s = " + number(rates.disk_gb_s) + "\n";
  return text;
}

}  // namespace m2mkd
