// .safetensors: what is written comes back, the layout is the published one, and nothing that a
// file claims is believed.

#include <ATen/ATen.h>

#include <m2mkd/store/safetensors.hpp>
#include <m2mkd/store/text_file.hpp>

#include "scratch.hpp"

namespace m2mkd {
namespace {

using testing::HasSubstr;
using SafetensorsTest = test::Scratch;

std::string file_text(const std::string& header, const std::string& data) {
  std::uint64_t length = header.size();
  std::string text(8, '\0');
  for (auto& byte : text) {
    byte = static_cast<char>(length & 0xff);
    length >>= 8;
  }
  return text + header + data;
}

void put(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

TEST_F(SafetensorsTest, EveryElementTypeAndShapeComesBackBitIdentical) {
  SafetensorsFile file;
  file.metadata = {{"format", "pt"}, {"note", "with \"quotes\" and ü\n"}};
  for (const auto type : {at::kBool, at::kByte, at::kHalf, at::kBFloat16, at::kInt, at::kFloat,
                          at::kDouble, at::kLong}) {
    const std::string name = at::toString(type);
    file.tensors.emplace_back("many." + name, (at::arange(15) % 7 - 1).view({3, 5}).to(type));
    file.tensors.emplace_back("scalar." + name, at::ones({}, type));
    file.tensors.emplace_back("empty." + name, at::empty({0, 5}, type));
  }
  file.tensors.emplace_back("view", at::arange(20, at::kFloat).view({4, 5}).t());
  write_safetensors(at("a.safetensors"), file);
  const auto back = read_safetensors(at("a.safetensors"));
  EXPECT_EQ(back.metadata, file.metadata);
  ASSERT_EQ(back.tensors.size(), file.tensors.size());
  for (const auto& [name, tensor] : back.tensors) {
    const auto found = std::find_if(file.tensors.begin(), file.tensors.end(),
                                    [&](const auto& t) { return t.first == name; });
    ASSERT_NE(found, file.tensors.end()) << name;
    EXPECT_EQ(tensor.scalar_type(), found->second.scalar_type()) << name;
    EXPECT_EQ(tensor.sizes(), found->second.sizes()) << name;
    EXPECT_TRUE(tensor.is_contiguous()) << name;
    EXPECT_TRUE(at::equal(tensor, found->second)) << name;
  }
  for (const auto& entry : std::filesystem::directory_iterator(folder()))
    EXPECT_EQ(entry.path().filename(), "a.safetensors");
}

TEST_F(SafetensorsTest, NotANumberKeepsItsBits) {
  auto bits = at::tensor({0x7fc00001, static_cast<int>(0xffc0ffee), static_cast<int>(0x80000000)},
                         at::kInt);
  write_safetensors(at("a.safetensors"), {{}, {{"x", bits.view(at::kFloat)}}});
  const auto back = read_safetensors(at("a.safetensors"));
  EXPECT_TRUE(at::equal(back.tensors.at(0).second.view(at::kInt), bits));
}

// The bytes that the format's own library writes for x = [1.0f, 2.0f] and b = [true].
TEST_F(SafetensorsTest, LayoutIsThePublishedOne) {
  const std::string data("\0\0\x80\x3f\0\0\0\x40\x01", 9);
  const std::string header =
      R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"BOOL","shape":[1],"data_offsets":[8,9]}})";
  const std::string padded = header + std::string(7 - (header.size() + 7) % 8, ' ');
  put(at("theirs.safetensors"), file_text(padded, data));
  const auto theirs = read_safetensors(at("theirs.safetensors"));
  ASSERT_EQ(theirs.tensors.size(), 2U);
  EXPECT_EQ(theirs.tensors[0].first, "x");
  EXPECT_TRUE(at::equal(theirs.tensors[0].second, at::tensor({1.0F, 2.0F})));
  EXPECT_TRUE(theirs.tensors[1].second.item<bool>());
  // Small elements last, whatever the order they are given in, so that all lie aligned.
  write_safetensors(at("ours.safetensors"),
                    {{}, {{"b", at::ones({1}, at::kBool)}, {"x", at::tensor({1.0F, 2.0F})}}});
  EXPECT_EQ(read_text_file(at("ours.safetensors")), read_text_file(at("theirs.safetensors")));
}

