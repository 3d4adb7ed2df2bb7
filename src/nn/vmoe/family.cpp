#include "family.hpp"

#include <cstdio>
#include <set>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "shapes.hpp"
#include "vit/family.hpp"
#include "vit/stages.hpp"

namespace m2mkd {
namespace {

Keys<VmoeOptions> vmoe_keys() {
  using O = VmoeOptions;
  const auto experts = within<std::int64_t>(1, 4096);
  Keys<O> k;
  k.add("moe_blocks", &O::moe_blocks,
        "vmoe: blocks with experts: all, odd (every other), none, or block numbers");
  k.add("experts", &O::experts, "vmoe: experts per mixture", experts);
  k.add("top_k", &O::top_k, "vmoe: experts that each token goes to", experts);
  k.add("expert_init", &O::expert_init,
        "vmoe: start of experts and gate: Linear's bounds, or the published ones");
  k.add("gate_bias", &O::gate_bias, "vmoe: bias of the gate (published Python; not in the paper)");
  k.add<double>("balance_loss", &O::balance_loss,
                "vmoe: weight of a load-balance term in the loss (Switch Transformer); 0: none, as "
                "published",
                within(0.0, 1e3));
  return k;
}

std::int64_t count_experts(const StagedTensors& tensors) {
  std::map<std::string, std::set<std::string>> experts;  // by block: numbers as text
  for (const auto& [name, tensor] : tensors)
    if (const auto at = name.key.find(".moe.experts."); at != std::string::npos) {
      const auto begin = at + 13;
      experts[std::to_string(name.stage) + name.key.substr(0, at)].insert(
          name.key.substr(begin, name.key.find('.', begin) - begin));
    }
  std::size_t most = 1;
  for (const auto& [block, numbers] : experts) most = std::max(most, numbers.size());
  return static_cast<std::int64_t>(most);
}

class VmoeFamily : public VitFamily {
 public:
  std::string name() const override { return "vmoe"; }
  std::string title() const override { return "V-MoE"; }
  std::string about() const override { return "blocks with experts (V-MoE)"; }
  Keys<ModelOptions> keys() const override { return own_keys(vmoe_keys()); }
  bool leaves_no_trace(const std::string& key) const override {
    return key == "top_k" || VitFamily::leaves_no_trace(key);
  }
  std::vector<std::string> problems(const ModelOptions& options,
                                    const ImageShape& shape) const override;
  NamedTensors upcycle(const NamedTensors& dense, const ModelOptions& options) const override;
  bool fresh_in_upcycling(const std::string& name) const override {
    return name.find(".moe.gate.") != std::string::npos;
  }
  bool recognises(const std::vector<std::string>& keys) const override {
    return std::ranges::any_of(
        keys, [](const auto& key) { return key.find(".moe.") != std::string::npos; });
  }
  void see(const StagedTensors& tensors, SeenModel& seen) const override;
  void guess(SeenModel& seen, const Guessing& guessing) const override;

 protected:
  void add_experts(VitStageOptions& stage, const ModelOptions& options) const override;

