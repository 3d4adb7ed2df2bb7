// torch's files: what PyTorch wrote is read (tests/golden/make_checkpoints.py), what is written
// comes back, and nothing that a file claims is believed.

#include <ATen/ATen.h>

#include <m2mkd/store/safetensors.hpp>
#include <m2mkd/store/text_file.hpp>
#include <m2mkd/store/torch_file.hpp>

#include "scratch.hpp"
#include "torch_bytes.hpp"

namespace m2mkd {
namespace {

using testing::HasSubstr;
using TorchFileTest = test::Scratch;

const std::filesystem::path golden = M2MKD_SOURCE_DIR "/tests/golden/checkpoints";

std::map<std::string, at::Tensor> read_dict(const TorchFile& file, const TorchValue& dict) {
  std::map<std::string, at::Tensor> tensors;
  for (const auto& [key, value] : *dict.as<TorchValue::Dict>())
    tensors[*key->as<std::string>()] = file.read(*value->as<StoredTensor>());
  return tensors;
}

std::map<std::string, at::Tensor> expected() {
  std::map<std::string, at::Tensor> tensors;
  for (const auto& [name, tensor] : read_safetensors(golden / "deit.safetensors").tensors)
    tensors[name] = tensor;
  return tensors;
}

void expect_equal(const std::map<std::string, at::Tensor>& a,
                  const std::map<std::string, at::Tensor>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [name, tensor] : a) {
    ASSERT_TRUE(b.contains(name)) << name;
    EXPECT_EQ(tensor.scalar_type(), b.at(name).scalar_type()) << name;
    EXPECT_TRUE(tensor.is_contiguous()) << name;
    EXPECT_TRUE(at::equal(tensor, b.at(name))) << name;
  }
}

TEST_F(TorchFileTest, ReadsWhatPyTorchWrote) {
  const auto weights = expected();
  EXPECT_EQ(weights.size(), 56U);
  const TorchFile zip(golden / "deit.pth"), old(golden / "deit_legacy.pth"),
      training(golden / "checkpoint.pth");
  expect_equal(read_dict(zip, zip.root()), weights);
  expect_equal(read_dict(old, *old.root().find("model")), weights);
  EXPECT_EQ(old.root().find("args")->describe(), "argparse.Namespace");
  const auto& stages = *training.root().find("model_stages")->as<TorchValue::List>();
  ASSERT_EQ(stages.size(), 2U);
  EXPECT_EQ(stages[1]->find("pos_embed"), nullptr);
  EXPECT_TRUE(
      at::equal(training.read(*stages[1]->find("blocks.1.mlp.fc2.weight")->as<StoredTensor>()),
                weights.at("blocks.3.mlp.fc2.weight")));
  EXPECT_EQ(*training.root().find("epoch")->as<std::int64_t>(), 99);
  EXPECT_EQ(*training.root().find("scaler")->find("scale")->as<double>(), 65536.0);
  EXPECT_EQ(training.root().find("nothing"), nullptr);
}

TEST_F(TorchFileTest, ReadsParametersAndViewsOfSharedStorages) {
  const TorchFile file(golden / "half.pth");
  const auto* dict = file.root().find("state_dict");
  auto weights = expected();
  for (const auto& [name, tensor] : read_dict(file, *dict)) {
    EXPECT_EQ(tensor.scalar_type(), at::kHalf) << name;
    auto whole = weights.at(name.substr(7)).to(at::kHalf);
    if (name.ends_with("norm1.bias")) whole = whole.narrow(0, 0, 1).expand({12});
    EXPECT_TRUE(at::equal(tensor, whole)) << name;
  }
}

TEST_F(TorchFileTest, EveryElementTypeAndShapeComesBackBitIdentical) {
  NamedTensors tensors;
  for (const auto type : {at::kBool, at::kByte, at::kHalf, at::kBFloat16, at::kInt, at::kFloat,
                          at::kDouble, at::kLong}) {
    const std::string name = at::toString(type);
    tensors.emplace_back("many." + name, (at::arange(15) % 7 - 1).view({3, 5}).to(type));
    tensors.emplace_back("scalar." + name, at::ones({}, type));
    tensors.emplace_back("empty." + name, at::empty({0, 5}, type));
  }
  tensors.emplace_back("view ü", at::arange(20, at::kFloat).view({4, 5}).t());
  const auto bits = at::tensor({0x7fc00001, static_cast<int>(0xffc0ffee)}, at::kInt);
  tensors.emplace_back("nan", bits.view(at::kFloat));
  write_torch_file(at("a.pth"), tensors);
  const TorchFile file(at("a.pth"));
  const auto& dict = *file.root().as<TorchValue::Dict>();
  ASSERT_EQ(dict.size(), tensors.size());
  for (std::size_t i = 0; i < dict.size(); ++i) {
    const auto& [name, tensor] = tensors[i];
    EXPECT_EQ(*dict[i].first->as<std::string>(), name);
    const auto back = file.read(*dict[i].second->as<StoredTensor>());
    EXPECT_EQ(back.scalar_type(), tensor.scalar_type()) << name;
    EXPECT_TRUE(back.is_contiguous()) << name;
    if (name == "nan")
      EXPECT_TRUE(at::equal(back.view(at::kInt), bits));
    else
      EXPECT_TRUE(at::equal(back, tensor)) << name;
  }
  for (const auto& entry : std::filesystem::directory_iterator(folder()))
    EXPECT_EQ(entry.path().filename(), "a.pth");

  write_torch_file(at("a.pth"), tensors, "model");
  const TorchFile nested(at("a.pth"));
  const auto& outer = *nested.root().as<TorchValue::Dict>();
  ASSERT_EQ(outer.size(), 1u);
  EXPECT_EQ(*outer[0].first->as<std::string>(), "model");
  const auto& inner = *outer[0].second->as<TorchValue::Dict>();
  ASSERT_EQ(inner.size(), tensors.size());
  for (std::size_t i = 0; i < inner.size(); ++i)
    EXPECT_EQ(*inner[i].first->as<std::string>(), tensors[i].first);
}

TEST_F(TorchFileTest, WhatCannotBeWrittenLeavesTheTargetUntouched) {
  write_torch_file(at("a.pth"), {{"x", at::ones({1})}});
  const auto before = read_text_file(at("a.pth"));
  EXPECT_THAT(test::message_of([&] {
                write_torch_file(at("a.pth"), {{"short", at::ones({1}, at::kShort)}});
              }),
              HasSubstr("'short'"));
  EXPECT_THROW(write_torch_file(at("a.pth"), {{"a", at::ones({1})}, {"a", at::ones({1})}}),
               std::logic_error);
  EXPECT_EQ(read_text_file(at("a.pth")), before);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder()), {}), 1);
}

