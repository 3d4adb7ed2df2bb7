#include <cmath>
#include <optional>

#include <m2mkd/store/digest.hpp>

#include "image_layout.hpp"
#include "new_file.hpp"

namespace m2mkd {
namespace {

/// Images are handed to HDF5 in portions of about this many bytes.
constexpr std::int64_t kPortion = 4 << 20;

std::string leaf(const std::string& name) {
  return name.substr(name.find('/') + 1);
}

}  // namespace

/// Exact sums per channel of 8-bit values.
class PixelMoments {
 public:
  explicit PixelMoments(std::int64_t channels) : sum_(channels), squares_(channels) {}
  void add(std::span<const std::byte> pixels) {
    for (std::size_t i = 0, channel = 0; i < pixels.size(); ++i) {
      const auto value = std::to_integer<std::uint64_t>(pixels[i]);
      sum_[channel] += value;
      squares_[channel] += value * value;
      if (++channel == sum_.size()) channel = 0;
    }
    count_ += static_cast<double>(pixels.size() / sum_.size());
  }
  double mean(std::size_t channel) const {
    return count_ > 0 ? static_cast<double>(sum_[channel]) / count_ / 255 : 0;
  }
  /// 1 for a constant channel, which then can be divided by it.
  double deviation(std::size_t channel) const {
    if (count_ == 0) return 1;
    const double square = static_cast<double>(squares_[channel]) / count_ / (255 * 255);
    const double variance = square - mean(channel) * mean(channel);
    return variance > 1e-12 ? std::sqrt(variance) : 1;
  }

 private:
  std::vector<std::uint64_t> sum_, squares_;
  double count_ = 0;
};

struct ImageFileWriter::Impl {
  ImageFileInfo info;
  PixelMoments moments;
  Digest digest;
  std::vector<std::int32_t> labels;
  std::vector<std::uint64_t> bounds{0};  ///< of encoded images
  std::vector<std::uint64_t> digests;    ///< of each image
  std::vector<std::byte> portion;
  std::int64_t written = 0;  ///< rows
  std::string pixel_digest;
  std::optional<h5::NewFile> out;
  h5::Dataset images;

  Impl(const std::filesystem::path& path, ImageFileInfo given)
      : info(std::move(given)), moments(info.channels) {
    if (info.form != ImageForm::encoded) info.bytes = info.count * bytes_per_row(info);
    h5::Lock lock;
    out.emplace(path);
    out->write([&](hid_t file) {
      const auto group = h5::make_group(file, kImageGroup);
      images = h5::make_dataset(group, leaf(dataset_name(info.form)), element_type(info.form),
                                rows_shape(info, info.bytes / bytes_per_row(info)));
    });
  }
  ~Impl() {
    h5::Lock lock;
    images = {};
    out.reset();
  }

  /// Writes the images collected in `portion`.
  void flush() {
    const auto rows = static_cast<std::int64_t>(portion.size()) / bytes_per_row(info);
    if (rows == 0) return;
    h5::Lock lock;
    out->write([&](hid_t) {
      const auto shape = rows_shape(info, rows);
      const std::vector<hsize_t> extent(shape.begin(), shape.end());
      const hsize_t start[4] = {static_cast<hsize_t>(written), 0, 0, 0};
      h5::Space memory(H5Screate_simple(static_cast<int>(extent.size()), extent.data(), nullptr));
      h5::Space place(H5Dget_space(images));
      h5::must(H5Sselect_hyperslab(place, H5S_SELECT_SET, start, nullptr, extent.data(), nullptr),
               "select images");
      h5::must(
          H5Dwrite(images, element_type(info.form), memory, place, H5P_DEFAULT, portion.data()),
          "write images");
    });
    written += rows;
    portion.clear();
  }

  static void write_column(hid_t file, const char* name, const std::vector<std::uint64_t>& rows) {
    const auto group = h5::make_group(file, kImageGroup);
    const std::string doing = std::string("write /") + name;
    auto place = h5::make_dataset(group, leaf(name), H5T_STD_U64LE, {std::ssize(rows)});
    h5::must(H5Dwrite(place, H5T_NATIVE_UINT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, rows.data()), doing);
    h5::must(place.close(), doing);
  }

