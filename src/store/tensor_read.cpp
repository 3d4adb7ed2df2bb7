
#include <algorithm>

#include <m2mkd/store/digest.hpp>

#include "table_groups.hpp"
#include "tensor_types.hpp"

namespace m2mkd {
namespace {

using TensorVisitor = std::function<void(const TensorInfo&, hid_t dataset)>;

void visit_tensors(hid_t group, const std::string& prefix, int depth, const TensorVisitor& visit) {
  if (depth > h5::kDeepest)
    fail("groups are nested more than {} deep at '{}'", h5::kDeepest, prefix);
  h5::for_each_child(group, [&](const std::string& child, hid_t object, bool is_group) {
    const auto name = prefix + child;
    if (is_group && depth == 0 && h5::is_marked_table(object)) return;
    if (is_group) return visit_tensors(object, name + "/", depth + 1, visit);
    try {
      visit(tensor_info(name, object), object);
    } catch (const Error& problem) {
      fail("tensor '{}': {}", name, problem.what());
    }
  });
}

at::Tensor read_data(hid_t dataset, const TensorInfo& info) {
  const auto type = element_type(dataset);
  auto tensor = at::empty(info.shape, at::TensorOptions().dtype(type));
  if (tensor.numel() > 0) {
    h5::must(H5Dread(dataset, dataset_type(type), H5S_ALL, H5S_ALL, H5P_DEFAULT, tensor.data_ptr()),
             "read data");
  }
  return tensor;
}

/// What is wrong with the data of a tensor; empty when nothing is.
std::string data_problem(const at::Tensor& tensor, const TensorInfo& info) {
  if (info.xxh3.empty()) return "has no digest, so it was not written by m2mkd";
  const auto found = xxh3_hex(tensor.data_ptr(), tensor.nbytes());
  if (found == info.xxh3) return "";
  return fmt::format("damaged: XXH3 of the data is {}, attribute '{}' says {}", found,
                     h5::kDataDigest, info.xxh3);
}

/// Of a network or an optimizer; other tensors (logits, columns of a checkpoint) may hold NaN.
bool is_state(const std::string& name) {
  return is_weight(name) || name.starts_with("optimizer/");
}

/// Visits every dataset of an open file that is no column of a table; errors get the tensor's name.
void for_each_tensor(hid_t file, const TensorVisitor& visit) {
  visit_tensors(file, "", 0, visit);
}

/// What is wrong with the list of tensors; empty when nothing is.
std::string list_problem(const std::vector<TensorInfo>& tensors, const Attributes& root) {
  const auto found = list_digest(tensors), told = text_attribute(root, kDigest);
  if (found == told) return "";
  return fmt::format(
      "the list of tensors has digest {}, attribute '{}' says {}: a tensor was added, "
      "removed, renamed or replaced after the file was written",
      found, kDigest, told);
}

}  // namespace

bool is_weight(const std::string& name) {
  return name.starts_with("stages/") || name.starts_with("shared/");
}

TensorFile read_tensor_file(const std::filesystem::path& path,
                            const std::function<bool(const std::string&)>& wanted) {
  return h5::reading(path, [&](hid_t file) {
    TensorFile contents{h5::read_attributes(file), {}};
    h5::check_header(contents.attributes, h5::kTensors);
    std::vector<TensorInfo> all;
    for_each_tensor(file, [&](const TensorInfo& info, hid_t dataset) {
      all.push_back(info);
      if (wanted && !wanted(info.name)) return;
      auto tensor = read_data(dataset, info);
      if (const auto problem = data_problem(tensor, info); !problem.empty()) fail("{}", problem);
      contents.tensors.emplace_back(info.name, std::move(tensor));
    });
    if (const auto problem = list_problem(all, contents.attributes); !problem.empty()) {
      fail("{}", problem);
    }
    contents.tables = h5::read_marked_tables(file);
    return contents;
  });
}

Attributes read_attributes(const std::filesystem::path& path) {
  return h5::reading(path, [](hid_t file) {
    auto attributes = h5::read_attributes(file);
    h5::check_header(attributes, "");
    return attributes;
  });
}

std::vector<TensorInfo> list_tensors(const std::filesystem::path& path) {
  return h5::reading(path, [](hid_t file) {
    h5::check_header(h5::read_attributes(file), h5::kTensors);
    std::vector<TensorInfo> tensors;
    for_each_tensor(file, [&](const TensorInfo& info, hid_t) { tensors.push_back(info); });
    return tensors;
  });
}

std::vector<std::string> verify_tensor_file(const std::filesystem::path& path) {
  std::vector<std::string> damages;
  try {
    h5::reading(path, [&](hid_t file) {
      const auto root = h5::read_attributes(file);
      h5::check_header(root, h5::kTensors);
      std::vector<TensorInfo> all;
      for_each_tensor(file, [&](const TensorInfo& info, hid_t dataset) {
        all.push_back(info);
        const auto data = read_data(dataset, info);
        const auto problem = data_problem(data, info);
        if (!problem.empty()) damages.push_back("tensor '" + info.name + "': " + problem);
        if (!is_state(info.name) || !problem.empty()) return;
        if (auto bad = first_not_finite({{info.name, data}}); !bad.empty())
          damages.push_back("tensor " + std::move(bad));
      });
      if (const auto problem = list_problem(all, root); !problem.empty())
        damages.push_back(problem);
    });
  } catch (const Error& problem) {
    damages.push_back(problem.what());
  }
  return damages;
}

}  // namespace m2mkd
