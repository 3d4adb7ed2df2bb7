#include "pickle.hpp"

#include <bit>
#include <cstring>
#include <unordered_map>

#include <ATen/ATen.h>

#include <m2mkd/base/error.hpp>

namespace m2mkd {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are read as they lie in memory");

using List = TorchValue::List;
using Dict = TorchValue::Dict;

class Machine {
 public:
  Machine(std::string_view bytes, PickleValues& values) : bytes_(bytes), values_(values) {}

  TorchValue* run() {
    try {
      while (!step()) {
      }
      return pop();
    } catch (const Error& problem) {
      fail("its pickle is refused at byte {}: {}", at_, problem.what());
    }
  }
  std::size_t position() const { return at_; }

 private:
  bool step();
  bool step_rare(unsigned char code);

  // --- The text.
  std::string_view take(std::uint64_t count) {
    if (count > bytes_.size() - at_)
      fail("{} bytes are announced, {} are left (truncated?)", count, bytes_.size() - at_);
    const auto part = bytes_.substr(at_, count);
    at_ += count;
    return part;
  }
  template <class T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }
  std::string line() {
    const auto end = bytes_.find('\n', at_);
    if (end == std::string_view::npos) fail("a name does not end (truncated?)");
    const auto text = take(end - at_);
    ++at_;
    return std::string(text);
  }
  // Little-endian, in two's complement; beyond 64 bits its value is of no use here.
  TorchValue integer(std::string_view digits) {
    if (digits.size() > 8) return {TorchValue::Opaque{"int"}};
    std::uint64_t value = !digits.empty() && (digits.back() & 0x80) ? ~std::uint64_t{0} : 0;
    std::memcpy(&value, digits.data(), digits.size());
    return {static_cast<std::int64_t>(value)};
  }

  // --- The stack. Values below a mark are out of reach until it is gone.
  void push(TorchValue value) { stack_.push_back(&values_.emplace_back(std::move(value))); }
  void push_text(std::uint64_t count) { push({std::string(take(count))}); }
  TorchValue* pop() {
    auto* value = top();
    stack_.pop_back();
    return value;
  }
  TorchValue* top() {
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) fail("its stack is empty");
    return stack_.back();
  }
  List pop_to_mark() {
    if (marks_.empty()) fail("a mark is missing");
    const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    List items(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    marks_.pop_back();
    return items;
  }
  List pop_last(std::size_t count) {
    List items(count);
    while (count > 0) items[--count] = pop();
    return items;
  }

  // --- Instructions with several forms.
  template <class T>
  T& target(const char* what) {
    auto* container = std::get_if<T>(&top()->data);
    if (container == nullptr) fail("{} is added to {}", what, top()->describe());
    return *container;
  }
  void append(const List& items) {
    auto& list = target<List>("an item");
    list.insert(list.end(), items.begin(), items.end());
  }
  void set_items(const List& items) {
    if (items.size() % 2 != 0) fail("a key has no value");
    auto& dict = target<Dict>("an entry");
    for (std::size_t i = 0; i < items.size(); i += 2) dict.emplace_back(items[i], items[i + 1]);
  }
  void remember(std::uint64_t number) { memo_[number] = top(); }
  void recall(std::uint64_t number) {
    const auto found = memo_.find(number);
    if (found == memo_.end()) fail("value {} of its memo was never stored", number);
    stack_.push_back(found->second);
  }
  void name(const std::string& module, const std::string& word) {
    push(known_name(module + "." + word));
  }
  void stacked_name() {
    const auto* word = pop()->as<std::string>();
    const auto* module = pop()->as<std::string>();
    if (word == nullptr || module == nullptr) fail("a class is named by no text");
    name(*module, *word);
  }
  void call() {
    const auto* arguments = pop();
    const auto* function = pop();
    if (function->as<TorchValue::Opaque>() == nullptr || arguments->as<List>() == nullptr)
      fail("{} is called with {}", function->describe(), arguments->describe());
    stack_.push_back(
        make_object(function->as<TorchValue::Opaque>()->type, *arguments->as<List>(), values_));
  }
  // The state of an object or the attributes of a dictionary (`_metadata`): not looked at.
  void build() {
    pop();
    if (!top()->as<Dict>() && !top()->as<TorchValue::Opaque>() && !top()->as<StoredTensor>())
      fail("a state is given to {}", top()->describe());
  }

  std::string_view bytes_;
  std::size_t at_ = 0;
  PickleValues& values_;
  List stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint64_t, TorchValue*> memo_;
};

