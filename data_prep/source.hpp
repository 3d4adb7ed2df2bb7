#pragma once
// What every source of the packer delivers: two splits, each a header, labels, and images in file
// order.

#include <functional>
#include <map>
#include <string>
#include <vector>

#include <m2mkd/store/image_file.hpp>

namespace m2mkd::pack {

/// Fills `out` with the next image: (H, W, C) bytes, (C, H, W) floats, or a JPEG file.
using ImageStream = std::function<void(std::span<std::byte> out)>;

struct SplitSource {
  std::string where;   ///< for messages: the files it comes from
  ImageFileInfo info;  ///< name and classes are filled in by complete()
  std::vector<std::int64_t> labels;
  std::vector<std::int64_t> sizes;    ///< encoded images: bytes of each; else empty
  std::function<ImageStream()> open;  ///< begins at the first image, any number of times
};

struct Source {
  std::string name;
  std::vector<std::string> classes;  ///< empty: "0", "1", … up to the largest label
  SplitSource train, test;
  std::vector<std::string> notes;  ///< remarks for the user
};

using Flags = std::map<std::string, std::string>;

/// The sources that `m2mkd-pack` knows.
struct SourceKind {
  std::string name, help;
  std::vector<std::string> required, optional;  ///< flags, without dashes
  Source (*make)(const Flags& flags);
};
const std::vector<SourceKind>& source_kinds();

/// Gives both splits name and classes and validates: equal counts, labels within the classes, equal
/// shapes.
void complete(Source& source);

/// Names of classes, one a line.
std::vector<std::string> read_classes(const std::filesystem::path& path);
/// The flag's value, or `otherwise`.
std::string flag(const Flags& flags, const std::string& name, const std::string& otherwise = {});

/// From --mean and --std, one number per channel; both stay empty where the flags are absent.
void take_mean_and_std(const Flags& flags, ImageFileInfo& info);

Source fashion_mnist(const Flags& flags);
Source idx(const Flags& flags);
Source npy(const Flags& flags);
Source cifar(const Flags& flags);
Source folder(const Flags& flags);

}  // namespace m2mkd::pack
