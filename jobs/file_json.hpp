#pragma once
// What a file of this program holds, as JSON. The same facts are printed for people.

#include <filesystem>

#include <nlohmann/json_fwd.hpp>

#include <m2mkd/store/table_file.hpp>

namespace m2mkd {

/// `kind` (module file, checkpoint, logits, metrics, summary, packed data set, ...), `attributes`,
/// and by kind `stages`, `tensors`, `total`; `groups`; `images`. With `verify` everything is read,
/// and `damages` lists what is wrong. Throws Error when the file cannot be read at all.
nlohmann::ordered_json describe_file(const std::filesystem::path& path, bool verify);

/// Attributes by name; numbers that are not finite become null when printed.
nlohmann::ordered_json attributes_json(const Attributes& attributes);
/// {path, attributes, columns: {name: values}}
nlohmann::ordered_json group_json(const TableGroup& group);

/// Prints on stdout. Bytes that are no UTF-8 (a damaged text) are replaced rather than refused.
void print_json(const nlohmann::ordered_json& json);

}  // namespace m2mkd
