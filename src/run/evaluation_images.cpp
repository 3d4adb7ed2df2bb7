#include <algorithm>
#include <set>

#include <m2mkd/base/log.hpp>
#include <m2mkd/base/stop.hpp>
#include <m2mkd/base/stopwatch.hpp>
#include <m2mkd/comm/on_root.hpp>
#include <m2mkd/data/decodable.hpp>
#include <m2mkd/run/evaluation_images.hpp>

namespace m2mkd {

namespace {

constexpr std::int64_t chunk = 2048;  ///< images between two looks at a stop
constexpr std::size_t named = 10;

// This rank's share of the split's images, by their place in the file.
std::vector<std::int64_t> share(const Dataset& dataset, const Communicator& world) {
  std::vector<std::int64_t> images;
  for (std::int64_t i = world.rank(); i < dataset.size(); i += world.size())
    images.push_back(dataset.index(i));
  return images;
}

std::string decode_share(const Dataset& dataset, const std::filesystem::path& path,
                         const Communicator& world,
                         const std::function<void(const std::string& what)>& beat) {
  const auto images = share(dataset, world);
  std::vector<Undecodable> damaged;
  for (std::size_t first = 0; first < images.size() && !stop::requested(); first += chunk) {
    beat("decoding the images of " + path.string());
    const auto count = std::min<std::size_t>(chunk, images.size() - first);
    for (auto& one : undecodable(dataset.file(), std::span(images).subspan(first, count)))
      damaged.push_back(std::move(one));
  }
  return undecodable_text(dataset.file(), path, damaged);
}

}  // namespace

std::string undecodable_text(const ImageFile& file, const std::filesystem::path& path,
                             const std::vector<Undecodable>& damaged) {
  std::string text;
  for (std::size_t i = 0; i < std::min(named, damaged.size()); ++i) {
    const auto label =
        static_cast<std::size_t>(file.labels()[static_cast<std::size_t>(damaged[i].image)]);
    text += fmt::format("{}image {} of {}, class '{}': {}", i == 0 ? "" : "\n", damaged[i].image,
                        path.string(), file.info().classes[label], damaged[i].reason);
  }
  if (damaged.size() > named) text += fmt::format("\nand {} more", damaged.size() - named);
  return text;
}

void decode_evaluation_images(const std::vector<const Job*>& jobs, const Communicator& world,
                              const std::function<void(const std::string& what)>& beat) {
  const Stopwatch watch;
  std::set<std::string> seen;
  std::int64_t count = 0;
  std::string mine;
  for (const Job* job : jobs)
    for (const auto& evaluation : job->evaluations) {
      const bool validates = evaluation.split == Split::validation;
      const auto path = validates ? job->data.train : evaluation.data.test;
      if (!seen.insert(
                   fmt::format("{} {}", path.string(), validates ? job->data.validation_images : 0))
               .second)
        continue;
      const Dataset dataset = evaluation.open();
      if (dataset.file().info().form != ImageForm::encoded) continue;
      count += dataset.size();
      const auto text = decode_share(dataset, path, world, beat);
      if (!text.empty()) mine += text + "\n";
    }
  std::string all;
  for (const auto& text : world.all_gather(mine)) all += text;
  if (!all.empty())
    throw CollectiveError("images to evaluate on cannot be decoded:\n" + all +
                              "Pack the data set again from sound files",
                          ExitCode::failed);
  if (count > 0 && !stop::requested())
    log::info("{} images to evaluate on can be decoded ({:.1f} s)", count, watch.seconds());
}

}  // namespace m2mkd
