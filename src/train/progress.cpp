#include "progress.hpp"

#include <ATen/ATen.h>

#include <m2mkd/base/error.hpp>

namespace m2mkd {

namespace {

const std::string result_prefix = "result.";

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
  if (table.columns.empty())
    for (const auto& [name, value] : row) table.columns.emplace_back(name, std::vector<double>{});
  require(table.columns.size() == row.size(),
          "Records::append: rows of one table have the same columns");
  for (std::size_t i = 0; i < row.size(); ++i)
    std::get<std::vector<double>>(table.columns[i].second).push_back(row[i].second);
}

void save(Progress progress, const Records& records, TensorFile& file) {
  for (const auto& [name, value] : progress.fields()) file.attributes["progress." + name] = *value;
  for (const auto& [name, value] : records.results) file.attributes[result_prefix + name] = value;
  for (const TableGroup* table : {&records.epochs, &records.steps})
    for (const auto& [name, column] : table->columns)
      file.tensors.emplace_back("progress/" + table->path + "/" + name, column_tensor(column));
}

void load(Progress& progress, Records& records, const TensorFile& file) {
  for (const auto& [name, value] : progress.fields())
    *value = file.attributes.contains("progress." + name)  // later versions count more
                 ? number_attribute(file.attributes, "progress." + name)
                 : 0;
  records.results.clear();
  for (const auto& [name, value] : file.attributes)
    if (name.starts_with(result_prefix)) records.results[name.substr(result_prefix.size())] = value;
  // The order of a file's tensors is no promise; the columns have theirs.
  const std::vector<std::string> order{"epoch", "step", "loss", "ce",        "kl",
                                       "acc1",  "acc5", "lr",   "grad_norm", "images_per_s"};
  for (TableGroup* table : {&records.epochs, &records.steps}) {
    table->columns.clear();
    for (const auto& column : order)
      for (const auto& [name, tensor] : file.tensors)
        if (name == "progress/" + table->path + "/" + column) {
          const auto* values = tensor.const_data_ptr<double>();
          table->columns.emplace_back(column, std::vector<double>(values, values + tensor.numel()));
        }
  }
}

}  // namespace m2mkd
