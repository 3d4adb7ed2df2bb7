#include <algorithm>
#include <filesystem>
#include <new>
#include <string_view>
#include <system_error>

#include <fmt/format.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/base/foreign.hpp>

namespace m2mkd {

namespace {

/// Length of the UTF-8 sequence that `text` begins with, or 0. Longer forms than needed and
/// surrogates pass: they harm no terminal.
std::size_t sequence(std::string_view text) {
  const auto byte = static_cast<unsigned char>(text.front());
  const std::size_t length = byte < 0x80   ? 1
                             : byte < 0xC2 ? 0
                             : byte < 0xE0 ? 2
                             : byte < 0xF0 ? 3
                             : byte < 0xF5 ? 4
                                           : 0;
  if (length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) return 0;
  return length;
}

std::string printable(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const std::size_t length = sequence(text);
    const bool control = static_cast<unsigned char>(text.front()) < ' ' && text.front() != '\n' &&
                         text.front() != '\t';
    if (length == 0 || control)
      result += fmt::format("\\x{:02X}", static_cast<unsigned char>(text.front()));
    else
      result += text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return result;
}

/// LibTorch's and oneDNN's words for memory that is not there; their types are theirs alone.
bool tells_of_memory(std::string_view text) {
  for (const auto* words : {"not enough memory", "out of memory", "could not create a primitive",
                            "could not create a memory", "DefaultCPUAllocator"})
    if (text.find(words) != std::string_view::npos) return true;
  return false;
}

std::string first_line(std::string_view text) {
  return std::string(text.substr(0, text.find('\n')));
}

}  // namespace

std::string sentence_of(const std::exception& exception) {
  const std::string text = exception.what();
  if (dynamic_cast<const Error*>(&exception) != nullptr) return printable(text);
  if (dynamic_cast<const std::bad_alloc*>(&exception) != nullptr || tells_of_memory(text))
    return printable(fmt::format(
        "out of memory [{}]: m2mkd plan tells what a configuration needs; fewer ranks on the node, "
        "a smaller train.forward_micro_batches or train.eval_batch need less",
        first_line(text)));
  if (const auto* error = dynamic_cast<const std::filesystem::filesystem_error*>(&exception))
    return printable(fmt::format("{}: {}: is the path right, and may it be read and written?",
                                 error->path1().string(), error->code().message()));
  if (dynamic_cast<const std::system_error*>(&exception) != nullptr)
    return printable(fmt::format("{}: is a disk full, or the reader of a pipe gone?", text));
  return printable("an error that this program has no words for: " + first_line(text) +
                   " (please report it with the command)");
}

}  // namespace m2mkd
