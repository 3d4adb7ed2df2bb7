#pragma once
// The only training loop. It trains a pack: jobs that share the batches (and frozen prefixes); a
// pack of one is the simple case. Micro-batches outside, jobs inside. Jobs stay independent: loss,
// clipping, schedule, policies and files are each job's own.

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <m2mkd/comm/communicator.hpp>
#include <m2mkd/data/evaluation.hpp>
#include <m2mkd/data/loader.hpp>
#include <m2mkd/nn/chain.hpp>
#include <m2mkd/store/tensor_file.hpp>
#include <m2mkd/train/options.hpp>

namespace m2mkd {

/// One job, ready to train: a chain in which some stages are frozen, with an objective that may
/// compare it with other chains.
struct Task {
  std::string name;   ///< "distill.2"
  std::string phase;  ///< "distill"
  Chain chain;
  std::vector<int>
      trained;  ///< stages that train; only these (and trained shared tensors) are written
  std::vector<Chain> teachers;  ///< frozen, whole chains over the same images
  TrainOptions options;
  DataOptions data;
  std::uint64_t seed = 0;
  double flops_per_image = 1;           ///< training FLOPs, for the job's share of a pack's seconds
  std::vector<Evaluation> evaluations;  ///< `test` among them
  bool evaluate_start = false;          ///< before any step, too (an assembled student)
  bool evaluate_teachers = false;       ///< each teacher before any step
  std::filesystem::path module_file, checkpoints, metrics_file, status_file;
  Attributes provenance;  ///< written into every file of the job; holds `identity`
};

/// Where and with whom a trainer works.
struct TrainContext {
  Communicator world;  ///< to tell and hear of stops
  Communicator group;
  c10::Device device{c10::kCPU};
  std::function<void(const std::string& what)> beat = [](const std::string&) {
  };  ///< tells the watchdog that things move
};

/// How a job's batches are cut for this rank of the group.
LoaderOptions loader_options(const TrainOptions& options, std::uint64_t seed,
                             const Communicator& group);

enum class Outcome { finished, stopped };

class Trainer {
 public:
  /// All tasks have the same batches: data, batch, micro-batch, forwards, precision and seed
  /// (throws std::logic_error otherwise, naming the jobs and the setting). Everything else,
  /// evaluation, checkpoint and log times included, is each task's own.
  Trainer(std::vector<Task> pack, TrainContext context);
  ~Trainer();
  /// Restores every job's newest step, trains, evaluates, writes the module files. Jobs at
  /// different steps: those at the least one train, the others wait, saved. On a stop request saves
  /// checkpoints and returns Outcome::stopped. Throws CollectiveError, after saving what is good,
  /// where a loss, a gradient, a network or an optimizer is not finite and must not be.
  Outcome run();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace m2mkd
