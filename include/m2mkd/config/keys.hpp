#pragma once
// The keys of one options struct: name ↔ field, in both directions, with help. Each room declares
// its own.
//
//   struct Options { double lr = 1e-3; std::vector<std::int64_t> depths{3, 3}; };
//   Keys<Options> keys() {
//     Keys<Options> k;
//     k.add("lr", &Options::lr, "peak learning rate", within(0.0, 1e3));
//     return k;
//   }

#include <functional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <m2mkd/config/settings.hpp>
#include <m2mkd/config/value.hpp>

namespace m2mkd {

/// Finds the setting of a name, or null when nobody wrote it (the field keeps its default).
using Lookup = std::function<const Setting*(std::string_view name)>;

template <class O>
class Keys {
 public:
  struct Key {
    std::string name;
    std::string help;
    std::string type;  ///< for messages: "integer, 1 to 100", "one of: soft hard"
    /// Throws std::invalid_argument with the reason.
    std::function<void(O&, std::string_view)> read;
    std::function<std::string(const O&)> print;
  };

  /// Binds `name` to a field.
  template <class T>
  Keys& add(std::string name, T O::*field, std::string help,
            std::type_identity_t<Check<T>> check = {}) {
    keys_.push_back({std::move(name), std::move(help),
                     value_type<T>() + (check.text().empty() ? "" : ", " + check.text()),
                     [field, check](O& options, std::string_view text) {
                       T value = parse_value<T>(text);
                       if (const auto complaint = check(value); !complaint.empty())
                         throw std::invalid_argument(complaint);
                       options.*field = std::move(value);
                     },
                     [field](const O& options) { return print_value<T>(options.*field); }});
    return *this;
  }

  /// Takes over the keys of a member struct under their own names.
  template <class M>
  Keys& include(M O::*member, const Keys<M>& other) {
    for (const auto& key : other.keys())
      keys_.push_back(
          {key.name, key.help, key.type,
           [member, key](O& options, std::string_view text) { key.read(options.*member, text); },
           [member, key](const O& options) { return key.print(options.*member); }});
    return *this;
  }

  /// Takes over one key of another list.
  Keys& take(Key key) {
    keys_.push_back(std::move(key));
    return *this;
  }

  const std::vector<Key>& keys() const { return keys_; }

  /// Fills `options` from the settings that `lookup` finds. Problems (bad value, failed check) are
  /// appended with their place.
  void read(O& options, const Lookup& lookup, std::vector<std::string>& problems) const {
    for (const auto& key : keys_)
      if (const Setting* setting = lookup(key.name)) {
        try {
          key.read(options, setting->value);
        } catch (const std::exception& e) {
          problems.push_back(setting->origin.text() + ": " + setting->key + " = " + setting->value +
                             ": " + e.what());
        }
      }
  }

 private:
  std::vector<Key> keys_;
};

}  // namespace m2mkd
