#include <set>

#include <m2mkd/base/error.hpp>

#include "packed.hpp"

namespace m2mkd {
namespace {

using test::across_ranks;
using test::header;
using test::loader_options;
using test::Packed;
using test::same;
using test::whole_step;

DataOptions with_everything(DataOptions options) {
  options.flip = 0.5;
  options.crop_pad = 2;
  options.mixup = 0.8;
  options.cutmix = 1.0;
  options.smoothing = 0.1;
  return options;
}

TEST(Share, IsContiguousCoversAndDiffersByOneAtMost) {
  for (const std::int64_t count : {0, 1, 4, 7, 64})
    for (const int ranks : {1, 2, 3, 8}) {
      std::int64_t at = 0;
      for (int rank = 0; rank < ranks; ++rank) {
        const Range r = share(count, rank, ranks);
        EXPECT_EQ(r.first, at);
        EXPECT_GE(r.last - r.first, count / ranks);
        EXPECT_LE(r.last - r.first, count / ranks + 1);
        at = r.last;
      }
      EXPECT_EQ(at, count);
    }
}

// Batch 23 in micro-batches of 5: five of them, the last of three samples.
TEST(TrainLoader, GlobalBatchIsTheSameOnAnyNumberOfRanks) {
  Packed packed(header(101, 3));
  packed.options = with_everything(packed.options);
  auto options = loader_options(23, 5);
  for (const std::int64_t step : {0, 6}) {
    const Batch one = across_ranks(packed, options, 1, step);
    ASSERT_EQ(one.images.size(0), 23);
    ASSERT_TRUE(one.targets.defined());
    for (const int ranks : {2, 3, 5, 8}) {
      options.forward_micro_batches = ranks % 3;
      EXPECT_TRUE(same(across_ranks(packed, options, ranks, step), one))
          << ranks << " ranks, step " << step;
    }
    options.forward_micro_batches = 0;
  }
}

TEST(TrainLoader, GlobalBatchIsTheSameHoweverManyMicroBatchesGoTogether) {
  Packed packed(header(60));
  packed.options = with_everything(packed.options);
  auto options = loader_options(22, 4);
  const Batch whole = across_ranks(packed, options, 1, 1);
  for (const std::int64_t together : {1, 2, 4, 9}) {
    options.forward_micro_batches = together;
    TrainLoader loader(packed.open(), packed.options, options);
    EXPECT_EQ(loader.batches_per_step(), (6 + together - 1) / together);
    loader.start(1);
    EXPECT_TRUE(same(whole_step(loader), whole)) << together << " together";
  }
}

TEST(TrainLoader, RankWithoutMicroBatchesGetsNone) {
  Packed packed(header(40));
  auto options = loader_options(20, 10);
  options.ranks = 3;
  options.rank = 2;
  TrainLoader loader(packed.open(), packed.options, options);
  EXPECT_EQ(loader.batches_per_step(), 0);
  EXPECT_EQ(loader.samples_per_step(), 20);
  loader.start(0);
  EXPECT_THROW(loader.next(), std::logic_error);
}

TEST(TrainLoader, ContinuesAtAnyStepAsIfItHadRunFromTheStart) {
  Packed packed(header(70));
  packed.options = with_everything(packed.options);
  const auto options = loader_options(16, 8);
  TrainLoader running(packed.open(), packed.options, options);
  TrainLoader resumed(packed.open(), packed.options, options);
  ASSERT_EQ(running.steps_per_epoch(), 4);
  running.start(0);
  for (std::int64_t step = 0; step < 13; ++step) {
    const Batch expected = whole_step(running);
    if (step % 3 == 1) {
      resumed.start(step);
      EXPECT_TRUE(same(whole_step(resumed), expected)) << "step " << step;
      const TrainLoader never_started(packed.open(), packed.options, options);
    }
  }
}

TEST(TrainLoader, EpochShowsEverySampleOnceInAnOrderOfItsOwn) {
  auto info = header(48, 1, 4, 48);  // one class per image: the label tells which it is
  Packed packed(info);
  TrainLoader loader(packed.open(), packed.options, loader_options(16, 16));
  loader.start(0);
  std::vector<std::vector<std::int64_t>> epochs(2);
  for (auto& epoch : epochs)
    for (int step = 0; step < 3; ++step) {
      const Batch batch = whole_step(loader);
      const auto* labels = batch.labels.data_ptr<std::int64_t>();
      epoch.insert(epoch.end(), labels, labels + batch.labels.numel());
      EXPECT_FALSE(batch.targets.defined());
    }
  EXPECT_EQ(std::set<std::int64_t>(epochs[0].begin(), epochs[0].end()).size(), 48u);
  EXPECT_EQ(std::set<std::int64_t>(epochs[1].begin(), epochs[1].end()).size(), 48u);
  EXPECT_NE(epochs[0], epochs[1]);

  auto options = loader_options(16, 16);
  options.seed = 4;
  TrainLoader other(packed.open(), packed.options, options);
  other.start(0);
  const Batch batch = whole_step(other);
  const std::vector<std::int64_t> first(epochs[0].begin(), epochs[0].begin() + 16);
  EXPECT_FALSE(at::equal(batch.labels, at::tensor(first)));
}

TEST(TrainLoader, SequentialOrderIsFileOrderWithoutTheRemainder) {
  Packed packed(header(10, 1, 4, 10));
  packed.options.order = Order::sequential;
  TrainLoader loader(packed.open(), packed.options, loader_options(4, 2));
  EXPECT_EQ(loader.steps_per_epoch(), 2);
  loader.start(1);
  EXPECT_TRUE(at::equal(whole_step(loader).labels, at::tensor({4, 5, 6, 7}, at::kLong)));
  EXPECT_TRUE(at::equal(whole_step(loader).labels, at::tensor({0, 1, 2, 3}, at::kLong)));
}

TEST(TrainLoader, SmallDataSetGivesOneSmallerBatch) {
  Packed packed(header(10, 1, 4, 10));
  TrainLoader loader(packed.open(), packed.options, loader_options(64, 4));
  EXPECT_EQ(loader.steps_per_epoch(), 1);
  EXPECT_EQ(loader.samples_per_step(), 10);
  loader.start(0);
  EXPECT_EQ(whole_step(loader).images.size(0), 10);
}

TEST(TrainLoader, ReadErrorsReachTheCaller) {
  Packed packed(header(4000, 3, 16));
  packed.options.order = Order::sequential;
  TrainLoader loader(packed.open(), packed.options, loader_options(500, 50));
  // The file shrinks under the open loader, as when a disk fails: the first images are still there.
  std::filesystem::resize_file(packed.options.train,
                               std::filesystem::file_size(packed.options.train) / 2);
  loader.start(0);
  EXPECT_NO_THROW(loader.next());
  EXPECT_THROW(for (int step = 0; step < 8; ++step) loader.next(), Error);
  EXPECT_THROW(loader.next(), Error) << "and again";
  loader.start(0);
  EXPECT_NO_THROW(loader.next());
}

TEST(TrainLoader, EndsAndRestartsWhileItsQueueIsFullOrItsThreadIsBusy) {
  Packed packed(header(400, 3, 16));
  packed.options.loader_depth = 1;
  for (int round = 0; round < 50; ++round) {
    TrainLoader loader(packed.open(), packed.options, loader_options(100, 10));
    loader.start(round);
    if (round % 2) loader.next();
    loader.start(round + 1);
    if (round % 3) loader.next();
  }
}

TEST(TrainLoader, NeedsImages) {
  Packed packed(header(8));
  packed.options.validation_images = 8;
  EXPECT_THROW(TrainLoader(packed.open(), packed.options, loader_options(4, 4)), Error);
}

}  // namespace
}  // namespace m2mkd
