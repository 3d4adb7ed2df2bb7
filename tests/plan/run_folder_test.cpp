#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/run/run_folder.hpp>
#include <m2mkd/store/table_file.hpp>

namespace m2mkd {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class RunFolderTest : public testing::Test {
 protected:
  RunFolderTest() {
    std::string pattern = (fs::temp_directory_path() / "m2mkd_own_XXXXXX").string();
    top_ = fs::canonical(::mkdtemp(pattern.data()));
  }
  ~RunFolderTest() override { fs::remove_all(top_); }

  RunFolder folder(const std::string& name = "run") const { return {top_ / name}; }
  void put(const std::string& name, const std::string& text = "x") const {
    fs::create_directories((top_ / name).parent_path());
    std::ofstream(top_ / name) << text;
  }
  void make_candidate(const std::string& name) const {
    folder(name).write_config("[run]\n");
    folder(name).prepare();
  }
  /// The complaint about a folder, empty where there is none; it never changes anything.
  std::string complaint(const std::string& name = "run") const {
    try {
      folder(name).require_own();
      return "";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::usage);
      return error.what();
    }
  }
  fs::path top_;
};

TEST_F(RunFolderTest, AbsentEmptyAndOwnFoldersAreTaken) {
  EXPECT_EQ(complaint(), "");
  EXPECT_FALSE(fs::exists(folder().dir));
  put("run/thesis.tmp.tex");  // not under our names
  put("run/photos/other.jpg");
  EXPECT_EQ(complaint(), "");
  make_candidate("run");
  put("run/modules/pretrain.h5");
  EXPECT_EQ(complaint(), "");
}

TEST_F(RunFolderTest, ForeignThingsUnderOurNamesAreRefusedByName) {
  for (const auto* name : {"config.ini", "run.log", "plan.json", "summary.h5", "modules/setup.py",
                           "status/notes.txt", "priors/a.h5", "checkpoints/game.save"}) {
    put(std::string("run/") + name, "my own settings");
    EXPECT_THAT(complaint(), HasSubstr(name));
    fs::remove_all(top_ / "run");
  }
}

TEST_F(RunFolderTest, ModulesOfAnotherRunMayBeBroughtAlong) {
  for (const auto* name : {"modules/pretrain.h5", "modules/incubate.seed2.0.h5",
                           "metrics/final.e2e.h5", "modules/final.e2e.h5.tmp.77"})
    put(std::string("run/") + name);
  EXPECT_EQ(complaint(), "");
}

TEST_F(RunFolderTest, ARunOfAnEarlierVersionIsKnownByItsPlan) {
  put("run/config.ini", "[run]\n");
  EXPECT_THAT(complaint(), HasSubstr("config.ini"));
  put("run/plan.json", R"({"format": "m2mkd plan", "ranks": 1, "waves": []})");
  EXPECT_EQ(complaint(), "");
}

TEST_F(RunFolderTest, InAndAroundAnotherRunIsRefused) {
  make_candidate("top/a/b");
  EXPECT_THAT(complaint("top"), HasSubstr("lies around " + (top_ / "top/a/b").string()));
  EXPECT_THAT(complaint("top/a/b/c/d"), HasSubstr("lies in " + (top_ / "top/a/b").string()));
  EXPECT_EQ(complaint("top/a/c"), "");
  EXPECT_EQ(complaint("top/a/b"), "");
  fs::create_directory_symlink(top_ / "top/a/b", top_ / "link");
  EXPECT_THAT(complaint("link/inside"), HasSubstr("lies in"));
}

TEST_F(RunFolderTest, OnlyLeftoversOfThisProgramGo) {
  make_candidate("run");
  const std::vector<std::string> ours{"config.ini.tmp.1",
                                      "modules/final.e2e.h5.tmp.2",
                                      "metrics/pretrain.h5.tmp.3",
                                      "status/distill.0.json.tmp.4",
                                      "priors/0123456789abcdef.h5.tmp.5",
                                      "checkpoints/distill.0/step-0000000012.h5.tmp.6"};
  const std::vector<std::string> theirs{"thesis.tmp.tex",
                                        "photos/me.tmp.jpg",
                                        "notes.tmp.7",
                                        "modules/x.h5.tmp.1",
                                        "deeper/modules/final.e2e.h5.tmp.2",
                                        "checkpoints/distill.0/deeper/step-0000000012.h5.tmp.6",
                                        "checkpoints/mine/step-0000000012.h5.tmp.6"};
  for (const auto* list : {&ours, &theirs})
    for (const auto& name : *list) put("run/" + name);
  folder().prepare();
  for (const auto& name : ours) EXPECT_FALSE(fs::exists(top_ / "run" / name)) << name;
  for (const auto& name : theirs) EXPECT_TRUE(fs::exists(top_ / "run" / name)) << name;
}

}  // namespace
}  // namespace m2mkd
