// Two files, or a network and a file, that belong together or do not.

#include <gmock/gmock.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/data/provenance.hpp>

#include "packed.hpp"

namespace m2mkd {
namespace {

using namespace test;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class TwoFiles : public testing::Test {
 protected:
  TwoFiles() {
    options.train = folder.path() / "train.h5";
    options.test = folder.path() / "test.h5";
  }
  std::vector<std::string> problems() {
    std::vector<std::string> found;
    shape = data_facts(options, found);
    return found;
  }
  Folder folder;
  DataOptions options;
  DataFacts shape;
};

TEST_F(TwoFiles, OfOneDataSetHaveTheSameClasses) {
  auto info = header(8);
  write(options.train, info);
  info.classes = {"c0", "c2", "c1", "c3"};
  write(options.test, info);
  EXPECT_THAT(problems(), ElementsAre(HasSubstr("class 1 is 'c1' there and 'c2' here")));
  info.classes = {"0", "1", "2", "3"};  // numbers are no names
  write(options.test, info);
  EXPECT_THAT(problems(), IsEmpty());
  EXPECT_EQ(shape.class_names, (std::vector<std::string>{"c0", "c1", "c2", "c3"}));
}

TEST_F(TwoFiles, AreShownAsTheNetworkLearntToSeeThem) {
  auto info = header(8);
  write(options.train, info);
  info.mean = {0.75};
  info.std = {0.125};
  write(options.test, info);
  EXPECT_THAT(problems(), IsEmpty());
  EXPECT_THAT(shape.note, HasSubstr("mean 0.25 and std 0.5 there, mean 0.75 and std 0.125 here"));
  EXPECT_EQ(shape.mean, std::vector<double>{0.25});
  const auto first_value = [&] {
    EvalLoader loader(Dataset(options, Split::test), options, 8, 0, 1, at::kDouble);
    Batch batch;
    loader.next(batch);
    return batch.images.flatten()[0].item<double>();
  };
  const double value = pixel(0, 0) / 255.0;
  EXPECT_DOUBLE_EQ(first_value(), (value - 0.25) / 0.5);
  options.mean = {0.5};
  options.std = {0.25};  // what is asked for goes before both
  EXPECT_DOUBLE_EQ(first_value(), (value - 0.5) / 0.25);
  EXPECT_THAT(problems(), IsEmpty());
  EXPECT_THAT(shape.note, IsEmpty());
  options.mean = options.std = {};
  options.train.clear();  // an evaluation knows no other than the file's own
  EXPECT_DOUBLE_EQ(first_value(), (value - 0.75) / 0.125);
}

TEST_F(TwoFiles, OfTensorsCannotBeNormalisedAnew) {
  auto info = header(8);
  info.form = ImageForm::tensor;
  write(options.train, info);
  write(options.test, info);
  EXPECT_THAT(problems(), IsEmpty());
  info.std = {0.125};
  write(options.test, info);
  EXPECT_THAT(problems(), ElementsAre(HasSubstr("normalised otherwise")));
}

// What is opened for training is what the plan read; a file that was exchanged meanwhile is
// refused.
TEST_F(TwoFiles, AreThoseThatThePlanSaw) {
  write(options.train, header(8));
  write(options.test, header(8));
  ASSERT_THAT(problems(), IsEmpty());
  EXPECT_NO_THROW(Dataset(options, Split::test).expect(shape.test_digest));
  write(options.test, header(9));
  EXPECT_THAT([&] { Dataset(options, Split::test).expect(shape.test_digest); },
              testing::ThrowsMessage<Error>(HasSubstr("was exchanged since this started")));
}

TEST_F(TwoFiles, TravelWithTheNetwork) {
  auto info = header(8);
  info.name = "striped";
  write(options.train, info);
  write(options.test, info);
  ASSERT_THAT(problems(), IsEmpty());
  options.eval_crop = 0.875;
  const auto all = data_attributes(shape, options);
  EXPECT_EQ(text_attribute(all, "data.name"), "striped");
  EXPECT_EQ(text_attribute(all, "data.digest"), ImageFile(options.train).info().digest);
  EXPECT_EQ(text_attribute(all, "test.digest"), ImageFile(options.test).info().digest);
  EXPECT_EQ(text_attribute(all, "data.mean"), "0.25");
  EXPECT_EQ(text_attribute(all, "data.std"), "0.5");
  EXPECT_EQ(text_attribute(all, "data.class_names"), "c0\nc1\nc2\nc3");
  EXPECT_EQ(class_names(all), shape.class_names);
  EXPECT_EQ(number_attribute(all, "data.eval_crop"), 0.875);
  EXPECT_EQ(integer_attribute(all, "data.image_size"), 6);

  EXPECT_THAT(data_differences(all, shape.class_names, {0.25}, {0.5}).normalisation, IsEmpty());
  EXPECT_THAT(data_differences(all, shape.class_names, {0.25}, {0.25}).normalisation,
              "mean 0.25 and std 0.5 there, mean 0.25 and std 0.25 here");
  EXPECT_THAT(data_differences(all, {"c0", "x"}, {0.25}, {0.5}).classes,
              "class 1 is 'c1' there and 'x' here");
  EXPECT_THAT(data_differences(all, {"c0", "c1"}, {0.25}, {0.5}).classes, IsEmpty());
  const auto unknown = data_differences({}, {"x"}, {0.1}, {0.2});
  EXPECT_THAT(unknown.classes + unknown.normalisation, IsEmpty());
}

}  // namespace
}  // namespace m2mkd
