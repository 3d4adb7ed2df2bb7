#include <m2mkd/store/digest.hpp>
#include <m2mkd/store/image_file.hpp>

#include "h5.hpp"
#include "image_layout.hpp"

namespace m2mkd {

std::vector<std::string> verify_image_file(const std::filesystem::path& path) {
  const ImageFile file(path);  // labels and structure are compared here
  const ImageFileInfo& info = file.info();
  Digest digest;
  std::vector<std::int64_t> damaged;
  std::vector<std::byte> image;
  std::vector<std::uint64_t> bounds{0};
  for (std::int64_t i = 0; i < info.count; ++i) {
    image.resize(static_cast<std::size_t>(file.image_bytes(i)));
    file.read_unverified(i, image);
    if (!file.digests_.empty() &&
        xxh3(image.data(), image.size()) != file.digests_[static_cast<std::size_t>(i)])
      damaged.push_back(i);
    digest.add(image.data(), image.size());
    bounds.push_back(bounds.back() + image.size());
  }
  const auto told = h5::reading(path, [&](hid_t open) {
    const h5::Dataset images(
        h5::must(H5Dopen2(open, dataset_name(info.form), H5P_DEFAULT), "open images"));
    return text_attribute(h5::read_attributes(images), h5::kDataDigest);
  });
  std::vector<std::string> damages;
  const auto compare = [&](const std::string& what, const std::string& attribute,
                           const std::string& expected) {
    if (digest.hex() != expected)
      damages.push_back(fmt::format("{}: damaged: their XXH3 is {}, attribute '{}' says {}", what,
                                    digest.hex(), attribute, expected));
  };
  const auto which = damaged.empty() ? std::string()
                                     : fmt::format(" ({} of {}, image {} first)", damaged.size(),
                                                   info.count, damaged.front());
  compare("images" + which, h5::kDataDigest, told);
  if (info.form == ImageForm::encoded)
    digest.add(bounds.data(), bounds.size() * sizeof bounds.front());
  digest.add(file.labels().data(), file.labels().size_bytes());
  compare("images and labels", "digest", info.digest);
  return damages;
}

}  // namespace m2mkd
