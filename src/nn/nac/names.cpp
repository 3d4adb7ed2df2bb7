#include "names.hpp"

#include <algorithm>

#include <m2mkd/base/error.hpp>

namespace m2mkd {
namespace {

bool is_within(const std::string& name, std::initializer_list<std::string_view> parts) {
  return std::ranges::any_of(parts, [&](auto part) { return name.starts_with(part); });
}

// 3 of "latent_graphs.0.propagators.3.ffn.layernorm.bias".
std::optional<std::int64_t> propagator_of(const std::string& name) {
  return number_behind("latent_graphs.0.propagators.", name);
}

}  // namespace

NacPart nac_part(const std::string& key) {
  if (is_within(key, {"input_tokenizer.", "latent_graphs.", "output_tokenizer."}))
    return NacPart::network;
  return is_within(key, {"tokenizer.", "read_in.", "latent_attention.", "ffn.", "pre_stitch.",
                         "post_stitch."})
             ? NacPart::student
             : NacPart::none;
}

StagedName staged_nac_name(const std::string& name, int stages) {
  if (const auto number = propagator_of(name)) {
    if (*number >= stages - 2)
      fail("tensor '{}' lies beyond the {} propagators of {} stages", name, stages - 2, stages);
    return {static_cast<int>(*number) + 1, name};
  }
  if (is_within(name, {"input_tokenizer.", "latent_graphs.0.read_in."})) return {0, name};
  if (is_within(name, {"output_tokenizer.", "latent_graphs.0.read_out."}))
    return {stages - 1, name};
  if (is_within(name, {"latent_graphs.0.input_latents.", "latent_graphs.0.mediator_latents.",
                       "latent_graphs.0.output_latents.", "latent_graphs.0.latent_seeder."}))
    return {-1, name};
  fail("tensor '{}' belongs to no part of a NAC that this program has", name);
}

std::vector<std::int64_t> nac_depths(const std::vector<std::string>& names) {
  std::int64_t count = 0;
  for (const auto& name : names)
    if (const auto number = propagator_of(name); number && *number < kMostStages)
      count = std::max(count, *number + 1);
  const bool nac = std::ranges::any_of(
      names, [](const auto& name) { return nac_part(name) == NacPart::network; });
  return std::vector<std::int64_t>(nac ? static_cast<std::size_t>(count) + 2 : 0, 1);
}

}  // namespace m2mkd
