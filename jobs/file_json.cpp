#include "file_json.hpp"

#include <map>
#include <numeric>
#include <set>

#include <nlohmann/json.hpp>

#include <m2mkd/base/error.hpp>
#include <m2mkd/data/decodable.hpp>
#include <m2mkd/nn/family.hpp>
#include <m2mkd/store/attribute_text.hpp>
#include <m2mkd/store/image_file.hpp>
#include <m2mkd/store/table_file.hpp>

namespace m2mkd {

namespace {

using Json = nlohmann::ordered_json;

std::int64_t numel(const TensorInfo& tensor) {
  std::int64_t count = 1;
  for (const auto extent : tensor.shape) count *= extent;
  return count;
}

std::string tensor_kind(const Attributes& attributes, const std::vector<TensorInfo>& tensors) {
  bool stages = false, logits = false;
  for (const auto& tensor : tensors) {
    stages = stages || parse_staged(tensor.name);
    logits = logits || tensor.name == "logits";
  }
  if (attributes.contains("progress.step")) return "checkpoint";
  return stages ? "module file" : logits ? "logits" : "tensors";
}

// One row per stage that the file holds, the shared tensors last.
Json stages_json(const std::vector<TensorInfo>& tensors) {
  struct Stage {
    std::set<std::int64_t> blocks;
    std::int64_t tensors = 0, parameters = 0;
  };
  std::map<int, Stage> stages;  // by number; shared: past all of them
  constexpr int shared = kMostStages;
  std::vector<std::string> keys;
  for (const auto& tensor : tensors)
    if (const auto name = parse_staged(tensor.name)) keys.push_back(name->key);
  const Family& family = recognise(keys);
  for (const auto& tensor : tensors) {
    const auto name = parse_staged(tensor.name);
    if (!name) continue;
    auto& stage = stages[name->stage < 0 ? shared : name->stage];
    if (const auto block = family.block_of(name->key); block && name->stage >= 0)
      stage.blocks.insert(*block);
    ++stage.tensors;
    stage.parameters += numel(tensor);
  }
  Json rows = Json::array();
  for (const auto& [number, stage] : stages)
    rows.push_back({{"stage", number == shared ? Json("shared") : Json(number)},
                    {"blocks", stage.blocks.size()},
                    {"tensors", stage.tensors},
                    {"parameters", stage.parameters}});
  return rows;
}

void describe_tensors(const std::filesystem::path& path, bool verify, const Attributes& attributes,
                      Json& json) {
  const auto tensors = list_tensors(path);
  json["kind"] = tensor_kind(attributes, tensors);
  json["stages"] = stages_json(tensors);
  std::int64_t parameters = 0, bytes = 0;
  for (const auto& row : json["stages"]) parameters += row["parameters"].get<std::int64_t>();
  auto list = Json::array();
  for (const auto& tensor : tensors) {
    list.push_back({{"name", tensor.name},
                    {"dtype", tensor.dtype},
                    {"shape", tensor.shape},
                    {"xxh3", tensor.xxh3},
                    {"bytes", tensor.bytes}});
    bytes += tensor.bytes;
  }
  json["tensors"] = std::move(list);
  if (const auto tables = read_table_file(path).groups; !tables.empty()) {
    json["groups"] = Json::array();
    for (const auto& table : tables) json["groups"].push_back(group_json(table));
  }
  json["total"] = {{"tensors", tensors.size()}, {"parameters", parameters}, {"bytes", bytes}};
  if (verify) json["damages"] = verify_tensor_file(path);
}

void describe_tables(const std::filesystem::path& path, bool verify, Json& json) {
  const TableFile file = read_table_file(path);  // its checksum covers everything and was compared
  json["kind"] = file.find("jobs") != nullptr     ? "summary"
                 : file.find("epochs") != nullptr ? "metrics"
                                                  : "table";
  json["groups"] = Json::array();
  for (const auto& group : file.groups) json["groups"].push_back(group_json(group));
  if (verify) json["damages"] = Json::array();
}

const char* element_name(ImageForm form) {
  switch (form) {
    case ImageForm::tensor:
      return "float32";
    case ImageForm::encoded:
      return "jpeg";
    case ImageForm::pixels:
      break;
  }
  return "uint8";
}

void describe_images(const std::filesystem::path& path, bool verify, Json& json) {
  const ImageFile file(path);
  const auto& info = file.info();
  std::vector<std::int64_t> per_class(info.classes.size());
  for (const auto label : file.labels()) ++per_class[static_cast<std::size_t>(label)];
  json["kind"] = "packed data set";
  json["images"] = {{"count", info.count},
                    {"channels", info.channels},
                    {"height", info.height},
                    {"width", info.width},
                    {"element", element_name(info.form)},
                    {"bytes", info.bytes},
                    {"mean", info.mean},
                    {"std", info.std},
                    {"classes", info.classes},
                    {"per_class", per_class}};
  if (!verify) return;
  auto damages = verify_image_file(path);
  std::vector<std::int64_t> all(static_cast<std::size_t>(info.count));
  std::iota(all.begin(), all.end(), 0);
  for (const auto& [image, reason] : undecodable(file, all))
    damages.push_back(fmt::format("image {}: {}", image, reason));
  json["damages"] = damages;
}

}  // namespace

Json attributes_json(const Attributes& attributes) {
  return Json::parse(attribute_text(attributes));
}

Json group_json(const TableGroup& group) {
  Json columns = Json::object();
  for (const auto& [name, column] : group.columns)
    std::visit([&](const auto& values) { columns[name] = values; }, column);
  return {{"path", group.path},
          {"attributes", attributes_json(group.attributes)},
          {"columns", columns}};
}

Json describe_file(const std::filesystem::path& path, bool verify) {
  const Attributes attributes = read_attributes(path);
  const std::string format = text_attribute(attributes, "format");
  Json json{{"file", path.string()}, {"kind", ""}, {"attributes", attributes_json(attributes)}};
  if (format == "m2mkd")
    describe_tensors(path, verify, attributes, json);
  else if (format == "m2mkd-table")
    describe_tables(path, verify, json);
  else if (format == "m2mkd-images")
    describe_images(path, verify, json);
  else
    fail("'{}' is a file of kind '{}', which this program does not know; use a newer m2mkd",
         path.string(), format);
  return json;
}

void print_json(const Json& json) {
  fmt::print("{}\n", json.dump(1, ' ', false, Json::error_handler_t::replace));
}

}  // namespace m2mkd
