// Files that are damaged, foreign or of the future are told apart and named.

#include <ATen/ATen.h>

#include <m2mkd/store/tensor_file.hpp>
#include <m2mkd/store/text_file.hpp>

#include "scratch.hpp"

namespace m2mkd {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class DamageTest : public test::Scratch {
 protected:
  DamageTest() {
    file_.attributes["identity"] = std::string("the identity of this job");
    file_.tensors = {{"stages/0/weight", at::arange(1000, 3000, at::kFloat)},
                     {"stages/1/weight", at::arange(500, at::kFloat)}};
    write_tensor_file(path_, file_);
  }
  std::string read_error() const {
    return test::message_of([&] { read_tensor_file(path_); });
  }

  TensorFile file_;
  std::filesystem::path path_ = at("module.h5");
};

TEST_F(DamageTest, AFlippedBitInATensorIsFoundAndNamed) {
  damage(path_, std::string(static_cast<const char*>(file_.tensors[0].second.data_ptr()), 400));
  EXPECT_THAT(verify_tensor_file(path_), ElementsAre(HasSubstr("'stages/0/weight': damaged")));
  EXPECT_THAT(read_error(),
              testing::AllOf(HasSubstr(path_.string()), HasSubstr("stages/0/weight")));
  const auto other = [](const std::string& name) { return name == "stages/1/weight"; };
  EXPECT_THAT(read_tensor_file(path_, other).tensors, SizeIs(1));
}

TEST_F(DamageTest, AChangedDigestIsFound) {
  for (const auto& digest :
       {list_tensors(path_)[1].xxh3, text_attribute(read_attributes(path_), "digest")}) {
    damage(path_, digest);
    EXPECT_THAT(verify_tensor_file(path_), ElementsAre(HasSubstr("checksum at its end")));
    EXPECT_THAT(read_error(), HasSubstr("checksum at its end"));
    write_tensor_file(path_, file_);
  }
}

TEST_F(DamageTest, DigestsEditedWithH5pyAreFound) {
  const auto edit = [&](const std::string& object) {
    write_tensor_file(path_, file_);
    return python("f = h5py.File(sys.argv[1], 'r+')\n" + object + "= '0123456789abcdef'\n", path_);
  };
  if (edit("f.attrs['digest']") == -1) GTEST_SKIP() << "python3-h5py is not installed";
  EXPECT_THAT(verify_tensor_file(path_), ElementsAre(HasSubstr("attribute 'digest' says")));
  EXPECT_THAT(read_error(), HasSubstr("attribute 'digest' says"));
  ASSERT_EQ(edit("f['stages/1/weight'].attrs['xxh3']"), 0);
  EXPECT_THAT(verify_tensor_file(path_),
              ElementsAre(HasSubstr("'stages/1/weight': damaged"), HasSubstr("list of tensors")));
  EXPECT_THAT(read_error(), HasSubstr("'stages/1/weight': damaged"));
}

TEST_F(DamageTest, AChangedTextIsFound) {
  damage(path_, "the identity of this job");
  EXPECT_THAT(verify_tensor_file(path_), ElementsAre(HasSubstr("checksum at its end")));
}

TEST_F(DamageTest, ABitAnywhereIsFoundOrHarmless) {
  const auto bytes = read_text_file(path_);
  for (std::size_t place = 0; place < bytes.size(); place += 97) {
    auto damaged = bytes;
    damaged[place] = static_cast<char>(damaged[place] ^ 4);
    std::ofstream(path_, std::ios::binary) << damaged;
    if (!verify_tensor_file(path_).empty()) continue;
    const auto back = read_tensor_file(path_);
    ASSERT_EQ(back.tensors.size(), 2U) << place;
    EXPECT_TRUE(at::equal(back.tensors[0].second, file_.tensors[0].second)) << place;
    EXPECT_EQ(back.attributes.at("identity"), file_.attributes.at("identity")) << place;
  }
}

TEST_F(DamageTest, TruncatedFilesSaySo) {
  const auto size = std::filesystem::file_size(path_);
  for (const auto part : {size / 2, size - 100}) {
    std::filesystem::resize_file(path_, part);
    EXPECT_THAT(read_error(), testing::AllOf(HasSubstr(path_.string()), HasSubstr("truncated")));
    EXPECT_THAT(verify_tensor_file(path_), ElementsAre(HasSubstr("truncated")));
    write_tensor_file(path_, file_);
  }
}

TEST_F(DamageTest, OtherFilesAreRefusedWithTheReason) {
  std::ofstream(path_) << "[train]\nepochs = 3\n";
  EXPECT_THAT(read_error(), HasSubstr("not an HDF5 file"));
  std::ofstream(path_, std::ios::trunc).flush();
  EXPECT_THAT(read_error(), HasSubstr("not an HDF5 file (0 bytes"));
  std::filesystem::remove(path_);
  EXPECT_THAT(read_error(), HasSubstr("No such file or directory"));
  std::filesystem::create_directory(path_);
  EXPECT_THAT(read_error(), HasSubstr("it is a folder"));
  write_table_file(at("table.h5"), {});
  EXPECT_THAT(test::message_of([&] { read_tensor_file(at("table.h5")); }),
              HasSubstr("of kind 'm2mkd-table', not 'm2mkd'"));
}

TEST_F(DamageTest, ForeignAndFutureFilesAreRefused) {
  if (python("h5py.File(sys.argv[1], 'w')['x'] = 1\n", at("foreign.h5")) == -1)
    GTEST_SKIP() << "python3-h5py is not installed";
  EXPECT_THAT(test::message_of([&] { read_tensor_file(at("foreign.h5")); }),
              HasSubstr("not one of m2mkd's"));
  ASSERT_EQ(python("h5py.File(sys.argv[1], 'r+').attrs.modify('format_version', 7)\n", path_), 0);
  EXPECT_THAT(read_error(), HasSubstr("format_version 7 is newer than this program's 1"));
  EXPECT_THROW(read_attributes(path_), Error);
  EXPECT_THROW(list_tensors(path_), Error);
}

TEST_F(DamageTest, ANoteAddedByItsOwnerIsNoDamageButAnAddedTensorIs) {
  if (python("h5py.File(sys.argv[1], 'r+').attrs['note'] = 'my best one'\n", path_) == -1)
    GTEST_SKIP() << "python3-h5py is not installed";
  EXPECT_THAT(verify_tensor_file(path_), IsEmpty());
  EXPECT_EQ(text_attribute(read_tensor_file(path_).attributes, "note"), "my best one");
  ASSERT_EQ(python("h5py.File(sys.argv[1], 'r+')['stages/2/w'] = np.ones(3, 'f4')\n", path_), 0);
  EXPECT_THAT(verify_tensor_file(path_), testing::Contains(HasSubstr("list of tensors")));
  EXPECT_THROW(read_tensor_file(path_), Error);
}

}  // namespace
}  // namespace m2mkd
