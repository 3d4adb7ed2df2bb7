#pragma once
// A whole small run on disk, once per binary, and copies of it in which faults are planted.

#include <algorithm>
#include <fstream>

#include <m2mkd/base/log.hpp>
#include <m2mkd/check/gates.hpp>

#include "plan/small_config.hpp"
#include "support/small_training.hpp"

namespace m2mkd::test {

/// m2mkd on the small images, networks of four stages; enough steps that a stage knows its place.
class CheckedRun : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    log::set_speaker(0, 1, false);
    folder = make_folder();
    write_small_data(folder);
    list = new JobList(small_jobs(changes()));
    const RunFolder run{folder / "run"};
    Digests digests;
    for (const auto& job : list->jobs) {
      const Attributes place{
          {"started", 0.0}, {"wave", std::int64_t{0}}, {"first_rank", std::int64_t{0}}};
      train({Builder(run, digests, {}, at::kCPU).task(job, place)}, job.data);
      digests[job.name] = text_attribute(read_attributes(run.module(job.name)), "digest");
    }
  }
  static void TearDownTestSuite() {
    std::filesystem::remove_all(folder);
    delete list;
    log::set_speaker(0, 1, true);
  }

  static Changes changes() {
    Changes all{{"data.train", (folder / "train.h5").string()},
                {"data.test", (folder / "test.h5").string()},
                {"data.image_size", "8"},
                {"data.classes", "4"},
                {"data.count", "96"},
                {"data.test_count", "40"},
                {"train.epochs", "8"},
                {"train.lr", "4e-3"},
                {"train.batch", "16"},
                {"train.micro_batch", "8"},
                {"teacher.depths", "1 1 1 1"}};
    for (const auto* network : {"meta", "teacher", "student"}) {
      all.emplace_back(std::string(network) + ".patch", "4");
      if (network != std::string("teacher"))
        all.emplace_back(std::string(network) + ".depths", "1 1 1 1");
    }
    return all;
  }

  /// A copy of the run to plant something in; without what metrics remember unless asked for.
  RunFolder copy(bool metrics = false) {
    const RunFolder copied{folder / "copy"};
    std::filesystem::remove_all(copied.dir);
    std::filesystem::copy(folder / "run", copied.dir, std::filesystem::copy_options::recursive);
    if (!metrics) std::filesystem::remove_all(copied.dir / "metrics");
    return copied;
  }

  static inline std::filesystem::path folder;
  static inline JobList* list = nullptr;
};

/// Rewrites a module file, digests and all.
inline void rewrite(const std::filesystem::path& path,
                    const std::function<void(TensorFile&)>& change) {
  TensorFile file = read_tensor_file(path);
  change(file);
  write_tensor_file(path, file);
}

/// Changes one byte at `place`, behind everyone's back.
inline void rewrite_byte(const std::filesystem::path& path, std::int64_t place) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(place);
  const int byte = file.get();
  file.seekp(place);
  file.put(static_cast<char>(byte ^ 0x40));
}

inline at::Tensor& tensor(NamedTensors& tensors, const std::string& name) {
  const auto it = std::ranges::find(tensors, name, &std::pair<std::string, at::Tensor>::first);
  require(it != tensors.end(), "no tensor " + name);
  return it->second;
}

/// Exchanges two tensors of a file.
inline std::function<void(TensorFile&)> exchange(const std::string& a, const std::string& b) {
  return [=](TensorFile& file) { std::swap(tensor(file.tensors, a), tensor(file.tensors, b)); };
}

/// For every tensor of stage `a` and its like in stage `b`.
inline void for_both_stages(NamedTensors& tensors, int a, int b,
                            const std::function<void(at::Tensor&, at::Tensor&)>& change) {
  const std::string from = fmt::format("stages/{}/", a), to = fmt::format("stages/{}/", b);
  for (auto& [name, one] : tensors)
    if (name.starts_with(from)) change(one, tensor(tensors, to + name.substr(from.size())));
}

inline const Finding* find(const Findings& findings, const std::string& subject, Verdict verdict) {
  const auto it = std::ranges::find_if(
      findings, [&](const Finding& f) { return f.subject == subject && f.verdict == verdict; });
  return it == findings.end() ? nullptr : &*it;
}

/// Every finding, to look at where a test fails.
inline std::string lines(const Findings& findings) {
  std::string text;
  for (const auto& f : findings)
    text += fmt::format("{} {} {} {}\n", f.gate, f.subject, enum_name(f.verdict), f.text);
  return text;
}

inline bool all_ok(const Findings& findings) {
  return std::ranges::all_of(findings, [](const Finding& f) { return f.verdict == Verdict::ok; });
}

}  // namespace m2mkd::test