TEST_F(SafetensorsTest, ClaimsThatTheFileDoesNotBearOutAreRefused) {
  struct Case {
    const char *header, *data, *message;
  };
  const Case cases[] = {
      {R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", "1234", "truncated"},
      {R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", "1234", "make 8 bytes"},
      {R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}})", "12345678", "make 4 bytes"},
      {R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", "12345678",
       "4 bytes at its end"},
      {R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", "12345678", "bytes 0 to 4"},
      {R"({"x":{"dtype":"U8","shape":[2],"data_offsets":[2,0]}})", "12", "begin and an end"},
      {R"({"x":{"dtype":"U8","shape":[2],"data_offsets":[0]}})", "12", "begin and an end"},
      {R"({"x":{"dtype":"U8","shape":[2],"data_offsets":[-2,0]}})", "12", "-2"},
      {R"({"x":{"dtype":"U8","shape":[-2],"data_offsets":[0,2]}})", "12", "not a count"},
      {R"({"x":{"dtype":"U8","shape":[2.0],"data_offsets":[0,2]}})", "12", "not a count"},
      {R"({"x":{"dtype":"U8","shape":[18446744073709551614],"data_offsets":[0,2]}})", "12",
       "not a count"},
      {R"({"x":{"dtype":"F64","shape":[4611686018427387904,4],"data_offsets":[0,0]}})", "",
       "memory"},
      {R"({"x":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"y":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
       "123", "overlap"},
      {R"({"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
       "1", "'x' twice"},
      {R"({"x":{"dtype":"U8","dtype":"BOOL","shape":[1],"data_offsets":[0,1]}})", "1",
       "'dtype' twice"},
      {R"({"x":{"dtype":"I16","shape":[1],"data_offsets":[0,2]}})", "12",
       "'I16' is none of F64, F32"},
      {R"({"x":{"dtype":7,"shape":[1],"data_offsets":[0,2]}})", "12", "'dtype' is not a text"},
      {R"({"x":{"dtype":"U8","shape":[1]}})", "1", "'data_offsets' is missing"},
      {R"({"x":3})", "", "'dtype' is missing"},
      {R"({"x":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}})", "\1\2", "neither 0 nor 1"},
      {R"({"x":{"dtype":"U8","shape":[[[1]]],"data_offsets":[0,1]}})", "1", "nested"},
      {R"({"__metadata__":{"a":1}})", "", "not a text"},
      {R"({"__metadata__":[]})", "", "not an object"},
      {R"({"x":)", "", "not JSON"},
      {R"([1])", "", "no JSON object"},
      {"", "", "no JSON object"},
  };
  for (const auto& c : cases) {
    put(at("a.safetensors"), file_text(c.header, c.data));
    const auto message = test::message_of([&] { read_safetensors(at("a.safetensors")); });
    EXPECT_THAT(message, HasSubstr(c.message)) << c.header;
    EXPECT_THAT(message, HasSubstr("a.safetensors")) << c.header;
  }
}

TEST_F(SafetensorsTest, EveryTruncationIsNoticed) {
  write_safetensors(at("a.safetensors"),
                    {{{"k", "v"}}, {{"x", at::ones({5})}, {"y", at::ones({2}, at::kLong)}}});
  const auto whole = read_text_file(at("a.safetensors"));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    put(at("cut.safetensors"), whole.substr(0, size));
    EXPECT_THROW(read_safetensors(at("cut.safetensors")), Error) << size << " bytes";
  }
}

// Whatever a bit flip makes of the header: it is read or refused by an Error, nothing else.
TEST_F(SafetensorsTest, FlippedBitsOfTheHeaderAreReadOrRefused) {
  write_safetensors(at("a.safetensors"),
                    {{}, {{"x", at::ones({5})}, {"b", at::ones({2}, at::kBool)}}});
  const auto whole = read_text_file(at("a.safetensors"));
  const auto header_end =
      whole.find("  ") == std::string::npos ? whole.rfind('}') + 1 : whole.find("  ");
  int refused = 0;
  for (std::size_t bit = 0; bit < 8 * header_end; ++bit) {
    auto damaged = whole;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    put(at("damaged.safetensors"), damaged);
    try {
      read_safetensors(at("damaged.safetensors"));
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, static_cast<int>(4 * header_end));
}

TEST_F(SafetensorsTest, AHugeHeaderIsRefusedBeforeItIsRead) {
  put(at("a.safetensors"), file_text("{}", ""));
  std::string length("\x01\xe1\xf5\x05\0\0\0\0", 8);  // 100 000 001
  put(at("a.safetensors"), length + "{}");
  std::filesystem::resize_file(at("a.safetensors"), 200'000'000);  // sparse
  const auto message = test::message_of([&] { read_safetensors(at("a.safetensors")); });
  EXPECT_THAT(message, HasSubstr("100000001"));
}

TEST_F(SafetensorsTest, WhatCannotBeWrittenLeavesTheTargetUntouched) {
  write_safetensors(at("a.safetensors"), {{}, {{"x", at::ones({1})}}});
  const auto before = read_text_file(at("a.safetensors"));
  const auto message = test::message_of([&] {
    write_safetensors(at("a.safetensors"), {{}, {{"short", at::ones({1}, at::kShort)}}});
  });
  EXPECT_THAT(message, HasSubstr("'short'"));
  EXPECT_THAT(test::message_of([&] {
                write_safetensors(at("a.safetensors"), {{}, {{"\xff", at::ones({1})}}});
              }),
              HasSubstr("UTF-8"));
  EXPECT_THROW(
      write_safetensors(at("a.safetensors"), {{}, {{"a", at::ones({1})}, {"a", at::ones({1})}}}),
      std::logic_error);
  EXPECT_EQ(read_text_file(at("a.safetensors")), before);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder()), {}), 1);
  EXPECT_THAT(test::message_of([&] { read_safetensors(at("none.safetensors")); }),
              HasSubstr("No such file"));
  EXPECT_THAT(test::message_of([&] { read_safetensors(folder()); }), HasSubstr("regular file"));
}

}  // namespace
}  // namespace m2mkd
