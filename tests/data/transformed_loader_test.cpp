// Loaders with transforms on: what is drawn belongs to the image, whatever ranks, stops and files.

#include <fstream>

#include <gmock/gmock.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/data/transforms.hpp>

#include "packed.hpp"

namespace m2mkd {
namespace {

using test::across_ranks;
using test::header;
using test::loader_options;
using test::Packed;
using test::same;
using test::whole_step;

// Pillow makes `count` JPEG files of sizes between 20 and 70 in `folder`, and what evaluation must
// show of each at 24 x 24 with eval_crop = 0.875 as raw bytes. False where Pillow is missing.
bool make_jpegs(const std::filesystem::path& folder, int count) {
  std::ofstream(folder / "make.py") << R"(
import sys, numpy as np
from PIL import Image
folder, count, side = sys.argv[1], int(sys.argv[2]), 24
rng = np.random.RandomState(1)
for i in range(count):
    h, w = rng.randint(20, 70, 2)
    coarse = rng.randint(0, 256, (5, 7, 3)).astype('u1')
    image = Image.fromarray(coarse).resize((w, h), Image.BICUBIC)
    mode = 'L' if i % 5 == 4 else 'CMYK' if i % 5 == 3 else 'RGB'
    image.convert(mode).save(f'{folder}/{i}.jpg', quality=int(60 + i % 40), subsampling=i % 3)
    image = Image.open(f'{folder}/{i}.jpg').convert('RGB')
    short = int(side / 0.875)
    w, h = image.size
    size = (short, int(short * h / w)) if w <= h else (int(short * w / h), short)
    image = image.resize(size, Image.BICUBIC)
    left, top = int(round((size[0] - side) / 2.0)), int(round((size[1] - side) / 2.0))
    open(f'{folder}/{i}.raw', 'wb').write(image.crop((left, top, left + side, top + side)).tobytes())
)";
  const auto command = "/usr/bin/python3 '" + (folder / "make.py").string() + "' '" +
                       folder.string() + "' " + std::to_string(count) + " 2>/dev/null";
  return std::system(command.c_str()) == 0;
}

std::vector<std::byte> file_bytes(const std::filesystem::path& path) {
  std::vector<std::byte> bytes(std::filesystem::file_size(path));
  std::ifstream(path, std::ios::binary)
      .read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  return bytes;
}

// A data set of JPEG files, if Pillow is there.
class Jpegs : public ::testing::Test {
 protected:
  static constexpr int kCount = 30;
  void SetUp() override {
    if (!make_jpegs(folder_.path(), kCount)) GTEST_SKIP() << "Pillow is not installed";
    for (int i = 0; i < kCount; ++i)
      files_.push_back(file_bytes(folder_.path() / (std::to_string(i) + ".jpg")));
    data_.train = data_.test = folder_.path() / "train.h5";
    test::write_encoded(data_.train, header(0, 3), files_);
    data_.image_size = 24;
    data_.eval_crop = 0.875;
  }
  at::Tensor reference() const {  // (N, C, H, W), normalised by the file's constants
    auto images = at::empty({kCount, 24, 24, 3}, at::kByte);
    for (int i = 0; i < kCount; ++i) {
      const auto raw = file_bytes(folder_.path() / (std::to_string(i) + ".raw"));
      std::memcpy(images.data_ptr<std::uint8_t>() + i * 24 * 24 * 3, raw.data(), raw.size());
    }
    const auto info = header(0, 3);
    const auto mean = at::tensor(info.mean, at::kDouble).view({1, 3, 1, 1});
    const auto std = at::tensor(info.std, at::kDouble).view({1, 3, 1, 1});
    return (images.permute({0, 3, 1, 2}).to(at::kDouble) / 255.0 - mean) / std;
  }
  at::Tensor evaluated(const DataOptions& data, int ranks = 1) const {
    std::vector<at::Tensor> images;
    for (int rank = 0; rank < ranks; ++rank) {
      EvalLoader loader(Dataset(data, Split::test), data, 7, rank, ranks, at::kDouble);
      for (Batch batch; loader.next(batch);) images.push_back(batch.images);
    }
    return at::cat(images);
  }

