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

TEST(DataShape, TakesSizesFromTheFiles) {
  Packed packed(header(50, 3, 8, 5));
  packed.options.validation_images = 10;
  std::vector<std::string> problems;
  const auto shape = data_shape(packed.options, problems);
  EXPECT_THAT(problems, IsEmpty());
  EXPECT_EQ(shape.channels, 3);
  EXPECT_EQ(shape.image_size, 8);
  EXPECT_EQ(shape.classes, 5);
  EXPECT_EQ(shape.train_images, 40);
  EXPECT_EQ(shape.validation_images, 10);
  EXPECT_EQ(shape.test_images, 50);
  EXPECT_EQ(shape.train_digest, packed.open().file().info().digest);
  packed.options.train_images = 20;
  EXPECT_EQ(data_shape(packed.options, problems).train_images, 20);
}

TEST(DataShape, TakesSizesFromTheOptionsWhereFilesAreAbsent) {
  DataOptions options;
  options.train = "/nowhere/data/train.h5";
  options.test = "/nowhere/data/test.h5";
  options.image_size = 224;
  options.channels = 3;
  options.classes = 1000;
  options.count = 1281167;
  options.test_count = 50000;
  std::vector<std::string> problems;
  const auto shape = data_shape(options, problems);
  EXPECT_THAT(problems, IsEmpty());
  EXPECT_EQ(shape.train_images, 1281167);
  EXPECT_EQ(shape.classes, 1000);
  EXPECT_TRUE(shape.train_digest.empty());
}

TEST(DataShape, SaysHowToPackAMissingFile) {
  DataOptions options;
  options.train = "data/absent/train.h5";
  options.classes = 10;
  std::vector<std::string> problems;
  data_shape(options, problems);
  EXPECT_THAT(problems,
              ElementsAre(AllOf(HasSubstr("data.train = data/absent/train.h5: no such file"),
                                HasSubstr("m2mkd-pack fashion-mnist --out data/absent"),
                                HasSubstr("data.image_size, data.channels, data.count")),
                          HasSubstr("data.test is not set")));
}

TEST(DataShape, ListsEveryContradiction) {
  Packed packed(header(50));
  packed.options.image_size = 7;
  packed.options.classes = 10;
  packed.options.count = 51;
  packed.options.test.clear();
  packed.options.test_count = 1;
  packed.options.channels = 1;
  std::vector<std::string> problems;
  data_shape(packed.options, problems);
  EXPECT_THAT(problems, ElementsAre(HasSubstr("data.image_size = 7"),
                                    HasSubstr("data.classes = 10"), HasSubstr("data.count = 51")));
  problems.clear();
  packed.options = DataOptions{};
  packed.options.train = packed.options.test = "/dev/null";
  data_shape(packed.options, problems);
  EXPECT_EQ(problems.size(), 2u);  // not HDF5: the store's reason, no exception
}

TEST(DataShape, RefusesSplitsThatDoNotFit) {
  Packed packed(header(50));
  packed.options.validation_images = 20;
  packed.options.train_images = 31;
  std::vector<std::string> problems;
  data_shape(packed.options, problems);
  EXPECT_THAT(problems, ElementsAre(HasSubstr("do not fit into the 50 images")));
}

TEST(DataShape, RefusesTrainAndTestOfDifferentKinds) {
  Packed train(header(50)), other(header(50, 3));
  train.options.test = other.options.test;
  std::vector<std::string> problems;
  data_shape(train.options, problems);
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
  const std::map<std::string, std::string> bad{
      {"flip", "1.5"},        {"mixup", "-1"},    {"std", "0.2 0"},      {"train_images", "-3"},
      {"order", "backwards"}, {"smoothing", "2"}, {"loader_depth", "0"}, {"mean", "nan"}};
  std::map<std::string, Setting> settings;
  for (const auto& [name, value] : bad) settings[name] = {value, {"test", 1}};
  DataOptions options;
  std::vector<std::string> problems;
  const Lookup lookup = [&](std::string_view name) -> const Setting* {
    const auto found = settings.find(std::string(name));
    return found == settings.end() ? nullptr : &found->second;
  };
  keys.read(options, lookup, problems);
  EXPECT_EQ(problems.size(), bad.size());

  settings.clear();
  settings["train"] = {"data/x/train.h5", {"test", 1}};
  settings["mean"] = {"0.1 0.2", {"test", 2}};
  settings["order"] = {"sequential", {"test", 3}};
  problems.clear();
  keys.read(options, lookup, problems);
  EXPECT_THAT(problems, IsEmpty());
  EXPECT_EQ(options.train, "data/x/train.h5");
  EXPECT_EQ(options.mean, (std::vector<double>{0.1, 0.2}));
  EXPECT_EQ(options.order, Order::sequential);
}

}  // namespace
}  // namespace m2mkd
