#include "torch_container.hpp"

#include <algorithm>

#include <ATen/ATen.h>

#include <m2mkd/base/error.hpp>

#include "zip_file.hpp"

namespace m2mkd {
namespace {

// 0x1950a86a20f9469cfc6c as a pickled integer.
constexpr std::string_view kLegacyMagic = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";

/// Larger texts are refused; one of a hundred thousand tensors is smaller.
constexpr std::int64_t kLongestPickle = 16 << 20;

class Archive : public TorchContainer {
 public:
  explicit Archive(std::unique_ptr<InFile> file) : file_(std::move(file)), zip_(*file_) {
    const auto pickle = std::ranges::find_if(zip_.entries(), [](const auto& entry) {
      return entry.first == "data.pkl" || entry.first.ends_with("/data.pkl");
    });
    if (pickle == zip_.entries().end())
      fail("it is a zip archive, but none of torch (it has no data.pkl)");
    folder_ = pickle->first.substr(0, pickle->first.size() - std::string("data.pkl").size());
    if (const auto name = folder_ + "byteorder"; zip_.entries().contains(name))
      if (const auto order = text(name, 100); order != "little")
        fail("its byte order is '{}', not 'little'; save it anew on a little-endian machine",
             order);
  }

  TorchValue* root(PickleValues& values) override {
    const auto pickle = text(folder_ + "data.pkl", kLongestPickle);
    std::string_view rest = pickle;
    return run_pickle(rest, values);
  }
  std::int64_t bytes(const std::string& key) const override {
    const auto found = zip_.entries().find(entry(key));
    if (found == zip_.entries().end()) fail("its archive has no entry '{}'", entry(key));
    return found->second.size;
  }
  void read(const std::string& key, void* out) const override { zip_.read(entry(key), out); }
  std::string note() const override {
    const auto name = folder_ + kNoteEntry;
    return zip_.entries().contains(name) ? text(name, kLongestPickle) : std::string();
  }

 private:
  std::string entry(const std::string& key) const { return folder_ + "data/" + key; }
  std::string text(const std::string& name, std::int64_t longest) const {
    const auto size = zip_.entries().at(name).size;
    if (size > longest) fail("entry '{}' has {} bytes, {} are the most", name, size, longest);
    std::string bytes(static_cast<std::size_t>(size), '\0');
    zip_.read(name, bytes.data());
    return bytes;
  }

  std::unique_ptr<InFile> file_;
  ZipFile zip_;
  std::string folder_;
};

class Stream : public TorchContainer {
 public:
  explicit Stream(std::unique_ptr<InFile> file) : file_(std::move(file)) {}

  TorchValue* root(PickleValues& values) override {
    std::string text(static_cast<std::size_t>(std::min(file_->size(), kLongestPickle)), '\0');
    file_->read(0, text.data(), static_cast<std::int64_t>(text.size()));
    std::string_view rest = text;
    run_pickle(rest, values);  // the magic number
    const auto* version = run_pickle(rest, values)->as<std::int64_t>();
    if (version == nullptr || *version != 1001) fail("its version is not 1001");
    const auto* little = run_pickle(rest, values)->find("little_endian");
    if (little == nullptr || !little->as<bool>() || !*little->as<bool>())
      fail("it was not written on a little-endian machine; save it anew on one");
    auto* root = run_pickle(rest, values);
    const auto* keys = run_pickle(rest, values)->as<TorchValue::List>();
    if (keys == nullptr) fail("its list of storages is missing");
    locate(*keys, static_cast<std::int64_t>(text.size() - rest.size()), values);
    return root;
  }
  std::int64_t bytes(const std::string& key) const override { return place(key).second; }
  void read(const std::string& key, void* out) const override {
    file_->read(place(key).first, out, place(key).second);
  }

 private:
  using Place = std::pair<std::int64_t, std::int64_t>;  // offset and bytes

  const Place& place(const std::string& key) const {
    const auto found = places_.find(key);
    if (found == places_.end()) fail("it has no data of storage '{}'", key);
    return found->second;
  }
  // How many bytes an element has stands with those who use the storage.
  void locate(const TorchValue::List& keys, std::int64_t at, const PickleValues& values) {
    std::map<std::string, StoredNumbers> known;
    for (const auto& value : values)
      if (const auto* storage = value.as<StoredNumbers>()) known[storage->key] = *storage;
    for (const auto* key : keys) {
      const auto* word = key->as<std::string>();
      if (word == nullptr || !known.contains(*word))
        fail("its list names {}, of which its values know nothing",
             word ? "storage '" + *word + "'" : key->describe());
      const auto& storage = known.at(*word);
      std::int64_t elements = 0;
      file_->read(at, &elements, sizeof(elements));
      at += static_cast<std::int64_t>(sizeof(elements));
      if (elements != storage.elements)
        fail("storage '{}' has {} elements where {} were announced", *word, elements,
             storage.elements);
      const auto size = elements * static_cast<std::int64_t>(c10::elementSize(storage.type));
      if (size > file_->size() - at)
        fail("storage '{}' has {} bytes, {} are left (truncated?)", *word, size,
             file_->size() - at);
      if (!places_.emplace(*word, Place{at, size}).second)
        fail("storage '{}' is listed twice", *word);
      at += size;
    }
  }

  std::unique_ptr<InFile> file_;
  std::map<std::string, Place> places_;
};

}  // namespace

std::unique_ptr<TorchContainer> open_torch_container(const std::filesystem::path& path) {
  auto file = std::make_unique<InFile>(path);
  std::string front(static_cast<std::size_t>(std::min<std::int64_t>(file->size(), 64)), '\0');
  file->read(0, front.data(), static_cast<std::int64_t>(front.size()));
  if (front.starts_with("PK\x03\x04")) return std::make_unique<Archive>(std::move(file));
  if (front.find(kLegacyMagic) != std::string::npos)
    return std::make_unique<Stream>(std::move(file));
  fail("it is not a file of torch (neither the zip archive nor the form before torch 1.6)");
}

}  // namespace m2mkd
