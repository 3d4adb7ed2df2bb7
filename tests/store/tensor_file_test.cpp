#include <ATen/ATen.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/store/attribute_text.hpp>
#include <m2mkd/store/digest.hpp>
#include <m2mkd/store/table_file.hpp>
#include <m2mkd/store/tensor_file.hpp>
#include <m2mkd/store/text_file.hpp>

#include "scratch.hpp"

namespace m2mkd {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using TensorFileTest = test::Scratch;

TensorFile example() {
  TensorFile file;
  file.attributes = {
      {"job", std::string("distill.2")}, {"acc1", 81.25}, {"step", std::int64_t{1} << 40}};
  file.tensors = {
      {"stages/0/blocks.0.attn.qkv.weight", at::arange(3000, at::kFloat).view({30, 100})},
      {"stages/0/blocks.0.attn.qkv.bias", at::full({7}, 0.5, at::kFloat)},
      {"shared/codes", at::arange(12, at::kDouble).view({3, 4})}};
  return file;
}

TEST_F(TensorFileTest, EveryElementTypeAndShapeComesBackBitIdentical) {
  TensorFile file;
  for (const auto type : {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16, at::kLong, at::kInt,
                          at::kByte, at::kBool}) {
    const std::string name = at::toString(type);
    file.tensors.emplace_back("types/" + name, (at::arange(24) % 7 - 1).view({2, 3, 4}).to(type));
    file.tensors.emplace_back("scalars/" + name, at::ones({}, type));
    file.tensors.emplace_back("empty/" + name, at::empty({0, 5}, type));
  }
  write_tensor_file(at("a.h5"), file);
  const auto back = read_tensor_file(at("a.h5"));
  ASSERT_EQ(back.tensors.size(), file.tensors.size());
  for (const auto& [name, tensor] : back.tensors) {
    const auto found = std::find_if(file.tensors.begin(), file.tensors.end(),
                                    [&](const auto& t) { return t.first == name; });
    ASSERT_NE(found, file.tensors.end()) << name;
    EXPECT_EQ(tensor.scalar_type(), found->second.scalar_type()) << name;
    EXPECT_EQ(tensor.sizes(), found->second.sizes()) << name;
    EXPECT_TRUE(at::equal(tensor, found->second)) << name;
  }
  EXPECT_TRUE(verify_tensor_file(at("a.h5")).empty());
}

TEST_F(TensorFileTest, ViewsAndGradientsAreWrittenByValue) {
  const auto whole = at::arange(20, at::kFloat).view({4, 5});
  auto leaf = at::ones({3}, at::kFloat).requires_grad_(true);
  write_tensor_file(at("a.h5"), {{}, {{"transposed", whole.t()}, {"leaf", leaf}}});
  const auto back = read_tensor_file(at("a.h5"));
  EXPECT_TRUE(at::equal(back.tensors[0].second, whole.t()));
  EXPECT_TRUE(back.tensors[0].second.is_contiguous());
  EXPECT_FALSE(back.tensors[1].second.requires_grad());
}

TEST_F(TensorFileTest, TensorsOfAGroupKeepTheirOrder) {
  write_tensor_file(
      at("a.h5"),
      {{}, {{"g/zebra", at::ones({1})}, {"g/ant", at::ones({1})}, {"g/moth", at::ones({1})}}});
  std::vector<std::string> names;
  for (const auto& tensor : list_tensors(at("a.h5"))) names.push_back(tensor.name);
  EXPECT_THAT(names, ElementsAre("g/zebra", "g/ant", "g/moth"));
}

TEST_F(TensorFileTest, AttributesComeBackWithTheirTypesBesideProvenance) {
  auto file = example();
  file.attributes["config"] =
      std::string(300'000, 'x') + "\nä = 1\n";  // far above an attribute's 64 KiB
  file.attributes["nothing"] = std::string();
  write_tensor_file(at("a.h5"), file);
  const auto attributes = read_attributes(at("a.h5"));
  for (const auto& [name, value] : file.attributes) EXPECT_EQ(attributes.at(name), value) << name;
  EXPECT_EQ(text_attribute(attributes, "format"), "m2mkd");
  EXPECT_EQ(integer_attribute(attributes, "format_version"), 1);
  for (const auto* name : {"program_version", "git", "created", "digest"})
    EXPECT_NE(text_attribute(attributes, name), "");
}

// Tables lie beside the tensors, are none of them, and are covered by the checksum at the end.
TEST_F(TensorFileTest, TablesComeBackAndChangeNoTensor) {
  TensorFile file = example();
  const auto digest = write_tensor_file(at("plain.h5"), file);
  file.tables = {{"results",
                  {{"note", std::string("x")}},
                  {{"metric", std::vector<std::string>{"acc1", "loss"}},
                   {"value", std::vector<double>{81.25, 0.5}},
                   {"count", std::vector<std::int64_t>{40, 40}}}},
                 {"empty", {}, {{"row", std::vector<std::int64_t>{}}}}};
  EXPECT_EQ(write_tensor_file(at("a.h5"), file), digest);
  const auto back = read_tensor_file(at("a.h5"));
  EXPECT_EQ(back.tensors.size(), file.tensors.size());
  EXPECT_EQ(list_tensors(at("a.h5")).size(), file.tensors.size());
  const TableFile tables = read_table_file(at("a.h5"));
  EXPECT_EQ(number_attribute(tables.attributes, "acc1"), 81.25);
  for (const auto* found : {&back.tables, &tables.groups}) {
    ASSERT_EQ(found->size(), 2U);
    for (std::size_t i = 0; i < 2; ++i) {
      EXPECT_EQ((*found)[i].path, file.tables[i].path);
      EXPECT_EQ((*found)[i].columns, file.tables[i].columns);
      EXPECT_EQ((*found)[i].attributes, file.tables[i].attributes);
    }
  }
  EXPECT_TRUE(read_table_file(at("plain.h5")).groups.empty());
  EXPECT_TRUE(verify_tensor_file(at("a.h5")).empty());
  auto bytes = read_text_file(at("a.h5"));
  const double value = 81.25;
  std::string wanted(reinterpret_cast<const char*>(&value), sizeof value);
  bytes[bytes.rfind(wanted)] ^= 1;  // the column, not the attribute
  write_text_file(at("b.h5"), bytes);
  EXPECT_FALSE(verify_tensor_file(at("b.h5")).empty());
  EXPECT_THROW(read_table_file(at("b.h5")), Error);
}

TEST_F(TensorFileTest, DigestIsOfTheTensorsAlone) {
  auto file = example();
  const auto digest = write_tensor_file(at("a.h5"), file);
  EXPECT_EQ(digest, text_attribute(read_attributes(at("a.h5")), "digest"));
  file.attributes["job"] = std::string("another");
  std::reverse(file.tensors.begin(), file.tensors.end());
  EXPECT_EQ(write_tensor_file(at("b.h5"), file), digest);
  file.tensors[0].second = file.tensors[0].second + 1;
  EXPECT_NE(write_tensor_file(at("b.h5"), file), digest);
  file = example();
  file.tensors[1].first = "renamed";
  EXPECT_NE(write_tensor_file(at("b.h5"), file), digest);
  file = example();
  file.tensors[0].second = file.tensors[0].second.view({100, 30});
  EXPECT_NE(write_tensor_file(at("b.h5"), file), digest);
}

TEST_F(TensorFileTest, DigestsAreXxh3AsDocumented) {
  EXPECT_EQ(xxh3_hex(std::string()), "2d06800538d394c2");  // XXH3-64 of nothing
  write_tensor_file(at("a.h5"), {{}, {{"b/c", at::zeros({2, 3}, at::kFloat)}}});
  const auto info = list_tensors(at("a.h5")).at(0);
  const std::vector<float> zeros(6);
  EXPECT_EQ(info.xxh3, xxh3_hex(zeros.data(), 24));
  EXPECT_EQ(info.bytes, 24);
  EXPECT_EQ(text_attribute(read_attributes(at("a.h5")), "digest"),
            xxh3_hex("b/c float32 [2,3] " + info.xxh3 + "\n"));
}

TEST_F(TensorFileTest, ReadsOnlyWhatIsWanted) {
  write_tensor_file(at("a.h5"), example());
  const auto back =
      read_tensor_file(at("a.h5"), [](const std::string& name) { return name == "shared/codes"; });
  ASSERT_EQ(back.tensors.size(), 1U);
  EXPECT_EQ(back.tensors[0].first, "shared/codes");
}

TEST_F(TensorFileTest, WrittenContentsCanBeWrittenAgain) {
  const auto digest = write_tensor_file(at("a.h5"), example());
  EXPECT_EQ(write_tensor_file(at("b.h5"), read_tensor_file(at("a.h5"))), digest);
  EXPECT_TRUE(verify_tensor_file(at("b.h5")).empty());
}

TEST_F(TensorFileTest, MisusedNamesAreRefusedBeforeAnythingIsWritten) {
  const auto one = at::ones({1});
  for (const auto* name : {"", "/a", "a/", "a//b"})
    EXPECT_THROW(write_tensor_file(at("a.h5"), {{}, {{name, one}}}), std::logic_error) << name;
  EXPECT_THROW(write_tensor_file(at("a.h5"), {{}, {{"a", one}, {"a", one}}}), std::logic_error);
  EXPECT_TRUE(std::filesystem::is_empty(folder()));
}

TEST_F(TensorFileTest, WhatCannotBeStoredIsNamedAndLeavesNothing) {
  const auto message = test::message_of([&] {
    write_tensor_file(at("a.h5"), {{}, {{"short", at::ones({1}, at::kShort)}}});
  });
  EXPECT_THAT(message, HasSubstr("short"));
  EXPECT_THAT(message, HasSubstr("a.h5"));
  const auto clash = test::message_of([&] {
    write_tensor_file(at("a.h5"), {{}, {{"a", at::ones({1})}, {"a/b", at::ones({1})}}});
  });
  EXPECT_THAT(clash, HasSubstr("a/b"));
  EXPECT_TRUE(std::filesystem::is_empty(folder()));
}

TEST(TypedAttributes, NameWhatIsMissingOrOfAnotherType) {
  const Attributes attributes{{"a", 1.5}, {"b", std::int64_t{2}}, {"c", std::string("x")}};
  EXPECT_EQ(number_attribute(attributes, "a"), 1.5);
  EXPECT_EQ(number_attribute(attributes, "b"), 2.0);
  EXPECT_THAT(test::message_of([&] { integer_attribute(attributes, "a"); }), HasSubstr("'a'"));
  EXPECT_THAT(test::message_of([&] { number_attribute(attributes, "c"); }), HasSubstr("'c'"));
  EXPECT_THAT(test::message_of([&] { text_attribute(attributes, "b"); }), HasSubstr("'b'"));
  EXPECT_THAT(test::message_of([&] { text_attribute(attributes, "d"); }),
              HasSubstr("'d' is missing"));
}

TEST(AttributeText, ComesBackWithoutWhatIsNoAttribute) {
  const Attributes attributes{
      {"acc1", 50.5}, {"job", std::string("distill.2 ü")}, {"stage", std::int64_t{2}}};
  EXPECT_EQ(attributes_from_text(attribute_text(attributes)), attributes);
  EXPECT_EQ(attributes_from_text(R"({"": 1, "a\u0000b": 1, "list": [1], "stage": 2})"),
            (Attributes{{"stage", std::int64_t{2}}}));
  EXPECT_TRUE(attributes_from_text("no JSON").empty());
}

}  // namespace
}  // namespace m2mkd
