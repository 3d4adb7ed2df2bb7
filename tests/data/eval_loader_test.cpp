#include <m2mkd/base/error.hpp>

#include "packed.hpp"

namespace m2mkd {
namespace {

using test::header;
using test::Packed;

TEST(EvalLoader, RanksTogetherSeeTheSplitOnceInFileOrder) {
  Packed packed(header(23, 1, 4, 23));
  packed.options.flip = 1;  // evaluation knows no augmentation
  packed.options.crop_pad = 2;
  packed.options.mixup = 1;
  const auto dataset = packed.open(Split::test);
  for (const int ranks : {1, 2, 3, 8, 30}) {
    std::vector<at::Tensor> images, labels;
    std::int64_t at = 0;
    for (int rank = 0; rank < ranks; ++rank) {
      EvalLoader loader(dataset, packed.options, 4, rank, ranks, at::kFloat);
      Batch batch;
      while (loader.next(batch)) {
        EXPECT_EQ(batch.first, at);
        EXPECT_LE(batch.images.size(0), 4);
        EXPECT_FALSE(batch.targets.defined());
        at += batch.images.size(0);
        images.push_back(batch.images);
        labels.push_back(batch.labels);
      }
      EXPECT_FALSE(loader.next(batch)) << "the end stays the end";
    }
    EXPECT_TRUE(at::equal(at::cat(labels), at::arange(23, at::kLong))) << ranks << " ranks";
    const auto all = at::cat(images);
    const auto& info = dataset.file().info();
    for (std::int64_t i = 0; i < 23; ++i)
      for (std::int64_t k = 0; k < 16; ++k)
        EXPECT_NEAR(all[i].flatten()[k].item<float>(),
                    (test::pixel(i, k) / 255.0 - info.mean[0]) / info.std[0], 1e-6);
  }
}

TEST(EvalLoader, ALimitLeavesOutTheLastImagesOfTheSplit) {
  Packed packed(header(23, 1, 4, 23));
  for (const int ranks : {1, 3}) {
    std::vector<at::Tensor> labels;
    for (int rank = 0; rank < ranks; ++rank) {
      EvalLoader loader(packed.open(Split::test), packed.options, 4, rank, ranks, at::kFloat, 20);
      for (Batch batch; loader.next(batch);) labels.push_back(batch.labels);
    }
    EXPECT_TRUE(at::equal(at::cat(labels), at::arange(20, at::kLong))) << ranks << " ranks";
  }
}

TEST(EvalLoader, ReadErrorsReachTheCaller) {
  Packed packed(header(4000, 3, 16));
  const auto dataset = packed.open(Split::test);
  std::filesystem::resize_file(packed.options.test,
                               std::filesystem::file_size(packed.options.test) / 2);
  EvalLoader loader(dataset, packed.options, 100, 0, 1, at::kFloat);
  Batch batch;
  EXPECT_THROW(while (loader.next(batch)){}, Error);
}

TEST(EvalLoader, MayBeAbandonedHalfway) {
  Packed packed(header(400, 3, 16));
  packed.options.loader_depth = 1;
  const auto dataset = packed.open(Split::test);
  for (int round = 0; round < 20; ++round) {
    EvalLoader loader(dataset, packed.options, 16, 0, 1, at::kFloat);
    Batch batch;
    for (int k = 0; k < round % 3; ++k) EXPECT_TRUE(loader.next(batch));
  }
}

}  // namespace
}  // namespace m2mkd
