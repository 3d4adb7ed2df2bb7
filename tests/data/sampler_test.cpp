// The published sampler against reference/vmoe §9 and against LibTorch.

#include <ATen/CPUGeneratorImpl.h>
#include <gmock/gmock.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/data/sampler.hpp>

#include "packed.hpp"

namespace m2mkd {
namespace {

using test::header;
using test::loader_options;
using test::Packed;
using test::whole_step;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

DataOptions published() {
  DataOptions data;
  data.order = Order::published;
  return data;
}

TEST(TorchPermutation, IsThatOfTorch) {
  const auto imagenet = torch_permutation(1281167, 0);
  EXPECT_THAT(std::vector(imagenet.begin(), imagenet.begin() + 8),
              ElementsAre(1069931, 571398, 762430, 399643, 899707, 226472, 855447, 424110));
  for (const std::uint32_t seed : {0u, 1u, 7u, 299u, 4294967295u})
    for (const std::int64_t n : {0, 1, 2, 10, 999, 70000}) {
      auto generator = at::detail::createCPUGenerator(seed);
      const auto expected = at::randperm(n, generator, at::kLong);
      const auto found = torch_permutation(n, seed);
      EXPECT_TRUE(std::equal(found.begin(), found.end(), expected.data_ptr<std::int64_t>()))
          << n << " from seed " << seed;
    }
}

// The list of one virtual rank over an epoch, put together from its shares.
std::vector<std::int64_t> rank_list(Sampler& sampler, std::int64_t epoch, std::int64_t rank) {
  std::vector<std::int64_t> list;
  const std::int64_t share = sampler.samples_per_step() / 8;
  for (std::int64_t s = 0; s < sampler.steps_per_epoch(); ++s)
    for (std::int64_t k = 0; k < share; ++k)
      list.push_back(sampler.at(epoch * sampler.steps_per_epoch() + s, rank * share + k).sample);
  return list;
}

TEST(PublishedSampler, GivesThePublishedLists) {
  for (const std::int64_t batch : {8, 32, 256, 768}) {
    Sampler sampler(published(), 1000, batch, 5);  // the seed has no say
    ASSERT_EQ(sampler.steps_per_epoch() * batch / 8, 96);
    const auto start = [&](std::int64_t rank) {
      const auto list = rank_list(sampler, 3, rank);
      EXPECT_EQ(list.size(), 96u);
      return std::vector(list.begin(), list.begin() + 10);
    };
    EXPECT_THAT(start(0), ElementsAre(986, 871, 885, 837, 854, 180, 295, 264, 842, 160));
    EXPECT_THAT(start(1), ElementsAre(986, 894, 885, 837, 689, 180, 295, 720, 842, 160));
    EXPECT_THAT(start(7), ElementsAre(871, 885, 402, 854, 180, 439, 264, 842, 369, 375));
  }
}

TEST(PublishedSampler, ShowsImagesThreeTimesUnderThreeNumbers) {
  Sampler sampler(published(), 1000, 256, 0);
  std::map<std::int64_t, std::vector<std::int64_t>> repetitions;
  for (std::int64_t step = 0; step < sampler.steps_per_epoch(); ++step)
    for (std::int64_t p = 0; p < 256; ++p) {
      const Showing shown = sampler.at(step, p);
      repetitions[shown.sample].push_back(shown.repetition);
    }
  EXPECT_EQ(repetitions.size(), 256u);  // 768 = ⌊1000 / 256⌋ · 256 places
  for (auto& [sample, list] : repetitions) {
    std::ranges::sort(list);
    EXPECT_THAT(list, ElementsAre(0, 1, 2)) << sample;
  }
}

TEST(StepsPerEpoch, IsThatOfTheReference) {
  DataOptions data;
  EXPECT_EQ(steps_per_epoch(data, 1281167, 2048), 625);
  EXPECT_EQ(steps_per_epoch(data, 10, 64), 1);
  EXPECT_EQ(samples_per_step(10, 64), 10);
  data.order = Order::published;
  EXPECT_EQ(steps_per_epoch(data, 1281167, 2048), 625);  // reference/vmoe §4: 187 500 in 300 epochs
  EXPECT_EQ(steps_per_epoch(data, 1281167, 1024), 1251);  // 125 100 in 100
  EXPECT_EQ(steps_per_epoch(data, 1000, 512), 1);
}

TEST(SamplingProblem, NamesWhatCannotBeSampled) {
  DataOptions data = published();
  EXPECT_THAT(sampling_problem(data, 1000, 256), IsEmpty());
  EXPECT_THAT(sampling_problem(data, 255, 8), HasSubstr("fewer than 256"));
  EXPECT_THAT(sampling_problem(data, 1000, 12), HasSubstr("compat.ranks = 8"));
  EXPECT_THAT(sampling_problem(data, 1000, 800), HasSubstr("8 x 96 images per epoch"));
  EXPECT_THROW(steps_per_epoch(data, 255, 8), ConfigError);
  data = {};
  data.mix_per = MixPer::rank_batch;
  EXPECT_THAT(sampling_problem(data, 1000, 12), IsEmpty()) << "nothing is mixed";
  data.mixup = 0.8;
  EXPECT_THAT(sampling_problem(data, 1000, 12), HasSubstr("mix_per = rank_batch"));
  EXPECT_THAT(sampling_problem(data, 20, 64), HasSubstr("a batch of 20 images"));
}

TEST(PublishedOrder, ReachesTheLoaderOnAnyNumberOfRanks) {
  Packed packed(header(300, 1, 4, 300));  // the label tells which image it is
  packed.options.order = Order::published;
  Sampler sampler(packed.options, 300, 40, 0);
  ASSERT_EQ(sampler.steps_per_epoch(), 6);  // 256 / 8 = 32 places per rank, 5 a step
  for (const int ranks : {1, 2, 3})
    for (const std::int64_t step : {0, 5, 6, 13}) {
      const Batch batch = test::across_ranks(packed, loader_options(40, 7), ranks, step);
      for (std::int64_t p = 0; p < 40; ++p)
        EXPECT_EQ(batch.labels[p].item<std::int64_t>(), sampler.at(step, p).sample);
    }
}

TEST(PublishedOrder, AugmentsEachRepetitionByItsOwnDraws) {
  Packed packed(header(300, 1, 12, 300));
  packed.options.order = Order::published;
  packed.options.random_resized_crop = true;
  TrainLoader loader(packed.open(), packed.options, loader_options(64, 64));
  loader.start(0);
  const Batch batch = whole_step(loader);
  std::map<std::int64_t, std::vector<at::Tensor>> showings;
  for (std::int64_t p = 0; p < 64; ++p)
    showings[batch.labels[p].item<std::int64_t>()].push_back(batch.images[p]);
  int pairs = 0;
  for (const auto& [label, images] : showings)
    for (std::size_t k = 1; k < images.size(); ++k, ++pairs)
      EXPECT_FALSE(at::equal(images[k - 1], images[k])) << label;
  EXPECT_GT(pairs, 30);
}

}  // namespace
}  // namespace m2mkd
