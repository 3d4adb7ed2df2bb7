// Few-shot tasks against reference/vmoe §9 and against Python itself.

#include <fstream>
#include <sstream>

#include <gmock/gmock.h>

#include <m2mkd/base/error.hpp>
#include <m2mkd/data/few_shot.hpp>

#include "packed.hpp"

namespace m2mkd {
namespace {

using ::testing::ElementsAre;

// Image i is of class 7 i mod classes, so that classes are interleaved.
std::vector<std::int32_t> labels_of(std::int64_t images, std::int64_t classes) {
  std::vector<std::int32_t> labels;
  for (std::int64_t i = 0; i < images; ++i)
    labels.push_back(static_cast<std::int32_t>(7 * i % classes));
  return labels;
}

// What a script prints, as numbers; empty where python3 or NumPy is missing.
std::vector<std::vector<std::int64_t>> python(const std::string& script) {
  const test::Folder folder;
  const auto path = folder.path() / "script.py", out = folder.path() / "out";
  std::ofstream(path) << script;
  const auto command =
      "/usr/bin/python3 '" + path.string() + "' >'" + out.string() + "' 2>/dev/null";
  std::vector<std::vector<std::int64_t>> rows;
  if (std::system(command.c_str()) != 0) return rows;
  std::ifstream in(out);
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    rows.emplace_back(std::istream_iterator<std::int64_t>(words),
                      std::istream_iterator<std::int64_t>());
  }
  return rows;
}

TEST(FewShot, ClassesAreThoseOfThePublishedPython) {
  const auto labels = labels_of(1000, 100);
  const auto classes = [&](std::int64_t seed) {
    return draw_few_shot(labels, 100, 8, 1, seed).classes;
  };
  EXPECT_THAT(classes(1), ElementsAre(8, 15, 17, 32, 57, 63, 72, 97));
  EXPECT_THAT(classes(2), ElementsAre(7, 10, 11, 21, 39, 46, 85, 94));
  EXPECT_THAT(classes(3), ElementsAre(16, 30, 47, 60, 69, 75, 77, 80));
  EXPECT_THAT(classes(4), ElementsAre(11, 13, 19, 30, 38, 50, 61, 92));
  EXPECT_THAT(classes(5), ElementsAre(3, 32, 45, 67, 79, 83, 88, 94));
}

TEST(FewShot, SampleIsPythonsOwn) {
  const auto rows = python(
      "import random\n"
      "for seed in list(range(40)) + [2**31, 2**32 - 1]:\n"
      "    for n, k in ((1, 1), (5, 5), (21, 3), (22, 3), (22, 6), (37, 6), (38, 6), (85, 8), "
      "(86, 8), (100, 8), (200, 8), (1000, 64), (70000, 5)):\n"
      "        print(seed, n, k, *random.Random(seed).sample(range(n), k))\n");
  if (rows.empty()) GTEST_SKIP() << "python3 is not installed";
  EXPECT_EQ(rows.size(), 42u * 13u);
  for (const auto& row : rows)
    EXPECT_EQ(python_sample(row[1], row[2], static_cast<std::uint32_t>(row[0])),
              std::vector<std::int64_t>(row.begin() + 3, row.end()))
        << "seed " << row[0] << ", " << row[2] << " of " << row[1];
}

TEST(FewShot, TasksAreThoseOfPythonAndNumPy) {
  const auto rows = python(R"(
import random
import numpy as np
for seed in list(range(1, 30)) + [2**32 - 1]:
    for images, classes, ways, n in ((1000, 100, 8, 1), (1000, 100, 8, 5), (600, 20, 5, 15), (90, 30, 8, 10), (70001, 10, 3, 5)):
        labels = np.array([7 * i % classes for i in range(images)])
        random.seed(seed)
        chosen = random.sample(range(classes), ways)
        np.random.seed(seed)
        task = []
        for c in chosen:
            task.extend(np.random.permutation(np.where(labels == c)[0])[:n])
        task = np.random.permutation(task)
        rank = {c: i for i, c in enumerate(sorted(chosen))}
        print(images, classes, ways, n, seed, *task, *(rank[labels[i]] for i in task))
)");
  if (rows.empty()) GTEST_SKIP() << "python3-numpy is not installed";
  EXPECT_EQ(rows.size(), 30u * 5u);
  for (const auto& row : rows) {
    const auto task = draw_few_shot(labels_of(row[0], row[1]), row[1], row[2], row[3], row[4]);
    auto found = task.images;
    found.insert(found.end(), task.labels.begin(), task.labels.end());
    EXPECT_EQ(found, std::vector<std::int64_t>(row.begin() + 5, row.end()))
        << "seed " << row[4] << ", " << row[2] << " ways of " << row[1] << ", " << row[3]
        << " shots";
  }
}

TEST(FewShot, LabelsAreRanksOfClassesAndShotsAreEven) {
  const auto labels = labels_of(400, 40);
  const auto task = draw_few_shot(labels, 40, 6, 4, 9);
  ASSERT_EQ(task.images.size(), 24u);
  std::vector<int> count(6);
  for (std::size_t k = 0; k < task.images.size(); ++k) {
    const auto label = static_cast<std::size_t>(task.labels[k]);
    EXPECT_EQ(labels[static_cast<std::size_t>(task.images[k])], task.classes[label]);
    ++count[label];
  }
  EXPECT_THAT(count, testing::Each(4));
}

TEST(FewShot, RefusesSeedZeroAndTooManyWays) {
  const auto labels = labels_of(40, 4);
  EXPECT_THROW(draw_few_shot(labels, 4, 2, 1, 0), ConfigError);
  EXPECT_THROW(draw_few_shot(labels, 4, 5, 1, 1), ConfigError);
  EXPECT_THROW(draw_few_shot(labels, 4, 2, 1, std::int64_t{1} << 32), ConfigError);
  EXPECT_EQ(draw_few_shot(labels, 4, 4, 100, 1).images.size(), 40u);  // no more than there are
}

}  // namespace
}  // namespace m2mkd
