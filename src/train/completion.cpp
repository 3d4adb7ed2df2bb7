#include <m2mkd/base/error.hpp>
#include <m2mkd/store/checkpoint.hpp>
#include <m2mkd/train/completion.hpp>
#include <m2mkd/train/job_status.hpp>
#include <m2mkd/train/results.hpp>

namespace m2mkd {

namespace {

// Does the file say that this very training is finished, with this accuracy?
bool says_finished(const std::filesystem::path& path, const JobStatus& wanted) {
  if (!std::filesystem::exists(path)) return false;
  try {
    const JobStatus found = read_job_status(path);
    return found.state == "finished" && found.step == wanted.step && found.acc1 == wanted.acc1;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

void complete(const TableFile& file, const std::filesystem::path& checkpoints,
              const std::filesystem::path& status_file) {
  const Attributes& module = file.attributes;
  const auto kept = module.find("checkpoint_kept");  // files of earlier versions do not tell
  if (kept != module.end() && std::get<std::int64_t>(kept->second) == 0)
    CheckpointFolder(checkpoints).remove();
  if (status_file.empty()) return;
  const double seconds = number_attribute(module, "seconds");
  const double steps = number_attribute(module, "steps");
  const Results results = read_results(file);
  const JobStatus status{.job = text_attribute(module, "job"),
                         .phase = text_attribute(module, "phase"),
                         .state = "finished",
                         .epoch = number_attribute(module, "epochs"),
                         .step = steps,
                         .steps = steps,
                         .loss = results.value("test", "loss"),
                         .acc1 = results.value("test", "acc1"),
                         .images_per_s = seconds > 0 ? number_attribute(module, "images") / seconds : 0,
                         .eta_seconds = 0,
                         .ranks = integer_attribute(module, "ranks"),
                         .time = {}};
  if (!says_finished(status_file, status)) write_job_status(status_file, status);
}

}  // namespace m2mkd
