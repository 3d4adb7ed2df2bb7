#include <algorithm>

#include <nlohmann/json.hpp>

#include <m2mkd/base/stopwatch.hpp>
#include <m2mkd/store/checkpoint.hpp>
#include <m2mkd/store/table_file.hpp>
#include <m2mkd/store/text_file.hpp>
#include <m2mkd/train/completion.hpp>
#include <m2mkd/train/results.hpp>

namespace m2mkd {

namespace {

// Does the file say that this very training is finished, with this accuracy?
bool says_finished(const std::filesystem::path& path, std::int64_t steps, double acc1) {
  if (!std::filesystem::exists(path)) return false;
  const auto json = nlohmann::json::parse(read_text_file(path), nullptr, false);
  return json.is_object() && json.value("state", "") == "finished" &&
         json.value("step", std::int64_t{-1}) == steps && json.value("acc1", -1.0) == acc1;
}

}  // namespace

void complete(const TableFile& file, const std::filesystem::path& checkpoints,
              const std::filesystem::path& status_file) {
  const Attributes& module = file.attributes;
  const auto kept = module.find("checkpoint_kept");  // files of earlier versions do not tell
  if (kept != module.end() && std::get<std::int64_t>(kept->second) == 0)
    CheckpointFolder(checkpoints).remove();
  const std::int64_t steps = integer_attribute(module, "steps");
  const Results results = read_results(file);
  const double acc1 = results.value("test", "acc1");
  if (status_file.empty() || says_finished(status_file, steps, acc1)) return;
  const double seconds = number_attribute(module, "seconds");
  const nlohmann::json status{
      {"job", text_attribute(module, "job")},
      {"phase", text_attribute(module, "phase")},
      {"state", "finished"},
      {"epoch", number_attribute(module, "epochs")},
      {"step", steps},
      {"steps", steps},
      {"loss", results.value("test", "loss")},
      {"acc1", acc1},
      {"images_per_s", seconds > 0 ? number_attribute(module, "images") / seconds : 0.0},
      {"eta_seconds", 0.0},
      {"ranks", integer_attribute(module, "ranks")},
      {"time", utc_time_text()}};
  write_text_file(status_file, status.dump(1) + "\n");
}

}  // namespace m2mkd
