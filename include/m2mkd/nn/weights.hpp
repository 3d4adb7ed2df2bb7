#pragma once
// Weights of a network out of a file of any kind: module files (.h5), .safetensors, and torch's
// .pth and .pt as PyTorch, timm and the published Python write them (reference/vmoe §6.1).

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <m2mkd/nn/tensor_names.hpp>
#include <m2mkd/store/tensor_file.hpp>

namespace m2mkd {

/// "must end in .h5, .safetensors, .pth or .pt" where it does not; else empty.
std::string weight_file_complaint(const std::filesystem::path& path);

struct WeightFile {
  /// In the file's order, CPU, contiguous. Names are flat or say their stage (tensor_names.hpp).
  NamedTensors tensors;
  std::vector<std::int64_t> depths;   ///< blocks per stage where the file tells them; else empty
  std::vector<std::string> left_out;  ///< what else it holds: "optimizer (no weights)"
  std::string digest;                 ///< identifies the tensors
  /// Of an .h5 file, or of the module file that this program wrote into another kind.
  Attributes attributes;
};

/// Reads and verifies everything that is a weight. In a torch file the weights are, in this order:
/// `block_state_dict` (one stage: number `block_index` of `divided_depths`), `model_stages` (a list
/// of stages; a single one has flat names), `model`, `state_dict`, `model_state_dict`, `model_ema`,
/// `state_dict_ema`, `ema`, `teacher`, `student`, or the dictionary itself. Prefixes of all names
/// that wrappers make (module., model., backbone., ...) go. What write_weights() said of the file
/// comes back; weights that are not those it was said of are refused. Throws Error with the reason.
WeightFile read_weights(const std::filesystem::path& path);
/// Its attributes alone; of an .h5 file without reading the tensors.
Attributes weights_attributes(const std::filesystem::path& path);
/// Its digest; of an .h5 file without reading the tensors.
std::string weights_digest(const std::filesystem::path& path);

/// Publishes `tensors`, under the names they have, as .safetensors or torch's .pth, .pt (there in
/// the entry `inside` where it is given). `depths`, `attributes` and the digest of the weights go
/// along: in the metadata of a .safetensors file, in an entry of a .pth file's archive.
void write_weights(const std::filesystem::path& path, const NamedTensors& tensors,
                   const std::vector<std::int64_t>& depths, const Attributes& attributes,
                   const std::string& inside = "");

using StagedTensors = std::vector<std::pair<StagedName, at::Tensor>>;

/// Every tensor with its stage. Flat names are cut after `depths` blocks, or the file's own where
/// `depths` is empty; those of a NAC tell their stages. `only`: the file is this one stage,
/// whatever its number there. Throws Error (ConfigError where another setting would help), naming
/// `source`.
StagedTensors cut_into_stages(const WeightFile& file, std::vector<std::int64_t> depths,
                              std::optional<int> only, const std::string& source);

}  // namespace m2mkd
