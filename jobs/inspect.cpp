#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

#include <nlohmann/json.hpp>

#include "command.hpp"
#include "file_json.hpp"

namespace m2mkd {

namespace {

using Json = nlohmann::ordered_json;

// Attributes that say where a file comes from; all others are results.
bool is_provenance(const std::string& name) {
  static const std::set<std::string> names{
      "format",  "format_version", "program_version", "git",     "created",       "job",
      "phase",   "network",        "stage",           "method",  "config",        "identity",
      "seed",    "extended_from",  "ranks",           "threads", "wave",          "first_rank",
      "started", "finished",       "finished_at",     "digest",  "note",          "converted_from",
      "name",    "split",          "hosts",           "device",  "schedule_steps"};
  return names.contains(name) || name.starts_with("load.") || name.starts_with("data.");
}

// One line: of a text the first, and how many more there are.
std::string value_text(const Json& value) {
  if (value.is_number_float())
    return std::isnan(value.get<double>()) ? "-" : fmt::format("{:.10g}", value.get<double>());
  if (!value.is_string()) return value.is_null() ? "-" : value.dump();
  const auto& text = value.get_ref<const std::string&>();
  if (text.empty()) return "-";
  const auto lines = std::ranges::count(text, '\n') + (text.back() == '\n' ? 0 : 1);
  const auto first = text.substr(0, text.find('\n'));
  return lines < 2 ? first : fmt::format("{}  (and {} more lines: --json)", first, lines - 1);
}

template <class Wanted>
std::string attribute_lines(const Json& attributes, const std::string& title, Wanted wanted) {
  std::string text;
  for (const auto& [name, value] : attributes.items())
    if (wanted(name)) text += fmt::format("  {:<28} {}\n", name, value_text(value));
  return text.empty() ? "" : "\n" + title + "\n" + text;
}

std::string shape_text(const Json& shape) {
  std::string text;
  for (const auto& extent : shape) text += (text.empty() ? "" : ",") + extent.dump();
  return "[" + text + "]";
}

std::string tensor_lines(const Json& json) {
  std::string text;
  if (!json["stages"].empty()) {
    text += fmt::format("\n{:<10}{:>8}{:>9}{:>14}\n", "stage", "blocks", "tensors", "parameters");
    for (const auto& row : json["stages"])
      text += fmt::format("{:<10}{:>8}{:>9}{:>14}\n",
                          row["stage"].is_string() ? "shared" : row["stage"].dump(),
                          row["blocks"].dump(), row["tensors"].dump(), row["parameters"].dump());
  }
  std::size_t width = 6, shape_width = 5;
  for (const auto& tensor : json["tensors"]) {
    width = std::max(width, tensor["name"].get_ref<const std::string&>().size());
    shape_width = std::max(shape_width, shape_text(tensor["shape"]).size());
  }
  text +=
      fmt::format("\n{:<{}}  {:<9} {:<{}}  xxh3\n", "tensor", width, "type", "shape", shape_width);
  for (const auto& tensor : json["tensors"])
    text += fmt::format("{:<{}}  {:<9} {:<{}}  {}\n", tensor["name"].get<std::string>(), width,
                        tensor["dtype"].get<std::string>(), shape_text(tensor["shape"]),
                        shape_width, tensor["xxh3"].get<std::string>());
  const auto& total = json["total"];
  return text + fmt::format("\ntotal: {} tensors, {} parameters in stages, {:.3f} MB\n",
                            total["tensors"].dump(), total["parameters"].dump(),
                            total["bytes"].get<double>() * 1e-6);
}

// "  test          acc1           83.61 ±0.37  of 10000"
std::string result_lines(const Json& columns, bool job) {
  std::string text;
  for (std::size_t i = 0; i < columns["metric"].size(); ++i)
    text += fmt::format("  {}{:<16} {:<24} {:>12} {:<8} of {} images\n",
                        job ? fmt::format("{:<24} ", columns["job"][i].get<std::string>()) : "",
                        columns["evaluation"][i].get<std::string>(),
                        columns["metric"][i].get<std::string>(), value_text(columns["value"][i]),
                        columns["standard_error"][i].is_null() ||
                                std::isnan(columns["standard_error"][i].get<double>())
                            ? ""
                            : fmt::format("±{:.2f}", columns["standard_error"][i].get<double>()),
                        columns["count"][i].dump());
  return text;
}

std::string group_lines(const Json& json) {
  std::string text;
  for (const auto& group : json["groups"]) {
    const auto& columns = group["columns"];
    if (group["path"] == "results") {
      text += "\n/results\n" + result_lines(columns, json["kind"] == "summary");
      continue;
    }
    text += fmt::format("\n/{}", group["path"].get<std::string>());
    if (!columns.empty()) text += fmt::format("  rows: {}, the last:", columns.begin()->size());
    text += "\n";
    for (const auto& [name, value] : group["attributes"].items())
      text += fmt::format("  @{:<27} {}\n", name, value_text(value));
    for (const auto& [name, values] : columns.items())
      text += fmt::format("  {:<28} {}\n", name, values.empty() ? "-" : value_text(values.back()));
  }
  return text;
}

std::string image_lines(const Json& images) {
  std::string classes;
  for (std::size_t i = 0; i < images["classes"].size(); ++i)
    classes += fmt::format("  {:>5} {:<30}{:>9}\n", i, images["classes"][i].get<std::string>(),
                           images["per_class"][i].dump());
  const std::string element = images["element"].get<std::string>();
  const std::string extent =
      element == "jpeg"
          ? fmt::format("any size, {} channels", images["channels"].dump())
          : fmt::format("{} x {} x {} (height, width, channels)", images["height"].dump(),
                        images["width"].dump(), images["channels"].dump());
  return fmt::format(
      "\nimages\n  {} of {}, {}, {:.3f} MB\n  mean {}, std {}\n\nclasses, images of each\n{}",
      images["count"].dump(), extent, element, images["bytes"].get<double>() * 1e-6,
      images["mean"].dump(), images["std"].dump(), classes);
}

std::string file_text(const Json& json) {
  const auto& attributes = json["attributes"];
  const auto is_progress = [](const std::string& name) { return name.starts_with("progress."); };
  std::string text =
      fmt::format("{}: {}\n", json["file"].get<std::string>(), json["kind"].get<std::string>());
  text += attribute_lines(attributes, "provenance", is_provenance);
  text += attribute_lines(attributes, "progress", is_progress);
  text += attribute_lines(attributes, "results", [&](const std::string& name) {
    return !is_provenance(name) && !is_progress(name);
  });
  if (json.contains("tensors")) text += tensor_lines(json);
  if (json.contains("groups")) text += group_lines(json);
  if (json.contains("images")) text += image_lines(json["images"]);
  if (!json.contains("damages")) return text;
  text += "\n";
  if (json["damages"].empty()) return text + "verified: all digests match\n";
  for (const auto& damage : json["damages"]) text += "DAMAGED " + damage.get<std::string>() + "\n";
  return text;
}

}  // namespace

ExitCode inspect_command(const CommandLine& line) {
  const auto path = operands(line, 1, 1, "one FILE.h5").front();
  const Json json = describe_file(path, line.flags.contains("verify"));
  if (line.flags.contains("json"))
    print_json(json);
  else
    std::fputs(file_text(json).c_str(), stdout);
  return json.contains("damages") && !json["damages"].empty() ? ExitCode::failed
                                                              : ExitCode::finished;
}

}  // namespace m2mkd
