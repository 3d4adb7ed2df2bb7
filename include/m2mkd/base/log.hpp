#pragma once
// The human log: stderr and, once opened, a file. The one global of the program.
//
// Lines look like `12:30:01 info text`. Level from M2MKD_LOG (debug, info, warn,
// error). Colours only on a terminal and without NO_COLOR. Every rank may log warnings and errors;
// `info` of a silent rank is dropped. Any thread may log.

#include <filesystem>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace m2mkd::log {

enum class Level { debug, info, warn, error };

/// Says who speaks. Rank `rank` of `size`; a rank that is not `speaks` logs only warnings and
/// errors, prefixed `rank N`.
void set_speaker(int rank, int size, bool speaks);

/// Appends everything logged from here on to `path` as well (no colours; folders are made; a second
/// call closes the first file). Throws Error when it cannot be opened.
void open_file(const std::filesystem::path& path);

void write(Level level, std::string_view text);

template <class... A>
void debug(fmt::format_string<A...> text, A&&... args) {
  write(Level::debug, fmt::format(text, std::forward<A>(args)...));
}
template <class... A>
void info(fmt::format_string<A...> text, A&&... args) {
  write(Level::info, fmt::format(text, std::forward<A>(args)...));
}
template <class... A>
void warn(fmt::format_string<A...> text, A&&... args) {
  write(Level::warn, fmt::format(text, std::forward<A>(args)...));
}
template <class... A>
void error(fmt::format_string<A...> text, A&&... args) {
  write(Level::error, fmt::format(text, std::forward<A>(args)...));
}

/// One line that is redrawn in place on a terminal (stderr); elsewhere an ordinary info line.
/// `done` ends the redrawing.
class ProgressLine {
 public:
  /// True when stderr is a terminal, so that lines are redrawn.
  static bool interactive();
  void show(std::string_view text);
  void done();

 private:
  bool drawn_ = false;
};

}  // namespace m2mkd::log
