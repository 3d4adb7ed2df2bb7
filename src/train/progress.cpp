#include "progress.hpp"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

namespace m2mkd {

namespace {

const std::string result_prefix = "result.";

std::vector<double>& values_of(Column& column) {
  return std::get<std::vector<double>>(column);
}

at::Tensor column_tensor(const Column& column) {
  const auto& values = std::get<std::vector<double>>(column);
  at::Tensor tensor = at::empty({static_cast<std::int64_t>(values.size())}, at::kDouble);
  std::copy(values.begin(), values.end(), tensor.mutable_data_ptr<double>());
  return tensor;
}

}  // namespace

std::vector<std::pair<std::string, double*>> Progress::fields() {
  return {{"step", &step},
          {"updates", &updates},
          {"evaluated_step", &evaluated_step},
          {"closed_step", &closed_step},
          {"start_done", &start_done},
          {"seconds", &seconds},
          {"rank_seconds", &rank_seconds},
          {"eval_seconds", &eval_seconds},
          {"images", &images},
          {"skipped_steps", &skipped_steps},
          {"skipped_row", &skipped_row},
          {"restores", &restores},
          {"loss", &loss},
          {"ce", &ce},
          {"kl", &kl},
          {"samples", &samples},
          {"epoch_seconds", &epoch_seconds}};
}

void Records::append(TableGroup& table, const std::vector<std::pair<std::string, double>>& row) {
  if (table.columns.empty()) table.columns.emplace_back(row.front().first, std::vector<double>{});
  for (auto& [name, column] : table.columns) values_of(column).push_back(std::nan(""));
  complete(table, row);
}

void Records::complete(TableGroup& table, const std::vector<std::pair<std::string, double>>& row) {
  const std::size_t rows = values_of(table.columns.front().second).size();
  for (const auto& [name, value] : row) {
    auto at = std::ranges::find(table.columns, name, &std::pair<std::string, Column>::first);
    if (at == table.columns.end())
      at = table.columns.insert(at, {name, std::vector<double>(rows, std::nan(""))});
    values_of(at->second).back() = value;
  }
}

void save(Progress progress, const Records& records, TensorFile& file) {
  for (const auto& [name, value] : progress.fields()) file.attributes["progress." + name] = *value;
  for (const auto& [name, value] : records.attributes)
    file.attributes[result_prefix + name] = value;
  file.tables = records.results.tables();
  for (const TableGroup* table : {&records.epochs, &records.steps})
    for (const auto& [name, column] : table->columns)
      file.tensors.emplace_back("progress/" + table->path + "/" + name, column_tensor(column));
}

void load(Progress& progress, Records& records, const TensorFile& file) {
  for (const auto& [name, value] : progress.fields())
    *value = file.attributes.contains("progress." + name)  // later versions count more
                 ? number_attribute(file.attributes, "progress." + name)
                 : 0;
  // Checkpoints of an earlier version have their results among the attributes.
  TableFile results{{}, file.tables};
  records.attributes.clear();
  for (const auto& [name, value] : file.attributes) {
    if (name.starts_with("test.")) results.attributes[name] = value;
    if (!name.starts_with(result_prefix)) continue;
    const auto own = name.substr(result_prefix.size());
    results.attributes[own] = value;
    if (own == "extended_from") records.attributes[own] = value;
  }
  records.results = read_results(results);
  // The order of a file's tensors is no promise; the columns have theirs.
  const std::vector<std::string> order{"epoch", "step", "loss", "ce",        "kl",
                                       "acc1",  "acc5", "lr",   "grad_norm", "images_per_s"};
  const auto place = [&](const auto& column) { return std::ranges::find(order, column.first); };
  for (TableGroup* table : {&records.epochs, &records.steps}) {
    table->columns.clear();
    const std::string prefix = "progress/" + table->path + "/";
    for (const auto& [name, tensor] : file.tensors)
      if (name.starts_with(prefix)) {
        const auto* values = tensor.const_data_ptr<double>();
        table->columns.emplace_back(name.substr(prefix.size()),
                                    std::vector<double>(values, values + tensor.numel()));
      }
    std::ranges::stable_sort(table->columns, {}, place);
  }
}

}  // namespace m2mkd
