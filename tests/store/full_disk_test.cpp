// A disk that fills up, a folder that cannot be written: the previous file survives, nothing is
// left, the message helps.

#include <csignal>

#include <ATen/ATen.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include <m2mkd/store/image_file.hpp>
#include <m2mkd/store/safetensors.hpp>
#include <m2mkd/store/tensor_file.hpp>
#include <m2mkd/store/text_file.hpp>
#include <m2mkd/store/torch_file.hpp>

#include "scratch.hpp"

namespace m2mkd {
namespace {

using testing::HasSubstr;

TensorFile filled(std::int64_t count, float value) {
  return {{}, {{"w", at::full({count}, value, at::kFloat)}}};
}

std::size_t files_in(const std::filesystem::path& folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

/// A file system of 1 MiB; needs root.
class FullDiskTest : public test::Scratch {
 protected:
  void SetUp() override {
    std::filesystem::create_directory(small_);
    mounted_ = ::mount("tmpfs", small_.c_str(), "tmpfs", 0, "size=1m") == 0;
    if (!mounted_)
      GTEST_SKIP() << "mounting a small tmpfs is not permitted: " << std::strerror(errno);
  }
  ~FullDiskTest() override {
    if (mounted_) ::umount2(small_.c_str(), MNT_DETACH);
  }
  void expect_untouched(const std::string& message) {
    EXPECT_THAT(message,
                testing::AllOf(HasSubstr(path_.string()), HasSubstr("No space left on device"),
                               HasSubstr("free space or set --run.dir elsewhere")));
    EXPECT_TRUE(
        at::equal(read_tensor_file(path_).tensors[0].second, at::full({1000}, 1, at::kFloat)));
    EXPECT_EQ(files_in(small_), 1U);
    EXPECT_GT(std::filesystem::space(small_).available, 900'000U)
        << "the failed file still occupies space";
  }

  std::filesystem::path small_ = at("small"), path_ = small_ / "module.h5";
  bool mounted_ = false;
};

TEST_F(FullDiskTest, OldFileSurvivesAndSpaceComesBack) {
  write_tensor_file(path_, filled(1000, 1));
  expect_untouched(test::message_of([&] { write_tensor_file(path_, filled(1'000'000, 2)); }));
  write_tensor_file(path_, filled(100'000, 3));
  EXPECT_TRUE(verify_tensor_file(path_).empty());
}

TEST_F(FullDiskTest, ExchangeFilesLeaveNothing) {
  const auto tensors = filled(1'000'000, 2).tensors;
  for (const auto& message :
       {test::message_of([&] { write_torch_file(small_ / "a.pth", tensors); }),
        test::message_of([&] {
          write_safetensors(small_ / "a.safetensors", {{}, tensors});
        })})
    EXPECT_THAT(message, HasSubstr("No space left on device"));
  EXPECT_EQ(files_in(small_), 0U);
}

TEST_F(FullDiskTest, ManySmallTensorsAreNotLostSilently) {
  write_tensor_file(path_, filled(1000, 1));
  TensorFile many;
  for (int i = 0; i < 3000; ++i)
    many.tensors.emplace_back("w" + std::to_string(i), at::ones({100}));
  expect_untouched(test::message_of([&] { write_tensor_file(path_, many); }));
}

TEST_F(FullDiskTest, TextsAndTablesSayTheSame) {
  write_tensor_file(path_, filled(1000, 1));
  expect_untouched(test::message_of([&] { write_text_file(path_, std::string(2 << 20, 'x')); }));
  TableFile table;
  table.group("steps").columns = {{"step", std::vector<double>(1 << 18)}};
  expect_untouched(test::message_of([&] { write_table_file(path_, table); }));
}

TEST_F(FullDiskTest, APackedDataSetLeavesNothing) {
  write_tensor_file(path_, filled(1000, 1));
  ImageFileInfo info{.name = "toy",
                     .split = "train",
                     .digest = "",
                     .count = 300,
                     .channels = 3,
                     .height = 64,
                     .width = 64,
                     .mean = {},
                     .std = {},
                     .classes = {"a"}};
  expect_untouched(test::message_of([&] {
    ImageFileWriter writer(path_, info);
    const std::vector<std::byte> image(3 * 64 * 64);
    for (int i = 0; i < 300; ++i) writer.add(image, 0);
    writer.finish();
  }));
}

TEST_F(FullDiskTest, AFileSizeLimitSaysSo) {
  write_tensor_file(path_, filled(1000, 1));
  struct rlimit before {};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const struct rlimit low { .rlim_cur = 64 << 10, .rlim_max = before.rlim_max };
  ::setrlimit(RLIMIT_FSIZE, &low);
  const auto message = test::message_of([&] { write_tensor_file(path_, filled(100'000, 2)); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_THAT(message, testing::AllOf(HasSubstr("File too large"), HasSubstr("--run.dir")));
  EXPECT_TRUE(verify_tensor_file(path_).empty());
  EXPECT_EQ(files_in(small_), 1U);
}

using UnwritableTest = test::Scratch;

TEST_F(UnwritableTest, AFileWhereAFolderShouldBeIsNamed) {
  write_text_file(at("modules"), "a file");
  const auto message =
      test::message_of([&] { write_tensor_file(at("modules/a.h5"), filled(1, 1)); });
  EXPECT_THAT(message, testing::AllOf(HasSubstr("modules/a.h5"), HasSubstr("Not a directory")));
}

TEST_F(UnwritableTest, AFolderUnderTheTargetsNameIsNamedAndNothingIsLeft) {
  std::filesystem::create_directory(at("a.h5"));
  const auto message = test::message_of([&] { write_tensor_file(at("a.h5"), filled(1, 1)); });
  EXPECT_THAT(message, HasSubstr("Is a directory"));
  EXPECT_EQ(files_in(folder()), 1U);
}

}  // namespace
}  // namespace m2mkd