TEST_F(TorchFileTest, OtherFilesAreRefusedWithTheReason) {
  EXPECT_THAT(test::message_of([&] { TorchFile(at("none.pth")); }), HasSubstr("No such file"));
  EXPECT_THAT(test::message_of([&] { TorchFile{folder()}; }), HasSubstr("regular file"));
  EXPECT_THAT(test::message_of([&] { TorchFile(golden / "deit.safetensors"); }),
              HasSubstr("not a file of torch"));
  std::ofstream(at("empty.pth"));
  EXPECT_THAT(test::message_of([&] { TorchFile(at("empty.pth")); }),
              HasSubstr("not a file of torch"));
}

TEST_F(TorchFileTest, DamagedDataOfAnArchiveAreNoticed) {
  write_torch_file(at("a.pth"), {{"x", at::full({100}, 1.5, at::kFloat)}});
  damage(at("a.pth"), std::string("\0\0\xc0\x3f\0\0\xc0\x3f", 8));
  const TorchFile file(at("a.pth"));
  EXPECT_THAT(test::message_of([&] { file.read(*file.root().find("x")->as<StoredTensor>()); }),
              testing::AllOf(HasSubstr("a.pth"), HasSubstr("CRC-32")));
}

// Every instruction stream here is one that PyTorch would not write.
TEST_F(TorchFileTest, ClaimsThatTheFileDoesNotBearOutAreRefused) {
  using namespace test;
  struct Case {
    std::string pickle;
    const char* message;
  };
  const auto view = [](std::int64_t offset, std::vector<std::int64_t> sizes,
                       std::vector<std::int64_t> strides) {
    return tensor_text("Float", "s", 4, offset, sizes, strides);
  };
  const auto huge = std::int64_t{1} << 62;
  const std::vector<Case> cases{
      {"cos\nsystem\n" + text("ls") + "\x85R", "'os.system'"},
      {"c__builtin__\neval\n", "'__builtin__.eval'"},
      {"cnumpy.core.multiarray\nscalar\n", "'numpy.core.multiarray.scalar'"},
      {"\x8c\x02os\x8c\x06system\x93", "'os.system'"},
      {"ctorch\nfloat32\n)R", "called"},
      {"ctorch._utils\n_rebuild_tensor_v2\n)R", "0 arguments"},
      {view(0, {5}, {1}), "reaches to element 4 of storage 's', which has 4"},
      {view(1, {2, 2}, {2, 1}), "reaches to element 4"},
      {view(0, {2}, {huge}), "reaches"},
      {view(0, {3, 3}, {huge, huge}), "larger than any memory"},
      {view(0, {huge, huge}, {0, 0}), "larger than any memory"},
      {view(0, {-1}, {1}), "-1"},
      {view(0, {2}, {-1}), "-1"},
      {view(-1, {2}, {1}), "-1"},
      {view(0, {2, 2}, {1}), "2 sizes and 1 strides"},
      {tensor_text("Complex", "s", 4, 0, {1}, {1}), "'torch.ComplexStorage'"},
      {tensor_text("Float", "s", huge, 0, {1}, {1}), "more than any memory"},
      {tensor_text("Float", "s", 5, 0, {1}, {1}), "5 were announced"},
      {tensor_text("Float", "other", 4, 0, {1}, {1}), "storage 's', of which its values"},
      {"h\x07", "value 7 of its memo"},
      {"0", "stack is empty"},
      {"]N(0", "stack is empty"},
      {"t", "mark is missing"},
      {"}(NNNu", "no value"},
      {"NNa", "added to None"},
      {"Nb", "stack is empty"},
      {"X\xff\xff\xff\xffzz", "4294967295 bytes are announced"},
      {std::string("\x8d\xff\xff\xff\xff\xff\xff\xff\xff", 9), "announced"},
      {"cno", "does not end"},
      {"I12\n", "instruction 0x49"},
      {"]Q", "a storage is named by a list of 0"},
      {std::string("\x80\x01N", 3), "protocol is 1"},
  };
  for (const auto& c : cases) {
    std::ofstream(at("a.pth"), std::ios::binary) << stream_text(c.pickle + ".", 4);
    EXPECT_THAT(message_of([&] { TorchFile(at("a.pth")); }), HasSubstr(c.message)) << c.pickle;
  }
}

