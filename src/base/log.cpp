#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <utility>

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/base/log.hpp>

namespace m2mkd::log {
namespace {

constexpr std::array<std::string_view, 4> level_names{"debug", "info", "warn", "error"};

spdlog::level::level_enum spdlog_level(Level level) {
  static_assert(SPDLOG_LEVEL_DEBUG == 1 && SPDLOG_LEVEL_ERROR == 4);
  return static_cast<spdlog::level::level_enum>(static_cast<int>(level) + SPDLOG_LEVEL_DEBUG);
}

/// Our own names of the levels (spdlog's differ between versions).
class LevelFlag : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& out) override {
    const auto name = level_names.at(static_cast<std::size_t>(message.level - SPDLOG_LEVEL_DEBUG));
    out.append(name.data(), name.data() + name.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<LevelFlag>();
  }
};

std::unique_ptr<spdlog::formatter> make_formatter() {
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<LevelFlag>('*').set_pattern("%H:%M:%S %^%*%$ %v");
  return formatter;
}

/// Everything the log knows, under one mutex: any thread may log.
struct State {
  std::mutex mutex;
  std::shared_ptr<spdlog::sinks::stderr_color_sink_st> terminal;
  std::shared_ptr<spdlog::sinks::basic_file_sink_st> file;
  Level lowest = Level::info;
  int rank = 0;
  bool speaks = true;
  bool progress_drawn = false;  // the cursor stands behind a progress line

  State() {
    const char* no_color = std::getenv("NO_COLOR");
    const bool plain = no_color && *no_color;
    terminal = std::make_shared<spdlog::sinks::stderr_color_sink_st>(
        plain ? spdlog::color_mode::never : spdlog::color_mode::automatic);
    terminal->set_formatter(make_formatter());
    read_level();
  }

  void read_level() {
    const char* text = std::getenv("M2MKD_LOG");
    if (!text || !*text) return;
    for (std::size_t i = 0; i < level_names.size(); ++i)
      if (level_names[i] == text) {
        lowest = static_cast<Level>(i);
        return;
      }
    put(Level::warn,
        fmt::format("M2MKD_LOG={} is not a level; known: {}", text, fmt::join(level_names, " ")));
  }

  bool wanted(Level level) const { return level >= lowest && (speaks || level >= Level::warn); }

  void put(Level level, std::string_view text) {
    std::string line = speaks ? "" : fmt::format("rank {}: ", rank);
    line += text;
    const spdlog::details::log_msg message("", spdlog_level(level), line);
    if (std::exchange(progress_drawn, false)) std::fputs("\r\033[K", stderr);
    terminal->log(message);
    terminal->flush();
    if (file) put_to_file(message);
  }

  void put_to_file(const spdlog::details::log_msg& message) {
    try {
      file->log(message);
      file->flush();
    } catch (const spdlog::spdlog_ex& e) {
      // A full disk must not end a training by its log.
      file.reset();
      put(Level::warn, fmt::format("the log file is given up [{}]; lines go on here", e.what()));
    }
  }
};

/// Never destroyed: a thread may log while the program ends.
State& state() {
  static State& the_state = *new State;
  return the_state;
}

/// As much of `text` as fits on one terminal line; a wrapped line could not be redrawn.
std::string_view fit(std::string_view text) {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 2 || text.size() < size.ws_col)
    return text;
  std::size_t end = size.ws_col - 1u;
  while (end > 0 && (text[end] & 0xC0) == 0x80) --end;  // not inside a UTF-8 sequence
  return text.substr(0, end);
}

}  // namespace

void set_speaker(int rank, int size, bool speaks) {
  require(rank >= 0 && rank < size, "log::set_speaker: rank outside the world");
  const std::lock_guard lock(state().mutex);
  state().rank = rank;
  state().speaks = speaks;
}

void open_file(const std::filesystem::path& path) {
  try {
    auto file = std::make_shared<spdlog::sinks::basic_file_sink_st>(path.string());
    file->set_formatter(make_formatter());
    const std::lock_guard lock(state().mutex);
    state().file = std::move(file);
  } catch (const spdlog::spdlog_ex& e) {
    fail("cannot write the log file {} [{}]: is its folder writable?", path.string(), e.what());
  }
}

void write(Level level, std::string_view text) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  if (s.wanted(level)) s.put(level, text);
}

bool ProgressLine::interactive() {
  return isatty(STDERR_FILENO) == 1;
}

void ProgressLine::show(std::string_view text) {
  if (!interactive()) return write(Level::info, text);
  State& s = state();
  const std::lock_guard lock(s.mutex);
  if (!s.wanted(Level::info)) return;
  const std::string line = "\r" + std::string(fit(text)) + "\033[K";
  std::fwrite(line.data(), 1, line.size(), stderr);
  std::fflush(stderr);
  s.progress_drawn = drawn_ = true;
}

void ProgressLine::done() {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  // After an ordinary line the progress line is gone already: nothing to end.
  if (std::exchange(drawn_, false) && std::exchange(s.progress_drawn, false))
    std::fputs("\n", stderr);
}

}  // namespace m2mkd::log