  void write_rest(hid_t file, const std::string& hex) {
    h5::write_attribute(images, h5::kDataDigest, pixel_digest);
    h5::must(images.close(), "write images");
    if (info.form == ImageForm::encoded) write_column(file, kImageBounds, bounds);
    write_column(file, kImageDigests, digests);
    auto place = h5::make_dataset(file, kLabels, H5T_STD_I32LE, {info.count});
    h5::must(H5Dwrite(place, H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, labels.data()),
             "write labels");
    h5::must(place.close(), "write labels");
    auto classes = h5::make_dataset(file, kClasses, h5::text_type(),
                                    {static_cast<std::int64_t>(info.classes.size())});
    h5::write_texts(classes, info.classes);
    h5::must(classes.close(), "write classes");
    auto attributes = h5::header(h5::kImages);
    attributes.insert({{"name", info.name}, {"split", info.split}, {"digest", hex}});
    h5::write_attributes(file, attributes);
    h5::write_attribute(file, "mean", info.mean);
    h5::write_attribute(file, "std", info.std);
  }
};

ImageFileWriter::ImageFileWriter(std::filesystem::path path, ImageFileInfo info) {
  require(info.count >= 0 && info.channels > 0, "a data set has a count and channels");
  if (info.form == ImageForm::encoded)
    require(info.bytes >= 0 && std::ssize(info.mean) == info.channels &&
                std::ssize(info.std) == info.channels,
            "encoded images come with their bytes, means and deviations");
  else
    require(info.height > 0 && info.width > 0, "images have extents");
  impl_ = std::make_unique<Impl>(path, std::move(info));
}

ImageFileWriter::~ImageFileWriter() = default;

void ImageFileWriter::add(std::span<const std::byte> image, std::int32_t label) {
  auto& to = *impl_;
  const bool encoded = to.info.form == ImageForm::encoded;
  require(encoded || std::ssize(image) == bytes_per_row(to.info),
          "an image has the announced size");
  require(static_cast<std::int64_t>(to.labels.size()) < to.info.count,
          "no more images than announced");
  check_label(label, to.labels.size(), to.info);
  if (encoded) {
    to.bounds.push_back(to.bounds.back() + image.size());
    require(to.bounds.back() <= static_cast<std::uint64_t>(to.info.bytes),
            "no more bytes than announced");
  }
  if (to.info.form == ImageForm::pixels) to.moments.add(image);
  to.digest.add(image.data(), image.size());
  to.digests.push_back(xxh3(image.data(), image.size()));
  to.labels.push_back(label);
  to.portion.insert(to.portion.end(), image.begin(), image.end());
  if (static_cast<std::int64_t>(to.portion.size()) >= kPortion) to.flush();
}

std::string ImageFileWriter::finish() {
  auto& to = *impl_;
  require(static_cast<std::int64_t>(to.labels.size()) == to.info.count,
          "all announced images came");
  to.flush();
  to.pixel_digest = to.digest.hex();
  if (to.info.form == ImageForm::encoded) {
    require(to.bounds.back() == static_cast<std::uint64_t>(to.info.bytes),
            "all announced bytes came");
    to.digest.add(to.bounds.data(), to.bounds.size() * sizeof to.bounds.front());
  }
  to.digest.add(to.labels.data(), to.labels.size() * sizeof(std::int32_t));
  // Tensors reach the network untouched, which is what mean 0 and std 1 say.
  const bool tensor = to.info.form == ImageForm::tensor;
  const auto channels = static_cast<std::size_t>(to.info.channels);
  for (std::size_t c = to.info.mean.size(); c < channels; ++c) {
    to.info.mean.push_back(tensor ? 0 : to.moments.mean(c));
  }
  for (std::size_t c = to.info.std.size(); c < channels; ++c) {
    to.info.std.push_back(tensor ? 1 : to.moments.deviation(c));
  }
  const auto hex = to.digest.hex();
  h5::Lock lock;
  to.out->write([&](hid_t file) { to.write_rest(file, hex); });
  to.out->finish();
  return hex;
}

}  // namespace m2mkd