TEST_F(TorchFileTest, ValuesNestedInThemselvesAndExpandedTensorsDoNoHarm) {
  using namespace test;
  const auto pickle = "}(" + text("l") + "]q\x01h\x01" + "a" + text("x") +
                      tensor_text("Float", "s", 4, 0, {1 << 20, 1 << 20}, {0, 0}) + "u.";
  std::ofstream(at("a.pth"), std::ios::binary) << stream_text(pickle, 4);
  const TorchFile file(at("a.pth"));
  const auto* list = file.root().find("l");
  EXPECT_EQ(list->as<TorchValue::List>()->at(0), list);
  EXPECT_THAT(message_of([&] { file.read(*file.root().find("x")->as<StoredTensor>()); }),
              HasSubstr("expanded"));
}

// Whatever damage does: an Error or a value, nothing else.
TEST_F(TorchFileTest, TruncatedAndFlippedFilesAreReadOrRefused) {
  write_torch_file(at("zip.pth"),
                   {{"x", at::arange(5, at::kFloat)}, {"b", at::ones({2}, at::kBool)}});
  std::ofstream(at("old.pth"), std::ios::binary) << test::stream_text(
      "}(" + test::text("x") + test::tensor_text("Float", "s", 4, 0, {2, 2}, {2, 1}) + "u.", 4);
  const auto refused = [&](const std::string& bytes) {
    std::ofstream(at("damaged.pth"), std::ios::binary) << bytes;
    try {
      const TorchFile file(at("damaged.pth"));
      if (const auto* dict = file.root().as<TorchValue::Dict>())
        for (const auto& [key, value] : *dict)
          if (const auto* tensor = value->as<StoredTensor>()) file.read(*tensor);
      return false;
    } catch (const Error&) {
      return true;
    }
  };
  for (const auto* name : {"zip.pth", "old.pth"}) {
    const auto whole = read_text_file(at(name));
    EXPECT_FALSE(refused(whole));
    for (std::size_t size = 0; size < whole.size(); ++size)
      EXPECT_TRUE(refused(whole.substr(0, size))) << name << ": " << size << " bytes";
    int count = 0;
    for (std::size_t byte = 0; byte < whole.size(); ++byte)
      for (const int flip : {1, 0x80, 0xff}) {
        auto damaged = whole;
        damaged[byte] = static_cast<char>(damaged[byte] ^ flip);
        count += refused(damaged);
      }
    EXPECT_GT(count, static_cast<int>(whole.size() / 4)) << name;
  }
}

}  // namespace
}  // namespace m2mkd
