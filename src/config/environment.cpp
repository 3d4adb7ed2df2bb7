#include <cstdlib>

#include <m2mkd/base/error.hpp>
#include <m2mkd/config/settings.hpp>

namespace m2mkd {
namespace {

std::string variable(std::string_view name, std::string_view text) {
  const char* value = name.empty() ? nullptr : std::getenv(std::string(name).c_str());
  if (!value)
    fail("the environment variable {} in '{}' is not set: export it, or write the path out",
         name.empty() ? "${}" : name, text);
  return value;
}

}  // namespace

std::string expand_environment(std::string_view text) {
  std::string result;
  std::size_t at = 0;
  if (text == "~" || text.starts_with("~/")) {
    result = variable("HOME", text);
    at = 1;
  }
  while (at < text.size()) {
    const auto start = text.find("${", at);
    result += text.substr(at, start - at);
    if (start == std::string_view::npos) break;
    const auto end = text.find('}', start);
    if (end == std::string_view::npos) fail("'{}' has '${{' without a closing '}}'", text);
    result += variable(text.substr(start + 2, end - start - 2), text);
    at = end + 1;
  }
  return result;
}

std::string taken_from(const std::filesystem::path& path) {
  if (path.is_absolute()) return {};
  return "; the path is taken from the folder " + std::filesystem::current_path().string();
}

}  // namespace m2mkd
