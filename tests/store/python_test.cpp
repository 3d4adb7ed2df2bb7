// A scientist's own script reads tensor files and data sets with plain h5py.

#include <ATen/ATen.h>

#include <m2mkd/store/image_file.hpp>
#include <m2mkd/store/tensor_file.hpp>

#include "scratch.hpp"

namespace m2mkd {
namespace {

using PythonTest = test::Scratch;

TEST_F(PythonTest, ReadsEveryElementTypeAndTexts) {
  TensorFile file;
  std::string config(200'000, 'c');
  config += "ü";
  file.attributes = {{"config", config}, {"acc1", 81.5}, {"step", std::int64_t{12}}};
  for (const auto type : {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16, at::kLong, at::kInt,
                          at::kByte, at::kBool}) {
    file.tensors.emplace_back(std::string("stages/0/") + at::toString(type),
                              at::arange(2, at::kFloat).mul(1.5).to(type));
  }
  write_tensor_file(at("a.h5"), file);
  const auto status = python(R"(
f = h5py.File(sys.argv[1])
assert type(f.attrs["config"]) is str and len(f.attrs["config"]) == 200001 and f.attrs["config"][-1] == "ü"
assert f.attrs["acc1"] == 81.5 and f.attrs["step"] == 12 and f.attrs["format"] == "m2mkd"
g = f["stages/0"]
for name, dtype in dict(Float="f4", Double="f8", Half="f2").items():
    assert g[name].dtype == dtype and g[name][:].tolist() == [0, 1.5], name
for name, dtype in dict(Long="i8", Int="i4", Byte="u1", Bool="u1").items():
    assert g[name].dtype == dtype and g[name][:].tolist() == [0, 1], name
assert g["Bool"].attrs["dtype"] == "bool" and g["BFloat16"].attrs["dtype"] == "bfloat16"
wide = (g["BFloat16"][:].astype("u4") << 16).view("f4")
assert wide.tolist() == [0, 1.5]
assert len(g["Float"].attrs["xxh3"]) == 16
)",
                             at("a.h5"));
  if (status == -1) GTEST_SKIP() << "python3-h5py is not installed";
  EXPECT_EQ(status, 0);
}

TEST_F(PythonTest, LargeDatasetsAreContiguousAndPageAligned) {
  write_tensor_file(
      at("a.h5"),
      {{}, {{"small", at::ones({3})}, {"a", at::ones({5000})}, {"b", at::ones({70000})}}});
  const auto status = python(R"(
f = h5py.File(sys.argv[1])
for name in "ab":
    assert f[name].chunks is None and f[name].id.get_offset() % 4096 == 0, name
)",
                             at("a.h5"));
  if (status == -1) GTEST_SKIP() << "python3-h5py is not installed";
  EXPECT_EQ(status, 0);
}

TEST_F(PythonTest, ReadsAPackedDataSet) {
  ImageFileInfo info;
  info.name = "toy";
  info.split = "test";
  info.count = info.height = 2;
  info.width = info.channels = 1;
  info.classes = {"cat", "dög"};
  ImageFileWriter writer(at("test.h5"), info);
  writer.add(std::vector{std::byte{1}, std::byte{2}}, 1);
  writer.add(std::vector{std::byte{3}, std::byte{4}}, 0);
  writer.finish();
  const auto status = python(R"(
f = h5py.File(sys.argv[1])
assert f["images/pixels"].shape == (2, 2, 1, 1) and f["images/pixels"].dtype == "u1"
assert f["images/pixels"][1].ravel().tolist() == [3, 4] and f["labels"][:].tolist() == [1, 0]
assert f["classes"].asstr()[:].tolist() == ["cat", "dög"]
assert f.attrs["split"] == "test" and f.attrs["mean"].shape == (1,)
)",
                             at("test.h5"));
  if (status == -1) GTEST_SKIP() << "python3-h5py is not installed";
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace m2mkd
