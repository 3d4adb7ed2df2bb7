#pragma once
// A network whose file holds weights and no configuration of this program: what it is, from its
// weights and from settings.

#include <filesystem>
#include <map>
#include <optional>

#include <m2mkd/nn/family.hpp>
#include <m2mkd/nn/seen_model.hpp>

namespace m2mkd {

/// What is wanted of a file of weights.
struct ForeignRequest {
  std::filesystem::path path;
  const Family* family = nullptr;    ///< null: by its tensors
  std::vector<std::int64_t> stages;  ///< blocks per stage; empty: not said
  std::optional<int> only;           ///< the file is this one stage
  bool one_stage = false;            ///< not said and not in the file: all blocks are one stage
  std::optional<std::int64_t> image_size, classes;  ///< make it fit these data
  std::string section = "student";                  ///< the model's section among the settings
  WrittenSettings settings;
  std::uint64_t seed = 0;  ///< of a new head
};

struct ForeignModel {
  WeightFile file;
  SeenModel seen;
  std::map<std::string, std::string> origins;  ///< "stages/<i>/<key>" → the name in the file
  EditNotes notes;
};

/// The one of meta, teacher, student that settings speak of; "student" where they speak of none.
/// Throws ConfigError where they speak of several.
std::string model_section(const WrittenSettings& settings);

/// Reads, cuts, edits and checks strictly. Of a module file, the configuration that it holds says
/// what weights do not. Throws Error.
ForeignModel read_foreign(const ForeignRequest& request);

/// Attributes of a module file of job final.e2e with these weights: enough for `init.*`, and with
/// `config` for `m2mkd eval` where the network is whole and its heads are known.
Attributes foreign_attributes(const ForeignRequest& request, const SeenModel& seen);

}  // namespace m2mkd
