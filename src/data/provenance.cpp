#include <algorithm>
#include <sstream>

#include <fmt/ranges.h>

#include <m2mkd/config/value.hpp>
#include <m2mkd/data/provenance.hpp>

namespace m2mkd {

namespace {

bool only_numbers(const std::vector<std::string>& classes) {
  for (std::size_t i = 0; i < classes.size(); ++i)
    if (classes[i] != std::to_string(i)) return false;
  return true;
}

// Numbers of a text attribute; empty where it is absent or none.
std::vector<double> numbers(const Attributes& attributes, const std::string& name) {
  const auto found = attributes.find(name);
  if (found == attributes.end() || !std::holds_alternative<std::string>(found->second)) return {};
  try {
    return parse_value<std::vector<double>>(std::get<std::string>(found->second));
  } catch (const std::exception&) {
    return {};
  }
}

}  // namespace

Attributes data_attributes(const DataFacts& shape, const DataOptions& options) {
  return {{"data.channels", shape.channels},
          {"data.image_size", shape.image_size},
          {"data.classes", shape.classes},
          {"data.class_names", fmt::format("{}", fmt::join(shape.class_names, "\n"))},
          {"data.name", shape.train_name},
          {"data.digest", shape.train_digest},
          {"data.mean", print_value(shape.mean)},
          {"data.std", print_value(shape.std)},
          {"data.interpolation", std::string("bicubic")},
          {"data.eval_crop", options.eval_crop},
          {"test.name", shape.test_name},
          {"test.digest", shape.test_digest}};
}

std::string class_difference(const std::vector<std::string>& there,
                             const std::vector<std::string>& here) {
  if (only_numbers(there) || only_numbers(here)) return {};
  for (std::size_t i = 0; i < std::min(there.size(), here.size()); ++i)
    if (there[i] != here[i])
      return fmt::format("class {} is '{}' there and '{}' here", i, there[i], here[i]);
  return {};
}

std::string normalisation_text(const std::vector<double>& mean, const std::vector<double>& std) {
  return fmt::format("mean {:.4g} and std {:.4g}", fmt::join(mean, " "), fmt::join(std, " "));
}

DataDifferences data_differences(const Attributes& network, const std::vector<std::string>& classes,
                                 const std::vector<double>& mean, const std::vector<double>& std) {
  DataDifferences found;
  found.classes = class_difference(class_names(network), classes);
  const auto its_mean = numbers(network, "data.mean"), its_std = numbers(network, "data.std");
  if (!its_mean.empty() && !mean.empty() && (its_mean != mean || its_std != std))
    found.normalisation = fmt::format("{} there, {} here", normalisation_text(its_mean, its_std),
                                      normalisation_text(mean, std));
  return found;
}

std::vector<std::string> class_names(const Attributes& attributes) {
  const auto found = attributes.find("data.class_names");
  if (found == attributes.end() || !std::holds_alternative<std::string>(found->second)) return {};
  std::istringstream lines(std::get<std::string>(found->second));
  std::vector<std::string> names;
  for (std::string line; std::getline(lines, line);) names.push_back(line);
  return names;
}

}  // namespace m2mkd
