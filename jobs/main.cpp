// m2mkd: picks a command, runs it, maps an exception to its exit code.

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>

#include <malloc.h>

#include <m2mkd/base/build_info.hpp>
#include <m2mkd/base/foreign.hpp>
#include <m2mkd/base/log.hpp>
#include <m2mkd/base/output.hpp>
#include <m2mkd/base/stop.hpp>
#include <m2mkd/comm/session.hpp>

#include "commands.hpp"

namespace m2mkd {
namespace {

std::string help_text() {
  std::string text = "m2mkd <command> [CONFIG.ini ...] [--section.key VALUE ...]\n\n";
  for (const auto& command : commands())
    text += fmt::format("  {:<9}{}\n", command.name, command.summary);
  return text +
         "\n  m2mkd <command> --help    its flags\n  m2mkd --version\n  m2mkd --build-info\n"
         "  m2mkd --print-defaults    a commented configuration with every key\n\n"
         "Exit codes: 0 finished, 1 failed, 2 usage or configuration, 75 stopped with checkpoints "
         "saved (run again to continue),\n"
         "76 no progress over several restarts. Log level: M2MKD_LOG=debug.\n";
}

std::string build_text() {
  const auto& build = build_info();
  return fmt::format("version    {}\ngit        {}\ncompiler   {}\nbuild type {}\ncuda       {}\n",
                     build.version, build.git, build.compiler, build.build_type,
                     build.cuda ? "yes" : "no");
}

ExitCode dispatch(const std::vector<std::string>& arguments) {
  const std::string first = arguments.empty() ? "--help" : arguments.front();
  const auto print = [](const std::string& text) {
    std::fputs(text.c_str(), stdout);
    return ExitCode::finished;
  };
  if (first == "--help" || first == "-h" || first == "help") return print(help_text());
  if (first == "--version") return print("m2mkd " + build_info().version + "\n");
  if (first == "--build-info") return print(build_text());
  if (first == "--print-defaults") return print(Config::defaults_text());

  const auto command =
      std::ranges::find_if(commands(), [&](const Command& c) { return first == c.name; });
  if (command == commands().end()) {
    std::vector<std::string> names;
    for (const auto& c : commands()) names.emplace_back(c.name);
    throw ConfigError("unknown command '" + first + "'" + did_you_mean(first, names) +
                      " (m2mkd --help lists them)");
  }
  if (std::ranges::count(arguments, "--help") > 0) return print(command->help);
  // The setting without a section is a flag without a dot.
  auto flags = command->value_flags;
  flags.emplace_back("compat");
  CommandLine line = split_command_line(arguments, flags, command->switches);
  if (const auto compat = line.flags.extract("compat"))
    line.settings.emplace_back("compat", compat.mapped());
  return command->run(line);
}

// Large temporaries come and go with every step: keep their memory instead of mapping it anew each
// time (2x on CPUs).
void keep_freed_memory() {
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
}

}  // namespace

std::vector<std::string> operands(const CommandLine& line, std::size_t least, std::size_t most,
                                  const std::string& expected) {
  std::vector<std::string> words(line.words.begin() + 1, line.words.end());
  if (words.size() < least || words.size() > most)
    throw ConfigError("m2mkd " + line.words.front() + " expects " + expected + " (m2mkd " +
                      line.words.front() + " --help)");
  return words;
}

Config read_config(const std::vector<std::string>& words, const CommandLine& line) {
  return Config::read(std::vector<std::filesystem::path>(words.begin(), words.end()),
                      line.settings);
}

}  // namespace m2mkd

// A run hears of a stop once its libraries are loaded, before they start, which takes longer than
// all else that comes before main.
static void hear_early(int argc, char** argv, char**) {
  if (argc > 1 && std::strcmp(argv[1], "run") == 0) m2mkd::stop::install();
}
__attribute__((section(".preinit_array"), used)) static void (*const early)(int, char**,
                                                                            char**) = hear_early;

int main(int argc, char** argv) {
  using namespace m2mkd;
  keep_freed_memory();
  std::signal(SIGPIPE, SIG_IGN);  // a run outlives who reads its output
  const bool speaks = Session::rank_hint() == 0;
  log::set_speaker(Session::rank_hint(), Session::rank_hint() + 1, speaks);
  try {
    const ExitCode code = dispatch({argv + 1, argv + argc});
    const auto lost = output_problem();
    if (code == ExitCode::finished && !lost.empty()) fail("{}: what it was to show is lost", lost);
    return static_cast<int>(code);
  } catch (const Error& error) {
    if (speaks) std::fprintf(stderr, "m2mkd: %s\n", sentence_of(error).c_str());
    return static_cast<int>(error.code());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "m2mkd: %s\n", sentence_of(error).c_str());
    return static_cast<int>(ExitCode::failed);
  }
}
