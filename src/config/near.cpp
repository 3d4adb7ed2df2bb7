#include "near.hpp"

#include <algorithm>
#include <cctype>
#include <limits>

#include <m2mkd/config/settings.hpp>

namespace m2mkd {
namespace {

std::string folded(std::string_view word) {
  std::string text(word);
  for (char& c : text)
    c = c == '-' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

/// Optimal string alignment: insert, delete, replace, or swap two neighbours.
std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] =
          std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

}  // namespace

std::optional<std::size_t> near_miss(std::string_view word, std::string_view candidate) {
  const std::size_t longer = std::max(word.size(), candidate.size());
  const std::size_t shorter = std::min(word.size(), candidate.size());
  const std::size_t allowed =
      (longer + 1) / 3;  // one slip in a word of 2 to 4 letters, two in 5 to 7, …
  if (longer - shorter > allowed) return std::nullopt;
  const std::size_t distance = edit_distance(folded(word), folded(candidate));
  if (distance > allowed) return std::nullopt;
  return distance;
}

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  std::string best;
  std::size_t least = std::numeric_limits<std::size_t>::max();
  for (const auto& candidate : candidates)
    if (const auto distance = near_miss(word, candidate); distance && *distance < least) {
      least = *distance;
      best = candidate;
    }
  return best;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates) {
  const auto near = nearest(word, candidates);
  return near.empty() ? "" : "; did you mean '" + near + "'?";
}

}  // namespace m2mkd
