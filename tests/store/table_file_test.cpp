#include <m2mkd/store/tensor_file.hpp>
#include <m2mkd/store/text_file.hpp>

#include "scratch.hpp"

namespace m2mkd {
namespace {

using testing::HasSubstr;

class TableFileTest : public test::Scratch {
 protected:
  static TableFile example() {
    TableFile file;
    file.attributes["config"] = std::string("[train]\n");
    auto& epochs = file.group("epochs");
    epochs.attributes["job"] = std::string("distill.0");
    epochs.columns = {{"epoch", std::vector<std::int64_t>{1, 2, 3}},
                      {"loss", std::vector<double>{2.5, 1.25, 0.1}},
                      {"acc1", std::vector<double>{10, 20, 30}}};
    file.group("methods/m2mkd").attributes = {{"acc1", 82.5}, {"images", std::int64_t{60000}}};
    file.group("methods/e2e").attributes = {{"acc1", 81.0}};
    file.group("jobs").columns = {{"job", std::vector<std::string>{"pretrain", "", "größe"}},
                                  {"seconds", std::vector<double>{1, 2, 3}}};
    return file;
  }
};

TEST_F(TableFileTest, GroupsAttributesAndColumnsComeBackInOrder) {
  const auto file = example();
  write_table_file(at("summary.h5"), file);
  const auto back = read_table_file(at("summary.h5"));
  EXPECT_EQ(back.attributes.at("config"), file.attributes.at("config"));
  EXPECT_EQ(text_attribute(back.attributes, "format"), "m2mkd-table");
  ASSERT_EQ(back.groups.size(), file.groups.size());
  for (std::size_t i = 0; i < file.groups.size(); ++i) {
    EXPECT_EQ(back.groups[i].path, file.groups[i].path);
    EXPECT_EQ(back.groups[i].attributes, file.groups[i].attributes) << file.groups[i].path;
    EXPECT_EQ(back.groups[i].columns, file.groups[i].columns) << file.groups[i].path;
  }
}

TEST_F(TableFileTest, EmptyColumnsAndGroupsComeBack) {
  TableFile file;
  file.group("steps").columns = {{"step", std::vector<std::int64_t>{}},
                                 {"loss", std::vector<double>{}}};
  file.group("hybrids").columns = {{"name", std::vector<std::string>{}}};
  file.group("timeline");
  write_table_file(at("a.h5"), file);
  const auto back = read_table_file(at("a.h5"));
  ASSERT_EQ(back.groups.size(), 3U);
  EXPECT_EQ(back.groups[0].columns, file.groups[0].columns);
  EXPECT_EQ(back.groups[1].columns, file.groups[1].columns);
}

TEST_F(TableFileTest, DamagedNumbersAreFound) {
  TableFile file;
  file.group("epochs").columns = {{"loss", std::vector<double>(100, 1.2345)}};
  write_table_file(at("a.h5"), file);
  const double value = 1.2345;
  damage(at("a.h5"), std::string(reinterpret_cast<const char*>(&value), sizeof value));
  EXPECT_THAT(test::message_of([&] { read_table_file(at("a.h5")); }), HasSubstr("it is damaged"));
}

TEST_F(TableFileTest, FindAndGroupAgree) {
  auto file = example();
  EXPECT_EQ(file.find("nothing"), nullptr);
  EXPECT_EQ(file.find("epochs"), &file.group("epochs"));
  const auto count = file.groups.size();
  file.group("new");
  EXPECT_EQ(file.groups.size(), count + 1);
}

TEST_F(TableFileTest, ColumnsOfOneGroupHaveOneLength) {
  TableFile file;
  file.group("epochs").columns = {{"epoch", std::vector<double>{1, 2}},
                                  {"loss", std::vector<double>{1}}};
  EXPECT_THROW(write_table_file(at("a.h5"), file), std::logic_error);
  EXPECT_TRUE(std::filesystem::is_empty(folder()));
}

TEST_F(TableFileTest, PandasReadsItAndSeesTheDimensionScale) {
  if (std::system("/usr/bin/python3 -c 'import pandas' 2>/dev/null") != 0)
    GTEST_SKIP() << "python3-pandas is not installed";
  write_table_file(at("a.h5"), example());
  const auto status = python(R"(
import pandas as pd
f = h5py.File(sys.argv[1])
table = pd.DataFrame({k: v[:] for k, v in f["epochs"].items()})
assert list(table.columns) == ["epoch", "loss", "acc1"], table.columns
assert table.acc1.tolist() == [10, 20, 30] and table.epoch.dtype == "int64"
assert h5py.h5ds.is_scale(f["epochs/epoch"].id) and f["epochs/loss"].dims[0][0] == f["epochs/epoch"]
assert f["epochs"].attrs["job"] == "distill.0" and type(f.attrs["config"]) is str
assert f["methods/m2mkd"].attrs["images"] == 60000
assert f["jobs/job"].asstr()[:].tolist() == ["pretrain", "", "größe"]
)",
                             at("a.h5"));
  if (status == -1) GTEST_SKIP() << "python3-h5py is not installed";
  EXPECT_EQ(status, 0);
}

TEST_F(TableFileTest, TextFilesComeBackAndReplaceWhole) {
  write_text_file(at("status/job.json"), "{}\n");
  write_text_file(at("status/job.json"), std::string("a\0b", 3));
  EXPECT_EQ(read_text_file(at("status/job.json")), std::string("a\0b", 3));
  EXPECT_THAT(test::message_of([&] { read_text_file(at("absent")); }), HasSubstr("No such file"));
}

}  // namespace
}  // namespace m2mkd
