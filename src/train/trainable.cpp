#include <algorithm>
#include <string_view>

#include <ATen/ATen.h>
#include <fnmatch.h>

#include <m2mkd/nn/tensor_names.hpp>
#include <m2mkd/train/trainable.hpp>

namespace m2mkd {
namespace {

bool takes_out(const std::string& pattern) {
  return pattern.starts_with('!');
}

bool fits(const std::string& pattern, const std::string& name) {
  const auto text = pattern.substr(takes_out(pattern) ? 1 : 0);
  if (text == "all") return true;
  const auto staged = parse_staged(name);
  const auto matches = [&](const std::string& word) {
    return fnmatch(text.c_str(), word.c_str(), 0) == 0;
  };
  return matches(name) || (staged && matches(staged->key));
}

}  // namespace

bool trains_all(const std::vector<std::string>& patterns) {
  return patterns == std::vector<std::string>{"all"};
}

bool trains(const std::vector<std::string>& patterns, const std::string& name) {
  bool result = !patterns.empty() && takes_out(patterns.front());
  for (const auto& pattern : patterns)
    if (fits(pattern, name)) result = !takes_out(pattern);
  return result;
}

std::vector<Parameter> trainable_parameters(const Chain& chain,
                                            const std::vector<std::string>& patterns) {
  auto list = parameters(chain);
  std::erase_if(list, [&](const Parameter& p) { return !trains(patterns, p.name); });
  return list;
}

std::int64_t trainable_count(const Chain& chain, const std::vector<std::string>& patterns) {
  std::int64_t count = 0;
  for (const auto& parameter : trainable_parameters(chain, patterns))
    count += parameter.tensor.numel();
  return count;
}

std::string idle_pattern(const Chain& chain, const std::vector<std::string>& patterns) {
  const auto list = parameters(chain);
  for (const auto& pattern : patterns)
    if (std::ranges::none_of(list, [&](const auto& p) { return fits(pattern, p.name); }))
      return pattern;
  const bool some =
      std::ranges::any_of(list, [&](const auto& p) { return trains(patterns, p.name); });
  return some || patterns.empty() ? "" : patterns.back();
}

}  // namespace m2mkd
