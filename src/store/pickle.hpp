#pragma once
// Python's pickle, as far as torch's files of weights need it: protocols 2 to 5, binary
// instructions.
//
// The machine has a stack, marks and a memo. Every instruction makes at most one value and values
// are shared, never copied, so memory stays in proportion to the text. Classes and functions are
// looked up in a fixed list (pickle_names.cpp); nothing is imported or called.

#include <deque>
#include <string_view>

#include <m2mkd/store/torch_file.hpp>

namespace m2mkd {

using PickleValues = std::deque<TorchValue>;

/// Runs the pickle at the front of `bytes` and cuts it off; its value lives in `values`. Throws
/// Error with the place and the reason.
TorchValue* run_pickle(std::string_view& bytes, PickleValues& values);

/// The value that stands for a class or function "module.name". Throws Error, naming it, unless
/// files of weights need it.
TorchValue known_name(const std::string& name);
/// What calling it would give: a new value in `values`, or one of the arguments.
TorchValue* make_object(const std::string& name, const TorchValue::List& arguments,
                        PickleValues& values);
/// The storage of a persistent id: ("storage", type, key, location, elements).
StoredNumbers make_storage(const TorchValue& id);

}  // namespace m2mkd
