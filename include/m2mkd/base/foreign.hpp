#pragma once
// What libraries throw, as a sentence of ours.

#include <exception>
#include <string>

namespace m2mkd {

/// What, where and what to try: for no memory, a file system's or the system's error; others are
/// given by their own first line. An Error's text is given as it is. Bytes that are not UTF-8 and
/// control characters are shown as \xE4.
std::string sentence_of(const std::exception& exception);

}  // namespace m2mkd
