#include <m2mkd/plan/start.hpp>

namespace m2mkd {

namespace {

struct ToSources {
  std::vector<Source> operator()(const FreshStart&) const { return {}; }
  std::vector<Source> operator()(const GivenStart& start) const { return {start.file}; }
  std::vector<Source> operator()(const PartsStart& start) const { return start.parts; }
  std::vector<Source> operator()(const UpcycledStart& start) const { return {start.dense}; }
};

}  // namespace

std::vector<Source> sources(const JobStart& start) {
  return std::visit(ToSources(), start);
}

}  // namespace m2mkd
