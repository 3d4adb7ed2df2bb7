#include <algorithm>
#include <charconv>
#include <numeric>
#include <set>

#include <m2mkd/base/error.hpp>
#include <m2mkd/nn/tensor_names.hpp>

namespace m2mkd {

namespace {

constexpr std::string_view blocks = "blocks.";
constexpr std::string_view propagators = "latent_graphs.0.propagators.";

// The number at the front of `text`, which `mark` ends; it is cut off with its mark. Nothing when
// there is none.
std::optional<std::int64_t> take_number(std::string_view& text, char mark) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const auto length = static_cast<std::size_t>(end - text.data());
  if (error != std::errc() || number < 0 || length == text.size() || text[length] != mark)
    return std::nullopt;
  if (text[0] == '0' && length > 1) return std::nullopt;  // "01" would come back as "1"
  text.remove_prefix(length + 1);
  return number;
}

bool is_within(const std::string& name, std::initializer_list<std::string_view> parts) {
  return std::ranges::any_of(parts, [&](auto part) { return name.starts_with(part); });
}

// 3 of "latent_graphs.0.propagators.3.ffn.layernorm.bias".
std::optional<std::int64_t> propagator_of(const std::string& name) {
  std::string_view rest = name;
  if (!rest.starts_with(propagators)) return std::nullopt;
  rest.remove_prefix(propagators.size());
  return take_number(rest, '.');
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

std::string with_block(const std::string& key, std::int64_t shift) {
  std::string_view rest = key;
  rest.remove_prefix(blocks.size());
  const auto block = take_number(rest, '.').value();
  return fmt::format("{}{}.{}", blocks, block + shift, rest);
}

}  // namespace

std::string StagedName::text(char mark) const {
  return stage < 0 ? fmt::format("shared{}{}", mark, key)
                   : fmt::format("stages{0}{1}{0}{2}", mark, stage, key);
}

std::optional<StagedName> parse_staged(const std::string& name) {
  for (const char mark : {'/', '.'}) {
    std::string_view rest = name;
    if (rest.starts_with(std::string("shared") + mark) && rest.size() > 7)
      return StagedName{-1, std::string(rest.substr(7))};
    if (!rest.starts_with(std::string("stages") + mark)) continue;
    rest.remove_prefix(7);
    const auto stage = take_number(rest, mark);
    if (stage && *stage < kMostStages && !rest.empty())
      return StagedName{static_cast<int>(*stage), std::string(rest)};
  }
  return std::nullopt;
}

NacPart nac_part(const std::string& key) {
  if (is_within(key, {"input_tokenizer.", "latent_graphs.", "output_tokenizer."}))
    return NacPart::network;
  return is_within(key, {"tokenizer.", "read_in.", "latent_attention.", "ffn.", "pre_stitch.",
                         "post_stitch."})
             ? NacPart::student
             : NacPart::none;
}

std::optional<std::int64_t> block_of(const std::string& key) {
  if (nac_part(key) != NacPart::none) return 0;
  std::string_view rest = key;
  if (!rest.starts_with(blocks)) return std::nullopt;
  rest.remove_prefix(blocks.size());
  return take_number(rest, '.');
}

std::vector<std::int64_t> blocks_per_stage(const std::vector<StagedName>& names) {
  std::vector<std::set<std::int64_t>> seen;
  for (const auto& name : names) {
    if (name.stage < 0) continue;
    const auto stage = static_cast<std::size_t>(name.stage);
    if (seen.size() <= stage) seen.resize(stage + 1);
    if (const auto block = block_of(name.key)) seen[stage].insert(*block);
  }
  std::vector<std::int64_t> depths;
  for (const auto& stage : seen) depths.push_back(static_cast<std::int64_t>(stage.size()));
  return depths;
}

std::string flat_name(const StagedName& name, const std::vector<std::int64_t>& depths) {
  if (nac_part(name.key) != NacPart::none) return name.key;
  if (name.stage < 0) return name.text('.');
  if (!block_of(name.key)) return name.key;
  return with_block(name.key,
                    std::accumulate(depths.begin(), depths.begin() + name.stage, std::int64_t{0}));
}

StagedName staged_name(const std::string& flat, const std::vector<std::int64_t>& depths) {
  if (auto staged = parse_staged(flat); staged && staged->stage < 0) return *staged;
  const auto nac = nac_part(flat);
  if (nac == NacPart::network) return staged_nac_name(flat, static_cast<int>(depths.size()));
  const auto is = [&](const char* part) {
    return flat == part || flat.starts_with(std::string(part) + ".");
  };
  if (is("patch_embed") || is("pos_embed") || is("cls_token")) return {0, flat};
  if (is("norm") || is("head")) return {static_cast<int>(depths.size()) - 1, flat};
  const auto block = nac == NacPart::none ? block_of(flat) : std::nullopt;
  if (!block)
    fail("tensor '{}' belongs to no part of a vision transformer that this program has", flat);
  std::int64_t first = 0;
  for (std::size_t stage = 0; stage < depths.size(); first += depths[stage++])
    if (*block < first + depths[stage]) return {static_cast<int>(stage), with_block(flat, -first)};
  fail("tensor '{}' lies beyond the {} blocks of the stages", flat, first);
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
