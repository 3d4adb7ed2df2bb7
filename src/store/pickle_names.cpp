// The classes and functions that torch's files of weights name, and what they make of their
// arguments.

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include <ATen/ATen.h>

#include <m2mkd/base/error.hpp>

#include "pickle.hpp"

namespace m2mkd {
namespace {

using List = TorchValue::List;

enum class Makes { dict, list, first, tensor, opaque, nothing };

struct Known {
  const char* name;
  Makes makes;
};

// nothing: a value in itself, such as the element type torch.float16.
constexpr Known kKnown[] = {
    {"collections.OrderedDict", Makes::dict},
    {"collections.defaultdict", Makes::dict},
    {"collections.Counter", Makes::dict},
    {"builtins.dict", Makes::dict},
    {"builtins.set", Makes::list},
    {"builtins.frozenset", Makes::list},
    {"builtins.list", Makes::list},
    {"builtins.tuple", Makes::list},
    {"builtins.int", Makes::nothing},
    {"builtins.float", Makes::nothing},
    {"torch.Size", Makes::list},
    {"torch._utils._rebuild_tensor", Makes::tensor},
    {"torch._utils._rebuild_tensor_v2", Makes::tensor},
    {"torch._utils._rebuild_parameter", Makes::first},
    {"torch._utils._rebuild_parameter_with_state", Makes::first},
    {"torch.nn.parameter.Parameter", Makes::first},
    {"torch.device", Makes::opaque},
    {"argparse.Namespace", Makes::opaque},
    {"_codecs.encode", Makes::opaque},
};

struct TorchElement {
  const char* name;  ///< torch.<name>Storage
  const char* dtype;
  at::ScalarType type;
};

constexpr TorchElement kTorchElements[] = {
    {"Double", "float64", at::kDouble}, {"Float", "float32", at::kFloat},
    {"Half", "float16", at::kHalf},     {"BFloat16", "bfloat16", at::kBFloat16},
    {"Long", "int64", at::kLong},       {"Int", "int32", at::kInt},
    {"Short", "int16", at::kShort},     {"Char", "int8", at::kChar},
    {"Byte", "uint8", at::kByte},       {"Bool", "bool", at::kBool},
    {"Untyped", "untyped", at::kByte},  // counted in bytes
};

// Python 2's name of the module, which protocol 2 keeps.
std::string modern(const std::string& name) {
  constexpr std::string_view old = "__builtin__.";
  return name.starts_with(old) ? "builtins." + name.substr(old.size()) : name;
}

const Known* find_known(const std::string& name) {
  const auto* found = std::ranges::find(kKnown, name, [](const Known& k) { return k.name; });
  return found == std::end(kKnown) ? nullptr : found;
}

const TorchElement* find_element(const std::string& storage_name) {
  for (const auto& element : kTorchElements)
    if (storage_name == std::string("torch.") + element.name + "Storage") return &element;
  return nullptr;
}

std::int64_t integer(const TorchValue* value, const char* what) {
  const auto* number = value->as<std::int64_t>();
  if (number == nullptr || *number < 0)
    fail("{} of a tensor is {}", what,
         number ? std::to_string(*number) : value->describe() + ", no integer");
  return *number;
}

std::vector<std::int64_t> integers(const TorchValue* value, const char* what) {
  const auto* list = value->as<List>();
  if (list == nullptr || list->size() > 64) fail("{}s of a tensor are {}", what, value->describe());
  std::vector<std::int64_t> numbers;
  for (const auto* item : *list) numbers.push_back(integer(item, what));
  return numbers;
}

// Every element must lie in the storage, and their number and bytes must be countable.
void check_bounds(const StoredTensor& t) {
  std::int64_t bytes = static_cast<std::int64_t>(c10::elementSize(t.storage.type));
  std::int64_t last = t.offset;
  bool overflow = false;
  for (std::size_t i = 0; i < t.sizes.size(); ++i) {
    overflow = overflow || __builtin_mul_overflow(bytes, t.sizes[i], &bytes);
    std::int64_t way = 0;
    if (t.sizes[i] > 0)
      overflow = overflow || __builtin_mul_overflow(t.sizes[i] - 1, t.strides[i], &way) ||
                 __builtin_add_overflow(last, way, &last);
  }
  const bool empty = std::ranges::count(t.sizes, 0) > 0;
  if (overflow && !empty) fail("a tensor's shape is larger than any memory");
  if (!empty && last >= t.storage.elements)
    fail("a tensor reaches to element {} of storage '{}', which has {}", last, t.storage.key,
         t.storage.elements);
}

StoredTensor make_tensor(const List& arguments) {
  if (arguments.size() < 4) fail("a tensor is given by {} arguments", arguments.size());
  const auto* storage = arguments[0]->as<StoredNumbers>();
  if (storage == nullptr) fail("a tensor's storage is {}", arguments[0]->describe());
  StoredTensor tensor{*storage, integer(arguments[1], "an offset"),
                      integers(arguments[2], "the size"), integers(arguments[3], "the stride")};
  if (tensor.sizes.size() != tensor.strides.size())
    fail("a tensor has {} sizes and {} strides", tensor.sizes.size(), tensor.strides.size());
  check_bounds(tensor);
  return tensor;
}

// dict(), or from a list of pairs; of a dictionary (Counter) the dictionary itself.
TorchValue* make_dict(const List& arguments, PickleValues& values) {
  TorchValue::Dict dict;
  if (!arguments.empty() && arguments[0]->as<TorchValue::Dict>()) return arguments[0];
  if (auto* pairs = arguments.empty() ? nullptr : std::get_if<List>(&arguments[0]->data))
    // Taken away from the list, so that no text makes many dictionaries of one long list.
    for (const auto* pair : std::exchange(*pairs, {})) {
      const auto* entry = pair->as<List>();
      if (entry == nullptr || entry->size() != 2)
        fail("an entry of a dictionary is {}", pair->describe());
      dict.emplace_back((*entry)[0], (*entry)[1]);
    }
  return &values.emplace_back(TorchValue{std::move(dict)});
}

}  // namespace

TorchValue known_name(const std::string& name) {
  const auto wanted = modern(name);
  const bool dtype = std::ranges::any_of(kTorchElements, [&](const TorchElement& e) {
    return wanted == std::string("torch.") + e.dtype;
  });
  if (!find_known(wanted) && !find_element(wanted) && !dtype)
    fail(
        "it names '{}', which is none of the classes that files of weights need [nothing of a file "
        "is executed]; save the weights alone: torch.save(model.state_dict(), FILE)",
        name.substr(0, 200));
  return {TorchValue::Opaque{wanted}};
}

TorchValue* make_object(const std::string& name, const List& arguments, PickleValues& values) {
  const auto* known = find_known(name);
  switch (known ? known->makes : Makes::nothing) {
    case Makes::dict:
      return make_dict(arguments, values);
    case Makes::list:
      if (arguments.empty()) return &values.emplace_back(TorchValue{List{}});
      if (!arguments[0]->as<List>()) fail("'{}' is made from {}", name, arguments[0]->describe());
      return arguments[0];
    case Makes::first:
      if (arguments.empty()) fail("'{}' lacks its argument", name);
      return arguments[0];
    case Makes::tensor:
      return &values.emplace_back(TorchValue{make_tensor(arguments)});
    case Makes::opaque:
      return &values.emplace_back(TorchValue{TorchValue::Opaque{name}});
    case Makes::nothing:
      break;
  }
  fail("'{}' is called, which files of weights do not", name);
}

StoredNumbers make_storage(const TorchValue& id) {
  const auto* parts = id.as<List>();
  if (parts == nullptr || parts->size() < 5) fail("a storage is named by {}", id.describe());
  const auto* word = (*parts)[0]->as<std::string>();
  const auto* type = (*parts)[1]->as<TorchValue::Opaque>();
  const auto* key = (*parts)[2]->as<std::string>();
  if (word == nullptr || *word != "storage" || type == nullptr || key == nullptr)
    fail("a storage's name is not (\"storage\", type, key, place, elements)");
  if (parts->size() > 5 && !(*parts)[5]->as<std::monostate>())
    fail("storage '{}' is a part of another one, as files of torch before 0.4 have it", *key);
  if (key->size() > 200) fail("a storage's key has {} letters", key->size());
  const auto* element = find_element(type->type);
  if (element == nullptr) fail("'{}' is no type of storage", type->type);
  const auto elements = integer((*parts)[4], "the number of elements");
  // Beyond this even the bytes could not be counted.
  if (elements > std::numeric_limits<std::int64_t>::max() / 16)
    fail("storage '{}' has {} elements, more than any memory", *key, elements);
  return {element->type, *key, elements};
}

}  // namespace m2mkd
