#pragma once
// What libraries throw, as a sentence of ours; and whether what was printed has arrived.

#include <exception>
#include <string>

namespace m2mkd {

/// What, where and what to try for an exception of any library: out of memory, a file system's
/// error, damaged JSON, others by their own words. An Error's text is given as it is. Bytes that
/// are not UTF-8 are escaped (\\xE4).
std::string sentence_of(const std::exception& exception);

/// Throws Error when something that was printed on standard output did not get there: a full disk,
/// a closed pipe.
void require_printed();

}  // namespace m2mkd
