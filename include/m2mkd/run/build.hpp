#pragma once
// From a job's plain data to its networks, with weights: what the trainer and the evaluator work
// on.

#include <filesystem>
#include <map>
#include <string>

#include <m2mkd/comm/communicator.hpp>
#include <m2mkd/plan/job.hpp>
#include <m2mkd/run/run_folder.hpp>
#include <m2mkd/train/trainer.hpp>

namespace m2mkd {

/// Digest per source: job name or file path → digest of its contents, as told by the producer.
using Digests = std::map<std::string, std::string>;
/// The key of a source in Digests.
std::string digest_key(const Source& source);
/// The job's identity with the digests of everything it starts from.
std::string full_identity(const Job& job, const Digests& digests);

/// A chain of that many absent stages.
Chain empty_chain(const std::string& role, int stages);
struct StagedFile {
  NamedTensors tensors;  ///< "stages/<i>/<key>" and "shared/<key>"
  std::string digest;
};
/// Weights of a file of any kind (nn/weights.hpp), of one stage or all (-1); flat names are cut by
/// `depths`.
StagedFile read_stages(const std::filesystem::path& path, const std::vector<std::int64_t>& depths,
                       int only_stage);

/// Where a Builder takes weights from: the files that jobs and settings name; or, where only speed
/// counts, each network's own random start (no file is read); or the files whose digests it was
/// given, and random starts for all others.
enum class Weights { files, random, known };

/// Builds the networks of the jobs of one pack: the frozen meta is loaded once, and its stages are
/// shared as objects. One rank of the group reads each file, checks its digest (a few retries
/// against stale caches) and broadcasts. Collective over the group.
class Builder {
 public:
  Builder(RunFolder folder, Digests digests, Communicator group, c10::Device device,
          Weights weights = Weights::files);

  /// Chain, teachers, options and file names; `provenance` is completed by identity, parents and
  /// the load reports.
  Task task(const Job& job, Attributes provenance);
  /// The job's network with the weights of its module file, or of any file of weights: what an
  /// evaluation needs.
  Chain finished(const Job& job, const std::filesystem::path& file);
  /// A network that the job learns from, or one stage of it (-1: whole); loaded once.
  Chain frozen(const std::string& role, const ModelOptions& model, const Job& job,
               const Source& source, int only_stage);

 private:
  void load_into(const Chain& chain, const Source& source, const ModelOptions& model,
                 int only_stage, const std::string& what);
  NamedTensors read(const Source& source, const std::vector<std::int64_t>& depths,
                    int only_stage) const;
  bool reads(const Source& source) const;
  void broadcast(const Chain& chain) const;
  Chain trained(const Job& job, Attributes& provenance);
  Chain surrounded(const Job& job, const Chain& own);
  at::TensorOptions tensor(const Job& job) const;

  RunFolder folder_;
  Digests digests_;
  Communicator group_;
  c10::Device device_;
  Weights weights_;
  std::map<std::string, Chain> frozen_;
};

}  // namespace m2mkd
