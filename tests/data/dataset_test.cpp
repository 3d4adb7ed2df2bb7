#include <gmock/gmock.h>

#include <m2mkd/base/error.hpp>

#include "packed.hpp"

namespace m2mkd {
namespace {

using test::header;
using test::Packed;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(DataFacts, TakesSizesFromTheFiles) {
  Packed packed(header(50, 3, 8, 5));
  packed.options.validation_images = 10;
  std::vector<std::string> problems;
  const auto shape = data_facts(packed.options, problems);
  EXPECT_THAT(problems, IsEmpty());
  EXPECT_EQ(shape.channels, 3);
  EXPECT_EQ(shape.image_size, 8);
  EXPECT_EQ(shape.classes, 5);
  EXPECT_EQ(shape.train_images, 40);
  EXPECT_EQ(shape.validation_images, 10);
  EXPECT_EQ(shape.test_images, 50);
  EXPECT_EQ(shape.train_digest, packed.open().file().info().digest);
  packed.options.train_images = 20;
  EXPECT_EQ(data_facts(packed.options, problems).train_images, 20);
}

TEST(DataFacts, TakesSizesFromTheOptionsWhereFilesAreAbsent) {
  DataOptions options;
  options.train = "/nowhere/data/train.h5";
  options.test = "/nowhere/data/test.h5";
  options.image_size = 224;
  options.channels = 3;
  options.classes = 1000;
  options.count = 1281167;
  options.test_count = 50000;
  std::vector<std::string> problems;
  const auto shape = data_facts(options, problems);
  EXPECT_THAT(problems, IsEmpty());
  EXPECT_EQ(shape.train_images, 1281167);
  EXPECT_EQ(shape.classes, 1000);
  EXPECT_TRUE(shape.train_digest.empty());
}

TEST(DataFacts, SaysHowToPackAMissingFile) {
  DataOptions options;
  options.train = "data/absent/train.h5";
  options.classes = 10;
  std::vector<std::string> problems;
  data_facts(options, problems);
  EXPECT_THAT(problems,
              ElementsAre(AllOf(HasSubstr("data.train = data/absent/train.h5: no such file"),
                                HasSubstr("m2mkd-pack SOURCE --out data/absent"),
                                HasSubstr("data.image_size, data.channels, data.count")),
                          HasSubstr("data.test is not set")));
}

std::vector<std::string> problems_of(const DataOptions& options) {
  std::vector<std::string> problems;
  data_facts(options, problems);
  return problems;
}

TEST(DataFacts, ATestFileMayLackClassesButHasNoneBeyond) {
  Packed packed(header(50));
  DataOptions options = packed.options;
  options.test = options.train;
  options.train.clear();
  options.image_size = 6;
  options.channels = 1;
  options.count = 1;
  options.classes = 1000;
  EXPECT_THAT(problems_of(options), IsEmpty());
  EXPECT_EQ(Dataset(options, Split::test).size(), 50);
  options.classes = 2;
  EXPECT_THAT(problems_of(options), ElementsAre(HasSubstr("data.classes = 2")));
}

TEST(DataFacts, ListsEveryContradiction) {
  Packed packed(header(50));
  packed.options.classes = 10;
  packed.options.count = 51;
  packed.options.test.clear();
  packed.options.image_size = 6;
  packed.options.channels = 1;
  packed.options.test_count = 1;
  EXPECT_THAT(problems_of(packed.options),
              ElementsAre(HasSubstr("data.classes = 10"), HasSubstr("data.count = 51")));
  packed.options = DataOptions{};
  packed.options.train = packed.options.test = "/dev/null";
  // Not HDF5: the store's reason, no exception.
  EXPECT_EQ(problems_of(packed.options).size(), 2u);
}

TEST(DataFacts, PixelsOfAnotherSizeAreResizedTensorsNot) {
  Packed packed(header(50));
  packed.options.image_size = 7;
  std::vector<std::string> problems;
  EXPECT_EQ(data_facts(packed.options, problems).image_size, 7);
  EXPECT_THAT(problems, IsEmpty());

  auto info = header(50);
  info.form = ImageForm::tensor;
  Packed tensors(info);
  tensors.options.image_size = 7;
  tensors.options.test.clear();
  tensors.options.test_count = 1;
  tensors.options.channels = 1;
  tensors.options.classes = 4;
  EXPECT_THAT(problems_of(tensors.options), ElementsAre(HasSubstr("data.image_size = 7")));
}

TEST(DataFacts, ImagesThatAreNotSquareNeedASize) {
  auto info = header(50);
  info.width = 9;
  Packed packed(info);
  EXPECT_THAT(problems_of(packed.options),
              testing::Each(HasSubstr("6 x 9 pixels and the network takes square ones")));
  packed.options.image_size = 6;
  EXPECT_THAT(problems_of(packed.options), IsEmpty());
}

TEST(DataFacts, EncodedImagesNeedASizeAndThreeChannels) {
  const test::Folder folder;
  DataOptions options;
  options.train = options.test = folder.path() / "a.h5";
  test::write_encoded(options.train, header(0, 3), {std::vector<std::byte>(9)});
  EXPECT_THAT(problems_of(options), testing::Each(HasSubstr("data.image_size is not set")));
  options.image_size = 32;
  std::vector<std::string> problems;
  const auto shape = data_facts(options, problems);
  EXPECT_THAT(problems, IsEmpty());
  EXPECT_EQ(shape.image_size, 32);
  EXPECT_EQ(shape.channels, 3);
  test::write_encoded(options.train, header(0, 1), {std::vector<std::byte>(9)});
  EXPECT_THAT(problems_of(options), testing::Each(HasSubstr("decoded to 3 channels")));
}

TEST(DataFacts, TensorsTakeNoTransformsOfBytes) {
  auto info = header(50, 3);
  info.form = ImageForm::tensor;
  Packed packed(info);
  packed.options.flip = 0.5;
  packed.options.crop_pad = 2;
  EXPECT_THAT(problems_of(packed.options), IsEmpty());
  const auto refuses = [&](const std::string& name, auto change) {
    auto options = packed.options;
    change(options);
    EXPECT_THROW(Dataset(options, Split::train), ConfigError) << name;
    EXPECT_THAT(problems_of(options), testing::Contains(HasSubstr("remove data." + name)));
  };
  refuses("erasing", [](auto& o) { o.erasing = 0.1; });
  refuses("rand_augment", [](auto& o) { o.rand_augment = "rand-m9"; });
  refuses("color_jitter", [](auto& o) { o.color_jitter = 0.4; });
  refuses("eval_crop", [](auto& o) { o.eval_crop = 0.875; });
  refuses("random_resized_crop", [](auto& o) {
    o.random_resized_crop = true;
    o.crop_pad = 0;
  });
  refuses("mean", [](auto& o) { o.mean = o.std = {1, 1, 1}; });
}

TEST(DataFacts, RefusesTransformsThatDoNotGoTogether) {
  Packed two_channels(header(50, 2));
  EXPECT_THAT(problems_of(two_channels.options), IsEmpty());
  two_channels.options.color_jitter = 0.1;
  EXPECT_THAT(problems_of(two_channels.options), testing::Each(HasSubstr("take 1 or 3")));
  Packed packed(header(50));
  packed.options.crop_pad = 2;
  packed.options.random_resized_crop = true;
  EXPECT_THAT(problems_of(packed.options), testing::Each(HasSubstr("choose one")));
  packed.options.random_resized_crop = false;
  packed.options.image_size = 11;
  EXPECT_THAT(problems_of(packed.options), testing::Each(HasSubstr("does not pad the images")));
}

TEST(DataFacts, RefusesSplitsThatDoNotFit) {
  Packed packed(header(50));
  packed.options.validation_images = 20;
  packed.options.train_images = 31;
  std::vector<std::string> problems;
  data_facts(packed.options, problems);
  EXPECT_THAT(problems, ElementsAre(HasSubstr("do not fit into the 50 images")));
}

TEST(DataFacts, RefusesTrainAndTestOfDifferentKinds) {
  Packed train(header(50)), other(header(50, 3));
  train.options.test = other.options.test;
  std::vector<std::string> problems;
  data_facts(train.options, problems);
  EXPECT_THAT(problems, ElementsAre(HasSubstr("not of one data set")));
}

TEST(Dataset, SplitsShareNoImage) {
  Packed packed(header(40));
  packed.options.validation_images = 8;
  const auto train = packed.open(), validation = packed.open(Split::validation);
  EXPECT_EQ(train.size(), 32);
  EXPECT_EQ(validation.size(), 8);
  EXPECT_EQ(packed.open(Split::test).size(), 40);
  for (std::int64_t i = 0; i < validation.size(); ++i)
    for (std::int64_t k = 0; k < train.size(); ++k) EXPECT_NE(validation.index(i), train.index(k));
  EXPECT_EQ(train.label(5), train.index(5) % 4);
  EXPECT_EQ(train.classes(), 4);
}

TEST(Dataset, RefusesAFileThatIsNotThere) {
  DataOptions options;
  EXPECT_THROW(Dataset(options, Split::train), Error);
  options.train = "/nowhere/train.h5";
  EXPECT_THROW(Dataset(options, Split::train), Error);
}

TEST(Dataset, RefusesMeansThatDoNotApply) {
  Packed packed(header(10, 3));
  packed.options.mean = {0.5};
  packed.options.std = {0.5};
  EXPECT_THROW(packed.open(), Error);
  packed.options.mean = packed.options.std = {0.5, 0.5, 0.5};
  EXPECT_NO_THROW(packed.open());
  packed.options.std.clear();
  EXPECT_THROW(packed.open(), Error);
}

TEST(DataKeys, NamesTheFieldsAndRefusesNonsense) {
  const auto keys = DataOptions::keys();
  const std::map<std::string, std::string> bad{{"flip", "1.5"},
                                               {"mixup", "-1"},
                                               {"std", "0.2 0"},
                                               {"train_images", "-3"},
                                               {"order", "backwards"},
                                               {"smoothing", "2"},
                                               {"rand_augment", "rand-m99"},
                                               {"eval_crop", "0"},
                                               {"erasing", "2"},
                                               {"mix_per", "rank"},
                                               {"loader_depth", "0"},
                                               {"mean", "nan"}};
  Settings settings;
  for (const auto& [name, value] : bad) settings.set(name, value, {"test", 1});
  DataOptions options;
  std::vector<std::string> problems;
  const Lookup lookup = [&](std::string_view name) { return settings.find(name); };
  keys.read(options, lookup, problems);
  EXPECT_EQ(problems.size(), bad.size());

  settings = {};
  settings.set("train", "data/x/train.h5", {"test", 1});
  settings.set("mean", "0.1 0.2", {"test", 2});
  settings.set("order", "published", {"test", 3});
  settings.set("rand_augment", "rand-m9-mstd0.5-inc1", {"test", 4});
  settings.set("mix_per", "rank_batch", {"test", 5});
  problems.clear();
  keys.read(options, lookup, problems);
  EXPECT_THAT(problems, IsEmpty());
  EXPECT_EQ(options.train, "data/x/train.h5");
  EXPECT_EQ(options.mean, (std::vector<double>{0.1, 0.2}));
  EXPECT_EQ(options.order, Order::published);
  EXPECT_EQ(options.rand_augment, "rand-m9-mstd0.5-inc1");
  EXPECT_EQ(options.mix_per, MixPer::rank_batch);
}

}  // namespace
}  // namespace m2mkd
