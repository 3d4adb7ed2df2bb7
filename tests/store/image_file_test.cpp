#include <cstring>
#include <thread>

#include <m2mkd/base/random.hpp>
#include <m2mkd/store/image_file.hpp>
#include <m2mkd/store/tensor_file.hpp>

#include "scratch.hpp"

namespace m2mkd {
namespace {

using testing::AllOf;
using testing::DoubleNear;
using testing::ElementsAre;
using testing::HasSubstr;

class ImageFileTest : public test::Scratch {
 protected:
  static ImageFileInfo toy(std::int64_t count) {
    ImageFileInfo info;
    info.name = "toy";
    info.split = "train";
    info.count = count;
    info.channels = 3;
    info.height = 4;
    info.width = 5;
    info.classes = {"cat", "dög"};
    return info;
  }
  static std::vector<std::byte> image(std::int64_t index, std::size_t size) {
    Random random(1, Purpose::test, static_cast<std::uint64_t>(index));
    std::vector<std::byte> bytes(size);
    for (auto& byte : bytes) byte = static_cast<std::byte>(random.below(256));
    return bytes;
  }
  static std::string pack(const std::filesystem::path& path, const ImageFileInfo& info,
                          int flip = -1) {
    ImageFileWriter writer(path, info);
    for (std::int64_t i = 0; i < info.count; ++i) {
      auto bytes = image(i, static_cast<std::size_t>(info.channels * info.height * info.width) *
                                (info.form == ImageForm::tensor ? 4 : 1));
      if (i == flip) bytes[0] ^= std::byte{1};
      writer.add(bytes, static_cast<std::int32_t>(i % 2));
    }
    return writer.finish();
  }
};

TEST_F(ImageFileTest, ImagesLabelsAndFactsComeBack) {
  const auto digest = pack(at("train.h5"), toy(7));
  const ImageFile file(at("train.h5"));
  const auto& info = file.info();
  EXPECT_EQ(info.name, "toy");
  EXPECT_EQ(info.split, "train");
  EXPECT_EQ(info.digest, digest);
  EXPECT_EQ((std::vector{info.count, info.channels, info.height, info.width}),
            (std::vector<std::int64_t>{7, 3, 4, 5}));
  EXPECT_THAT(info.classes, ElementsAre("cat", "dög"));
  EXPECT_THAT(file.labels(), ElementsAre(0, 1, 0, 1, 0, 1, 0));
  ASSERT_EQ(file.image_bytes(0), 60);
  std::vector<std::byte> out(60);
  for (const auto index : {6, 0, 3}) {
    file.read(index, out);
    EXPECT_EQ(out, image(index, 60)) << index;
  }
}

// Pixel bits that flip on the disk are seen by who reads the image, and by nobody else.
TEST_F(ImageFileTest, EveryFlippedBitIsFoundWhenTheImageIsRead) {
  for (const auto form : {ImageForm::pixels, ImageForm::tensor}) {
    auto info = toy(9);
    info.form = form;
    pack(at("a.h5"), info);
    const auto size = static_cast<std::size_t>(ImageFile(at("a.h5")).image_bytes(0));
    const auto fifth = image(5, size);
    damage(at("a.h5"), std::string(reinterpret_cast<const char*>(fifth.data()), size));
    const ImageFile file(at("a.h5"));
    std::vector<std::byte> out(size);
    EXPECT_TRUE(file.verifies_reads());
    for (const std::int64_t i : {0, 1, 2, 3, 4, 6, 7, 8}) EXPECT_NO_THROW(file.read(i, out)) << i;
    EXPECT_THAT(test::message_of([&] { file.read(5, out); }),
                AllOf(HasSubstr("image 5 of"), HasSubstr("is damaged: the XXH3 of its bytes is")));
  }
}

// An open data set stays the one that was opened, whatever its path leads to.
TEST_F(ImageFileTest, AnExchangedFileIsNotMixedWithTheOldOne) {
  pack(at("a.h5"), toy(7));
  const ImageFile file(at("a.h5"));
  pack(at("b.h5"), toy(7), 3);
  std::filesystem::rename(at("b.h5"), at("a.h5"));
  std::vector<std::byte> out(60);
  file.read(3, out);
  EXPECT_EQ(out, image(3, 60));
  EXPECT_NE(ImageFile(at("a.h5")).info().digest, file.info().digest);
}

// Files of earlier versions have no digest per image: they are read, and verified whole.
TEST_F(ImageFileTest, WithoutDigestsPerImageIsReadToo) {
  pack(at("a.h5"), toy(7));
  if (python("f = h5py.File(sys.argv[1], 'r+')\ndel f['images/xxh3']\n", at("a.h5")) == -1)
    GTEST_SKIP() << "python3-h5py is not installed";
  const ImageFile file(at("a.h5"));
  EXPECT_FALSE(file.verifies_reads());
  std::vector<std::byte> out(60);
  file.read(3, out);
  EXPECT_EQ(out, image(3, 60));
  EXPECT_THAT(verify_image_file(at("a.h5")), testing::IsEmpty());
}

TEST_F(ImageFileTest, MoreThanOnePortionComesBack) {
  auto info = toy(40);
  info.height = info.width = 256;  // 7.5 MiB in all
  pack(at("a.h5"), info);
  const ImageFile file(at("a.h5"));
  std::vector<std::byte> out(file.image_bytes(0));
  for (std::int64_t i = 0; i < info.count; ++i) {
    file.read(i, out);
    ASSERT_EQ(out, image(i, out.size())) << i;
  }
}

TEST_F(ImageFileTest, TensorsAreFloatsThatStayUntouched) {
  auto info = toy(3);
  info.form = ImageForm::tensor;
  pack(at("a.h5"), info);
  const ImageFile file(at("a.h5"));
  EXPECT_EQ(file.info().form, ImageForm::tensor);
  EXPECT_THAT(file.info().mean, ElementsAre(0, 0, 0));
  EXPECT_THAT(file.info().std, ElementsAre(1, 1, 1));
  EXPECT_EQ(file.info().width, 5);
  std::vector<std::byte> out(240);
  file.read(2, out);
  EXPECT_EQ(out, image(2, 240));
}

class EncodedImageTest : public ImageFileTest {
 protected:
  // Images of 0, 1, 2, … times 37 bytes.
  static std::size_t length(std::int64_t i) { return static_cast<std::size_t>(i % 9) * 37; }
  static ImageFileInfo files(std::int64_t count) {
    auto info = toy(count);
    info.form = ImageForm::encoded;
    info.height = info.width = 0;
    info.mean = {0.1, 0.2, 0.3};
    info.std = {1, 2, 3};
    for (std::int64_t i = 0; i < count; ++i) info.bytes += static_cast<std::int64_t>(length(i));
    return info;
  }
  static std::string pack_files(const std::filesystem::path& path, std::int64_t count,
                                int shift = 0) {
    ImageFileWriter writer(path, files(count));
    std::vector<std::byte> all;
    for (std::int64_t i = 0; i < count; ++i) {
      const auto bytes = image(i, length(i));
      all.insert(all.end(), bytes.begin(), bytes.end());
    }
    // The same bytes, with the bound after image 1 moved by `shift`.
    std::size_t begin = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      std::size_t end = begin + length(i);
      if (i == 1) end += static_cast<std::size_t>(shift);
      if (i == 2) end = begin + length(i) - static_cast<std::size_t>(shift);
      writer.add(std::span(all).subspan(begin, end - begin), static_cast<std::int32_t>(i % 2));
      begin = end;
    }
    return writer.finish();
  }
};

TEST_F(EncodedImageTest, ImagesOfAnyLengthComeBack) {
  const auto digest = pack_files(at("a.h5"), 20);
  const ImageFile opened(at("a.h5"));
  const auto& info = opened.info();
  EXPECT_EQ(info.form, ImageForm::encoded);
  EXPECT_EQ((std::vector{info.count, info.channels, info.height, info.width, info.bytes}),
            (std::vector<std::int64_t>{20, 3, 0, 0, files(20).bytes}));
  EXPECT_EQ(info.mean, files(1).mean);
  EXPECT_EQ(info.digest, digest);
  EXPECT_EQ(opened.labels()[3], 1);
  for (const auto i : {19, 0, 9, 8}) {
    std::vector<std::byte> out(static_cast<std::size_t>(opened.image_bytes(i)));
    opened.read(i, out);
    EXPECT_EQ(out, image(i, length(i))) << i;
  }
  EXPECT_THAT(verify_image_file(at("a.h5")), testing::IsEmpty());
}

TEST_F(EncodedImageTest, MoreThanOnePortionComesBack) {
  auto info = files(3);
  info.bytes = 3 * (3 << 20);
  {
    ImageFileWriter writer(at("a.h5"), info);
    for (std::int64_t i = 0; i < 3; ++i) writer.add(image(i, 3 << 20), 0);
    writer.finish();
  }
  const ImageFile opened(at("a.h5"));
  std::vector<std::byte> out(3 << 20);
  for (std::int64_t i = 0; i < 3; ++i) {
    opened.read(i, out);
    EXPECT_EQ(out, image(i, out.size())) << i;
  }
}

TEST_F(EncodedImageTest, DigestDependsOnTheBoundsBetweenImages) {
  EXPECT_NE(pack_files(at("a.h5"), 12), pack_files(at("b.h5"), 12, 5));
}

TEST_F(EncodedImageTest, OtherThanTheAnnouncedBytesAreRefused) {
  ImageFileWriter writer(at("a.h5"), files(2));
  EXPECT_THROW(writer.add(image(0, 38), 0), std::logic_error);
  ImageFileWriter shorter(at("b.h5"), files(2));
  shorter.add(image(0, 0), 0);
  shorter.add(image(1, 36), 0);
  EXPECT_THROW(shorter.finish(), std::logic_error);
}

TEST_F(EncodedImageTest, DamageOfBytesAndOfBoundsIsFound) {
  pack_files(at("a.h5"), 12);
  const auto bytes = image(5, length(5));
  damage(at("a.h5"), std::string(reinterpret_cast<const char*>(bytes.data()), 40));
  EXPECT_THAT(verify_image_file(at("a.h5")),
              ElementsAre(HasSubstr("images (1 of 12, image 5 first): damaged"),
                          HasSubstr("attribute 'digest' says")));
  // 37 and 111 as they stand in /images/offset, after each other.
  pack_files(at("b.h5"), 12);
  damage(at("b.h5"), std::string("\x25\0\0\0\0\0\0\0\x6f\0\0\0\0\0\0\0", 16));
  EXPECT_THAT(test::message_of([&] { ImageFile file(at("b.h5")); }), HasSubstr("it is damaged"));
}

TEST_F(EncodedImageTest, BoundsEditedWithH5pyAreFound) {
  const auto edit = [&](const std::string& to) {
    pack_files(at("a.h5"), 12);
    return python("f = h5py.File(sys.argv[1], 'r+')\nf['images/offset'][3] = " + to + "\n",
                  at("a.h5"));
  };
  if (edit("9999") == -1) GTEST_SKIP() << "python3-h5py is not installed";
  EXPECT_THAT(test::message_of([&] { ImageFile file(at("a.h5")); }),
              HasSubstr("does not rise from 0 to the"));
  ASSERT_EQ(edit("112"), 0);
  EXPECT_THAT(verify_image_file(at("a.h5")), ElementsAre(HasSubstr("attribute 'digest' says")));
}

TEST_F(ImageFileTest, MeanAndDeviationArePerChannelInUnitRange) {
  auto info = toy(2);
  info.height = 1;
  info.width = 2;
  {
    ImageFileWriter writer(at("a.h5"), info);
    const auto bytes = [](std::initializer_list<int> values) {
      std::vector<std::byte> out;
      for (const int value : values) out.push_back(static_cast<std::byte>(value));
      return out;
    };
    writer.add(bytes({0, 51, 9, 255, 51, 9}), 0);
    writer.add(bytes({0, 102, 9, 255, 102, 9}), 1);
    writer.finish();
  }
  const ImageFile file(at("a.h5"));
  EXPECT_THAT(file.info().mean, ElementsAre(DoubleNear(0.5, 1e-12), DoubleNear(0.3, 1e-12),
                                            DoubleNear(9 / 255.0, 1e-12)));
  EXPECT_THAT(file.info().std, ElementsAre(DoubleNear(0.5, 1e-12), DoubleNear(0.1, 1e-12), 1.0))
      << "a constant channel is divided by 1";
}

TEST_F(ImageFileTest, GivenMeanAndDeviationAreKept) {
  auto info = toy(2);
  info.mean = {0.1, 0.2, 0.3};
  info.std = {1, 2, 3};
  pack(at("a.h5"), info);
  EXPECT_EQ(ImageFile(at("a.h5")).info().mean, info.mean);
  EXPECT_EQ(ImageFile(at("a.h5")).info().std, info.std);
}

TEST_F(ImageFileTest, DigestDependsOnPixelsAndLabels) {
  const auto digest = pack(at("a.h5"), toy(4));
  EXPECT_EQ(pack(at("b.h5"), toy(4)), digest);
  EXPECT_NE(pack(at("c.h5"), toy(4), 2), digest);
  ImageFileWriter writer(at("d.h5"), toy(4));
  for (int i = 0; i < 4; ++i) writer.add(image(i, 60), 0);
  EXPECT_NE(writer.finish(), digest);
}

TEST_F(ImageFileTest, ThreadsReadAtOnce) {
  pack(at("a.h5"), toy(64));
  ImageFile opened(at("a.h5"));
  const ImageFile file = std::move(opened);
  std::vector<int> wrong(4);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      std::vector<std::byte> out(60);
      for (int i = 0; i < 64; ++i) {
        const auto index = static_cast<std::int64_t>((i * 7 + static_cast<int>(t)) % 64);
        file.read(index, out);
        wrong[t] += out != image(index, 60);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_THAT(wrong, testing::Each(0));
}

TEST_F(ImageFileTest, AnUnfinishedFileLeavesNothing) {
  {
    ImageFileWriter writer(at("a.h5"), toy(2));
    writer.add(image(0, 60), 0);
    EXPECT_THROW(writer.finish(), std::logic_error);
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder()));
}

TEST_F(ImageFileTest, LabelsOutsideTheClassesAreRefused) {
  ImageFileWriter writer(at("a.h5"), toy(2));
  EXPECT_THAT(test::message_of([&] { writer.add(image(0, 60), 2); }),
              HasSubstr("label 2 of image 0 is outside 0..1"));
}

TEST_F(ImageFileTest, TruncationWhileOpenIsAnErrorNotACrash) {
  pack(at("a.h5"), toy(3000));
  const ImageFile file(at("a.h5"));
  std::filesystem::resize_file(at("a.h5"), 8192);
  std::vector<std::byte> out(60);
  EXPECT_THAT(test::message_of([&] { file.read(2999, out); }), HasSubstr("image 2999"));
}

TEST_F(ImageFileTest, ADamagedClassNameIsFound) {
  pack(at("a.h5"), toy(3));
  damage(at("a.h5"), "dög");
  EXPECT_THAT(test::message_of([&] { ImageFile file(at("a.h5")); }), HasSubstr("it is damaged"));
}

TEST_F(ImageFileTest, OtherFilesAreRefused) {
  write_tensor_file(at("a.h5"), {});
  EXPECT_THAT(test::message_of([&] { ImageFile file(at("a.h5")); }),
              HasSubstr("of kind 'm2mkd', not 'm2mkd-images'"));
  EXPECT_THAT(test::message_of([&] { ImageFile file(at("absent.h5")); }), HasSubstr("absent.h5"));
}

}  // namespace
}  // namespace m2mkd
