#include <m2mkd/store/leftovers.hpp>
#include <m2mkd/store/text_file.hpp>

#include "scratch.hpp"

namespace m2mkd {
namespace {

TEST(PublishedName, IsToldByTheExactPatternAlone) {
  EXPECT_EQ(final_name("final.e2e.h5.tmp.812"), "final.e2e.h5");
  EXPECT_EQ(final_name("a.tmp.1.tmp.2"), "a.tmp.1");
  for (const auto* other : {"thesis.tmp.tex", "a.h5.tmp.", "a.h5.tmp.12x", ".tmp.12", "a.h5", "",
                            "a.h5.tmp.12.bak", "a.h5.tmp.-1"})
    EXPECT_EQ(final_name(other), "") << other;
}

class LeftoversTest : public test::Scratch {};

TEST_F(LeftoversTest, OnlyOursGoAndOnlyFromThisFolder) {
  for (const auto* name : {"a.h5.tmp.12", "b.h5.tmp.12", "a.h5.tmp.tex", "a.h5", "in/a.h5.tmp.12"})
    write_text_file(at(name), "x");
  std::filesystem::create_directory(at("a.h5.tmp.13"));
  std::filesystem::create_symlink(at("a.h5"), at("a.h5.tmp.14"));
  remove_leftovers(folder(), [](const std::string& name) { return name == "a.h5"; });
  EXPECT_FALSE(std::filesystem::exists(at("a.h5.tmp.12")));
  for (const auto* name :
       {"b.h5.tmp.12", "a.h5.tmp.tex", "a.h5", "in/a.h5.tmp.12", "a.h5.tmp.13", "a.h5.tmp.14"})
    EXPECT_TRUE(std::filesystem::exists(at(name))) << name;
  EXPECT_NO_THROW(remove_leftovers(at("absent"), [](const std::string&) { return true; }));
}

}  // namespace
}  // namespace m2mkd