  test::Folder folder_;
  std::vector<std::vector<std::byte>> files_;
  DataOptions data_;
};

TEST_F(Jpegs, EvaluationShowsWhatPillowShows) {
  const auto expected = reference();
  EXPECT_TRUE(at::allclose(evaluated(data_), expected, 0, 1e-14));
  EXPECT_TRUE(at::equal(evaluated(data_, 4), evaluated(data_)));
  data_.rand_augment = "rand-m9-mstd0.5-inc1";
  data_.random_resized_crop = true;
  data_.erasing = 1;
  data_.flip = 1;
  EXPECT_TRUE(at::allclose(evaluated(data_), expected, 0, 1e-14)) << "nothing random here";
}

TEST_F(Jpegs, DecodedPixelsAndEncodedFilesTrainAlike) {
  // A pixel file holds what the encoded ones decode to.
  std::vector<std::vector<std::byte>> same_file(12, files_[0]);
  test::write_encoded(data_.train, header(0, 3), same_file);
  Image decoded;
  decode_jpeg(files_[0], decoded);
  auto info = header(12, 3);
  info.height = decoded.height;
  info.width = decoded.width;
  const auto pixels = folder_.path() / "pixels.h5";
  {
    ImageFileWriter writer(pixels, info);
    for (int i = 0; i < 12; ++i) writer.add(std::as_bytes(std::span(decoded.pixels)), i % 4);
    writer.finish();
  }
  data_.random_resized_crop = true;
  data_.rand_augment = "rand-m9-mstd0.5-inc1";
  data_.erasing = 0.5;
  auto other = data_;
  other.train = pixels;
  TrainLoader a(Dataset(data_, Split::train), data_, loader_options(12, 6));
  TrainLoader b(Dataset(other, Split::train), other, loader_options(12, 6));
  a.start(0), b.start(0);
  for (int step = 0; step < 3; ++step) EXPECT_TRUE(same(whole_step(a), whole_step(b)));
}

TEST_F(Jpegs, ABrokenFileIsNamed) {
  files_[5].resize(files_[5].size() / 2);
  files_[5][0] = std::byte{0};
  test::write_encoded(data_.train, header(0, 3), files_);
  EvalLoader loader(Dataset(data_, Split::test), data_, 4, 0, 1, at::kFloat);
  Batch batch;
  EXPECT_TRUE(loader.next(batch));
  try {
    loader.next(batch);
    ADD_FAILURE() << "image 5 was shown";
  } catch (const Error& problem) {
    EXPECT_THAT(problem.what(), testing::HasSubstr("image 5 of data set test"));
  }
}

TEST_F(Jpegs, NeedASize) {
  data_.image_size = 0;
  EXPECT_THROW(Dataset(data_, Split::train), ConfigError);
}

// Every transform there is, on pixels of another size than the network's.
DataOptions everything(DataOptions data) {
  data.image_size = 12;
  data.flip = 0.5;
  data.random_resized_crop = true;
  data.rand_augment = "rand-m9-mstd0.5-inc1";
  data.erasing = 0.25;
  data.mixup = 0.8;
  data.cutmix = 1.0;
  data.smoothing = 0.1;
  data.eval_crop = 0.875;
  return data;
}

// The variants in which a global batch can come about.
std::vector<DataOptions> variants(const DataOptions& data) {
  std::vector<DataOptions> all{everything(data)};
  all.push_back(all[0]);  // padded crops and jitter instead
  all.back().random_resized_crop = false;
  all.back().crop_pad = 3;
  all.back().rand_augment = "none";
  all.back().color_jitter = 0.4;
  for (int k = 0; k < 2; ++k) {  // as published
    all.push_back(all[static_cast<std::size_t>(k)]);
    all.back().order = Order::published;
    all.back().mix_per = MixPer::rank_batch;
    all.back().published_ranks = 4;
  }
  return all;
}

TEST(TransformedLoader, GlobalBatchIsTheSameOnAnyNumberOfRanks) {
  for (const std::int64_t channels : {1, 3}) {
    Packed packed(header(300, channels, 10));
    for (const auto& data : variants(packed.options)) {
      packed.options = data;
      auto options = loader_options(24, 5);
      const Batch one = across_ranks(packed, options, 1, 4);
      ASSERT_EQ(one.images.sizes(), (at::IntArrayRef{24, channels, 12, 12}));
      for (const int ranks : {2, 3}) {
        options.forward_micro_batches = ranks - 1;
        EXPECT_TRUE(same(across_ranks(packed, options, ranks, 4), one))
            << ranks << " ranks, " << channels << " channels";
      }
    }
  }
}

TEST(TransformedLoader, ContinuesAtAnyStepAsIfItHadRunFromTheStart) {
  Packed packed(header(300, 3, 10));
  for (const auto& data : variants(packed.options)) {
    packed.options = data;
    const auto options = loader_options(100, 30);
    TrainLoader running(packed.open(), data, options);
    running.start(0);
    for (std::int64_t step = 0; step < 5; ++step) {
      const Batch expected = whole_step(running);
      TrainLoader resumed(packed.open(), data, options);
      resumed.start(step);
      EXPECT_TRUE(same(whole_step(resumed), expected)) << "step " << step;
    }
  }
}

TEST(TransformedLoader, EpochsAndImagesDrawAnew) {
  Packed packed(header(4, 3, 10, 4));
  packed.options = everything(packed.options);
  packed.options.mixup = packed.options.cutmix = packed.options.smoothing = 0;
  packed.options.order = Order::sequential;
  TrainLoader loader(packed.open(), packed.options, loader_options(4, 4));
  loader.start(0);
  const Batch first = whole_step(loader), second = whole_step(loader);
  EXPECT_TRUE(at::equal(first.labels, second.labels));
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(at::equal(first.images[i], second.images[i]));
}

// Flip and padded crop without anything else have a path of their own.
TEST(TransformedLoader, PlacingPixelsEqualsTransformingThem) {
  Packed packed(header(60, 3, 10));
  packed.options.flip = 0.5;
  packed.options.crop_pad = 3;
  const Batch placed = across_ranks(packed, loader_options(60, 60), 1, 1);
  packed.options.color_jitter = 1e-300;  // factors of exactly 1, through train_transform()
  EXPECT_TRUE(same(across_ranks(packed, loader_options(60, 60), 1, 1), placed));
}

TEST(TransformedLoader, ErasesAShareOfTheImagesWithNoise) {
  Packed packed(header(400, 1, 16));
  packed.options.order = Order::sequential;
  const Batch plain = across_ranks(packed, loader_options(400, 400), 1, 0);
  packed.options.erasing = 0.25;
  const Batch erased = across_ranks(packed, loader_options(400, 400), 1, 0);
  const auto changed = erased.images.ne(plain.images);
  const auto count = changed.flatten(1).any(1).sum().item<std::int64_t>();
  EXPECT_GT(count, 65);  // 100 expected, standard deviation 8.7
  EXPECT_LT(count, 135);
  const auto noise = erased.images.masked_select(changed);
  EXPECT_NEAR(noise.mean().item<double>(), 0, 0.1);
  EXPECT_NEAR(noise.std().item<double>(), 1, 0.1);
}

}  // namespace
}  // namespace m2mkd