// One instruction; true at the end. Codes as Python's pickletools lists them.
bool Machine::step() {
  const auto code = number<unsigned char>();
  switch (code) {
    case 0x80:  // PROTO
      if (const auto version = number<std::uint8_t>(); version < 2 || version > 5)
        fail("its protocol is {}, 2 to 5 are known", version);
      return false;
    case '.':  // STOP
      return true;
    case '(':  // MARK
      marks_.push_back(stack_.size());
      return false;
    case 'X':  // BINUNICODE
      push_text(number<std::uint32_t>());
      return false;
    case 0x8c:  // SHORT_BINUNICODE
      push_text(number<std::uint8_t>());
      return false;
    case 'K':  // BININT1
      push({std::int64_t{number<std::uint8_t>()}});
      return false;
    case 'M':  // BININT2
      push({std::int64_t{number<std::uint16_t>()}});
      return false;
    case 'J':  // BININT
      push({std::int64_t{number<std::int32_t>()}});
      return false;
    case 'q':  // BINPUT
      remember(number<std::uint8_t>());
      return false;
    case 'r':  // LONG_BINPUT
      remember(number<std::uint32_t>());
      return false;
    case 0x94:  // MEMOIZE
      remember(memo_.size());
      return false;
    case 'h':  // BINGET
      recall(number<std::uint8_t>());
      return false;
    case 'j':  // LONG_BINGET
      recall(number<std::uint32_t>());
      return false;
    case 't':  // TUPLE
      push({pop_to_mark()});
      return false;
    case ')':   // EMPTY_TUPLE
    case ']':   // EMPTY_LIST
    case 0x8f:  // EMPTY_SET
      push({List{}});
      return false;
    case 0x85:  // TUPLE1, TUPLE2, TUPLE3
    case 0x86:
    case 0x87:
      push({pop_last(code - 0x84U)});
      return false;
    case '}':  // EMPTY_DICT
      push({Dict{}});
      return false;
    case 'a':  // APPEND
      append(pop_last(1));
      return false;
    case 'e':  // APPENDS, ADDITEMS
    case 0x90:
      append(pop_to_mark());
      return false;
    case 's':  // SETITEM
      set_items(pop_last(2));
      return false;
    case 'u':  // SETITEMS
      set_items(pop_to_mark());
      return false;
    default:
      return step_rare(code);
  }
}

bool Machine::step_rare(unsigned char code) {
  switch (code) {
    case 'c': {  // GLOBAL
      const auto module = line();
      name(module, line());
      return false;
    }
    case 0x93:  // STACK_GLOBAL
      stacked_name();
      return false;
    case 'R':   // REDUCE
    case 0x81:  // NEWOBJ
      call();
      return false;
    case 'b':  // BUILD
      build();
      return false;
    case 'Q':  // BINPERSID
      push({make_storage(*pop())});
      return false;
    case 'N':  // NONE
      push({});
      return false;
    case 0x88:  // NEWTRUE
      push({true});
      return false;
    case 0x89:  // NEWFALSE
      push({false});
      return false;
    case 'G':  // BINFLOAT, big-endian
      push({std::bit_cast<double>(__builtin_bswap64(number<std::uint64_t>()))});
      return false;
    case 0x8a:  // LONG1
      push(integer(take(number<std::uint8_t>())));
      return false;
    case 0x8b:  // LONG4
      push(integer(take(number<std::uint32_t>())));
      return false;
    case 0x8d:  // BINUNICODE8
      push_text(number<std::uint64_t>());
      return false;
    case 'U':  // SHORT_BINSTRING, SHORT_BINBYTES
    case 'C':
      push_text(number<std::uint8_t>());
      return false;
    case 'T':  // BINSTRING, BINBYTES
    case 'B':
      push_text(number<std::uint32_t>());
      return false;
    case 0x91:  // FROZENSET
    case 'l':   // LIST
      push({pop_to_mark()});
      return false;
    case '0':  // POP
      pop();
      return false;
    case '1':  // POP_MARK
      pop_to_mark();
      return false;
    case 0x95:  // FRAME: only a hint how much to read ahead
      take(8);
      return false;
    default:
      fail("instruction 0x{:02x} is none that files of weights need", code);
  }
}

}  // namespace

TorchValue* run_pickle(std::string_view& bytes, PickleValues& values) {
  Machine machine(bytes, values);
  auto* value = machine.run();
  bytes.remove_prefix(machine.position());
  return value;
}

}  // namespace m2mkd
