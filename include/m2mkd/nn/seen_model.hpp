#pragma once
// The model that a file's tensors make, found from their names and shapes and checked strictly.

#include <map>
#include <string>
#include <utility>
#include <vector>

#include <m2mkd/config/settings.hpp>
#include <m2mkd/nn/models.hpp>
#include <m2mkd/nn/weights.hpp>

namespace m2mkd {

/// Settings of a model as they were written: "teacher.heads" → "12".
using WrittenSettings = std::vector<std::pair<std::string, std::string>>;
/// What was done to the tensors, by their name "stages/<i>/<key>".
using EditNotes = std::map<std::string, std::string>;

/// A stage that the file has in its distill form, and the chain that its stitches lead to.
struct SeenForm {
  Surrounding around;
  StitchRule stitch = StitchRule::never;
};

struct SeenModel {
  ModelOptions options;
  ImageShape image;
  std::int64_t image_sides = 1;  ///< image.size and so many minus one beyond it fit the weights
  /// What leaves no trace in the weights (heads, top_k, norm_eps, pooling, activation, a NAC's side
  /// of images) is, without a setting, what is usual for such a width, which `guesses` says line by
  /// line; heads of another width stay unknown (1).
  bool heads_known = false;
  std::vector<std::string> guesses;
  std::map<int, SeenForm> distilled;
  bool whole = false;    ///< all stages are there, from the patches to the head
  NamedTensors tensors;  ///< "stages/<i>/<key>" in the model's own order
};

/// Which keys of a model a setting gives, and how a guess of another is noted.
struct Guessing {
  std::function<bool(const char* key)> said;
  std::string section;
  /// "heads = 12: not in the weights; usual for width 768 (--teacher.heads)"
  void note(SeenModel& seen, const std::string& what) const;
};

/// What the tensors say, overridden by the settings `<section>.<key>`. `depths`: blocks per stage,
/// or empty: as the names group them. Throws Error unless the tensors are exactly those of the
/// stages that the file has, stitches included.
SeenModel see_model(const StagedTensors& tensors, const Family& family,
                    std::vector<std::int64_t> depths, const std::string& section,
                    const WrittenSettings& settings, const std::string& source);

}  // namespace m2mkd
