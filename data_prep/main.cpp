// m2mkd-pack: turns a data set into the two HDF5 files that `m2mkd` trains and tests on.

#include <algorithm>
#include <cstdio>

#include <m2mkd/base/error.hpp>
#include <m2mkd/base/foreign.hpp>
#include <m2mkd/base/output.hpp>
#include <m2mkd/config/settings.hpp>

#include "pack.hpp"

namespace m2mkd::pack {

namespace {

std::string help() {
  std::string text =
      "usage: m2mkd-pack SOURCE [--flag value ...] --out DIR [--force]\n"
      "\n"
      "Writes DIR/train.h5 and DIR/test.h5, the packed data sets of m2mkd's [data] section. Files "
      "that\n"
      "already hold exactly these images are left alone; --force writes them anew.\n"
      "\n"
      "sources:\n";
  for (const auto& kind : source_kinds()) text += "  " + kind.name + "\n    " + kind.help + "\n";
  return text +
         "\nexample: m2mkd-pack fashion-mnist --out data/fashion-mnist\n"
         "exit codes: 0 done, 1 failed (the source is damaged, the disk is full), 2 wrong usage\n";
}

std::string known_sources() {
  std::string names;
  for (const auto& kind : source_kinds()) names += (names.empty() ? "" : ", ") + kind.name;
  return names;
}

const SourceKind& source_kind(const CommandLine& line) {
  if (line.words.empty())
    throw ConfigError("no source given: m2mkd-pack SOURCE --out DIR, where SOURCE is one of: " +
                      known_sources());
  if (line.words.size() > 1)
    throw ConfigError("unexpected word '" + line.words[1] + "' after the source");
  for (const auto& kind : source_kinds())
    if (kind.name == line.words[0]) return kind;
  throw ConfigError("unknown source '" + line.words[0] + "'; known sources: " + known_sources());
}

void check_flags(const SourceKind& kind, const CommandLine& line) {
  std::vector<std::string> problems;
  for (const auto& [key, value] : line.settings)
    problems.push_back("--" + key + ": m2mkd-pack takes no settings");
  auto allowed = kind.required;
  allowed.insert(allowed.end(), kind.optional.begin(), kind.optional.end());
  allowed.insert(allowed.end(), {"out", "force"});
  for (const auto& [name, value] : line.flags)
    if (std::find(allowed.begin(), allowed.end(), name) == allowed.end())
      problems.push_back("--" + name + " is no flag of source " + kind.name);
  auto required = kind.required;
  required.push_back("out");
  for (const auto& name : required)
    if (!line.flags.contains(name)) problems.push_back("--" + name + " is missing");
  if (!problems.empty()) {
    problems.push_back("see m2mkd-pack --help");
    throw ConfigError(problems);
  }
}

void run(const std::vector<std::string>& arguments) {
  for (const auto& argument : arguments)
    if (argument == "--help" || argument == "-h") {
      std::fputs(help().c_str(), stdout);
      return;
    }
  std::vector<std::string> values{"out"};
  for (const auto& kind : source_kinds())
    for (const auto* flags : {&kind.required, &kind.optional})
      values.insert(values.end(), flags->begin(), flags->end());
  const auto line = split_command_line(arguments, values, {"force"});
  const auto& kind = source_kind(line);
  check_flags(kind, line);

  Source source = kind.make(line.flags);
  complete(source);
  const auto outcomes = pack(source, line.flags.at("out"), line.flags.contains("force"));
  for (const auto& note : source.notes) std::printf("note: %s\n", note.c_str());
  for (const auto& outcome : outcomes) std::printf("%s\n", summary(outcome).c_str());
}

}  // namespace

}  // namespace m2mkd::pack

int main(int argc, char** argv) {
  try {
    m2mkd::pack::run({argv + 1, argv + argc});
    if (const auto lost = m2mkd::output_problem(); !lost.empty()) m2mkd::fail("{}", lost);
    return 0;
  } catch (const m2mkd::Error& e) {
    std::fprintf(stderr, "m2mkd-pack: %s\n", m2mkd::sentence_of(e).c_str());
    return static_cast<int>(e.code());
  } catch (const std::exception& e) {
    std::fprintf(stderr, "m2mkd-pack: %s\n", m2mkd::sentence_of(e).c_str());
    return 1;
  }
}
