#include <cmath>

#include <nlohmann/json.hpp>

#include <m2mkd/base/error.hpp>
#include <m2mkd/base/stopwatch.hpp>
#include <m2mkd/store/text_file.hpp>
#include <m2mkd/train/job_status.hpp>

namespace m2mkd {

namespace {

double number(const nlohmann::json& json, const char* name) {
  const auto it = json.find(name);
  return it != json.end() && it->is_number() ? it->get<double>() : JobStatus::unknown;
}

}  // namespace

void write_job_status(const std::filesystem::path& path, JobStatus status) {
  nlohmann::json json{{"job", status.job},
                      {"phase", status.phase},
                      {"state", status.state},
                      {"step", std::llround(status.step)},
                      {"steps", std::llround(status.steps)},
                      {"loss", std::isfinite(status.loss) ? status.loss : -1.0},
                      {"ranks", status.ranks},
                      {"time", utc_time_text()}};
  const auto add = [&](const char* name, double value) {
    if (!std::isnan(value)) json[name] = value;
  };
  add("epoch", status.epoch);
  add("lr", status.lr);
  add("acc1", status.acc1);
  add("images_per_s", status.images_per_s);
  add("eta_seconds", status.eta_seconds);
  write_text_file(path, json.dump(1) + "\n");
}

JobStatus read_job_status(const std::filesystem::path& path) {
  try {
    const auto json = nlohmann::json::parse(read_text_file(path));
    JobStatus status;
    status.job = json.value("job", "");
    status.phase = json.value("phase", "");
    status.state = json.at("state").get<std::string>();
    status.epoch = number(json, "epoch");
    status.step = number(json, "step");
    status.steps = number(json, "steps");
    if (const double loss = number(json, "loss"); loss >= 0) status.loss = loss;  // -1: none yet
    status.lr = number(json, "lr");
    status.acc1 = number(json, "acc1");
    status.images_per_s = number(json, "images_per_s");
    status.eta_seconds = number(json, "eta_seconds");
    status.ranks = json.value("ranks", std::int64_t{0});
    status.time = json.at("time").get<std::string>();
    return status;
  } catch (const nlohmann::json::exception& problem) {
    fail("{}: {}", path.string(), problem.what());
  }
}

}  // namespace m2mkd