 private:
  std::string blocks_with_experts(const StagedTensors& tensors,
                                  const std::vector<std::int64_t>& depths) const;
};

std::vector<std::string> VmoeFamily::problems(const ModelOptions& options,
                                              const ImageShape& shape) const {
  auto problems = VitFamily::problems(options, shape);
  const auto& o = options.own<VmoeOptions>();
  if (o.top_k < 1 || o.top_k > o.experts)
    problems.push_back(
        fmt::format("top_k = {}: must be from 1 to experts = {}", o.top_k, o.experts));
  try {
    moe_blocks(options);
  } catch (const std::invalid_argument& e) {
    problems.push_back(fmt::format("moe_blocks = {}: {}", o.moe_blocks, e.what()));
  }
  return problems;
}

void VmoeFamily::add_experts(VitStageOptions& stage, const ModelOptions& options) const {
  const auto& o = options.own<VmoeOptions>();
  const auto moe = moe_blocks(options);
  const auto begin = moe.begin() + first_block(options, stage.stage);
  stage.moe.assign(begin, begin + static_cast<std::ptrdiff_t>(stage.drop_path.size()));
  stage.experts = {stage.width, stage.hidden, o.experts, o.top_k, o.expert_init, o.gate_bias};
  stage.balance_loss = o.balance_loss;
}

// Every expert starts as the dense block's MLP, gates are left out (Sparse Upcycling, Komatsuzaki
// et al. 2023).
NamedTensors VmoeFamily::upcycle(const NamedTensors& dense, const ModelOptions& options) const {
  const auto moe = moe_blocks(options);
  NamedTensors result;
  for (const auto& [name, tensor] : dense) {
    // "stages/<i>/blocks.<j>.mlp.<fc1|fc2>.<weight|bias>"
    int stage = 0, block = 0;
    char layer = 0;
    int end = 0;
    const bool mlp = std::sscanf(name.c_str(), "stages/%d/blocks.%d.mlp.fc%c.%n", &stage, &block,
                                 &layer, &end) == 3 &&
                     end > 0;
    const auto global = mlp ? first_block(options, stage) + block : 0;
    if (!mlp || !moe.at(static_cast<std::size_t>(global))) {
      result.emplace_back(name, tensor);
      continue;
    }
    for (std::int64_t e = 0; e < options.own<VmoeOptions>().experts; ++e)
      result.emplace_back(fmt::format("stages/{}/blocks.{}.moe.experts.{}.{}.{}", stage, block, e,
                                      layer == '1' ? "htoh4" : "h4toh", name.substr(end)),
                          tensor.unsqueeze(0));
  }
  return result;
}

// Global numbers of the blocks with experts, as a setting.
std::string VmoeFamily::blocks_with_experts(const StagedTensors& tensors,
                                            const std::vector<std::int64_t>& depths) const {
  std::set<std::int64_t> blocks;
  for (const auto& [name, tensor] : tensors)
    if (name.stage >= 0 && name.key.find(".moe.") != std::string::npos)
      if (const auto block = block_of(flat_name(name, depths))) blocks.insert(*block);
  return blocks.empty() ? "none"
                        : print_value(std::vector<std::int64_t>(blocks.begin(), blocks.end()));
}

void VmoeFamily::see(const StagedTensors& tensors, SeenModel& seen) const {
  VitFamily::see(tensors, seen);
  auto& o = seen.options.own<VmoeOptions>();
  o.top_k = 1;
  o.experts = count_experts(tensors);
  o.moe_blocks = blocks_with_experts(tensors, seen.options.depths);
}

void VmoeFamily::guess(SeenModel& seen, const Guessing& guessing) const {
  VitFamily::guess(seen, guessing);
  if (guessing.said("top_k") || !seen.heads_known) return;
  auto& o = seen.options.own<VmoeOptions>();
  o.top_k = std::min<std::int64_t>(2, o.experts);
  guessing.note(seen, fmt::format("top_k = {}", o.top_k));
}

}  // namespace

std::vector<bool> moe_blocks(const ModelOptions& options) {
  const auto& setting = options.own<VmoeOptions>().moe_blocks;
  const auto depth = static_cast<std::size_t>(first_block(options, options.stages()));
  std::vector<bool> blocks(depth, false);
  if (setting == "none") return blocks;
  if (setting == "all") return std::vector<bool>(depth, true);
  if (setting == "odd") {
    for (std::size_t i = 1; i < depth; i += 2) blocks[i] = true;
    return blocks;
  }
  std::vector<std::int64_t> numbers;
  try {
    numbers = parse_value<std::vector<std::int64_t>>(setting);
  } catch (const std::invalid_argument&) {
    throw std::invalid_argument("neither all, odd, none nor a list of block numbers");
  }
  if (numbers.empty())
    throw std::invalid_argument("an empty list (write none for a model without experts)");
  for (const auto number : numbers) {
    if (number < 0 || static_cast<std::size_t>(number) >= depth)
      throw std::invalid_argument(fmt::format(
          "block {} does not exist: the model's blocks are 0 to {}", number, depth - 1));
    if (blocks[static_cast<std::size_t>(number)])
      throw std::invalid_argument(fmt::format("block {} is listed twice", number));
    blocks[static_cast<std::size_t>(number)] = true;
  }
  return blocks;
}

const Family& vmoe_family() {
  static const VmoeFamily family;
  return family;
}

}  // namespace m2mkd
