// Images that cannot be decoded are named before anything trains.

#include <fstream>

#include <m2mkd/check/gates.hpp>
#include <m2mkd/comm/on_root.hpp>
#include <m2mkd/run/evaluation_images.hpp>

#include "data/packed.hpp"
#include "plan/check_run.hpp"
#include "support/tiny_jpeg.hpp"

namespace m2mkd {
namespace {

using namespace test;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// An encoded data set of `count` images for training and testing; those of `damaged` end early.
class EncodedImages : public testing::Test {
 protected:
  void make(std::int64_t count, const std::vector<std::size_t>& damaged) {
    std::vector<std::vector<std::byte>> files(static_cast<std::size_t>(count), tiny_jpeg());
    for (const auto i : damaged) files[i] = tiny_jpeg(0.8);
    auto info = header(0, 3);
    write_encoded(path, info, files);
    job.data.train = job.data.test = path;
    job.data.image_size = 12;
    job.data.channels = 3;
    job.data.classes = 4;
    list.jobs = {job};
  }
  void decode(std::int64_t validation = 0) {
    job.data.validation_images = validation;
    job.evaluations = own_evaluations(job.data, {}, 0);
    decode_evaluation_images({&job}, Communicator(), [](const std::string&) {});
  }
  Folder folder;
  std::filesystem::path path = folder.path() / "encoded.h5";
  Job job;
  JobList list;
};

TEST_F(EncodedImages, AreAllDecodedBeforeTheRun) {
  make(200, {});
  EXPECT_NO_THROW(decode(40));
  make(200, {6, 131});
  EXPECT_THAT([&] { decode(); }, testing::ThrowsMessage<CollectiveError>(AllOf(
                                     HasSubstr("image 6 of " + path.string() + ", class 'c2': "),
                                     HasSubstr("image 131 of " + path.string() + ", class 'c3': "),
                                     HasSubstr("end too early"))));
}

TEST_F(EncodedImages, OfTheValidationSplitAreAmongThem) {
  make(40, {});
  const auto sound = folder.path() / "sound.h5";
  std::filesystem::rename(path, sound);
  make(40, {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19,
            20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39});
  job.data.test = sound;
  EXPECT_NO_THROW(decode());  // nothing of data.train is evaluated on
  EXPECT_THAT([&] { decode(16); },
              testing::ThrowsMessage<CollectiveError>(HasSubstr("and 6 more")));
}

TEST_F(EncodedImages, AreSampledByCheckOrAllDecoded) {
  make(200, {1});
  EXPECT_THAT(lines(check_data(list)),
              AllOf(HasSubstr(" ok 200 images of 4 classes, all digests match, 64 of 200 were "
                              "decoded (--all-images: all)"),
                    Not(HasSubstr("WRONG"))));
  EXPECT_THAT(lines(check_data(list, true)), HasSubstr("WRONG image 1 of " + path.string()));
  make(200, {0});  // the first one is part of every sample
  EXPECT_THAT(lines(check_data(list)), HasSubstr("WRONG image 0 of "));
}

}  // namespace
}  // namespace m2mkd
