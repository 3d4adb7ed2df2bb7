#pragma once
// What a job trains and evaluates on: a fixed list of images of a packed file, read as normalised
// float tensors.

#include <memory>
#include <vector>

#include <m2mkd/data/options.hpp>
#include <m2mkd/data/split.hpp>
#include <m2mkd/store/image_file.hpp>

namespace m2mkd {

/// Size facts that a plan needs; from the files where they exist, else from the options.
struct DataFacts {
  std::int64_t channels = 1, image_size = 0, classes = 0;
  std::int64_t train_images = 0, validation_images = 0, test_images = 0;  ///< after the splits
  /// Empty where the file is absent.
  std::string train_digest, test_digest, train_name, test_name;
  std::vector<std::string> class_names;
  std::vector<double> mean, std;  ///< per channel, of all images: see Dataset::mean()
  std::string note;  ///< what of the files does not agree and is put right, for the user; or empty
};

/// Reads the files' headers. A contradiction between file and options, or a missing file without
/// sizes given, is appended to `problems`.
DataFacts data_facts(const DataOptions& options, std::vector<std::string>& problems);

/// The same of the test file alone: what is trained on may be far away.
DataFacts test_facts(const DataOptions& options, std::vector<std::string>& problems);

/// One split of a data set, open. Copies share the file.
class Dataset {
 public:
  Dataset(const DataOptions& options, Split split);

  /// Throws Error where the file is not the one of this digest: it was exchanged since.
  void expect(const std::string& digest) const;

  std::int64_t size() const { return static_cast<std::int64_t>(indices_.size()); }
  const ImageFile& file() const { return *file_; }
  /// Per channel, what pixels are normalised by: the options', else the training file's where there
  /// is one (test images are shown as the network learnt to see them), else the file's own.
  const std::vector<double>& mean() const { return mean_; }
  const std::vector<double>& std() const { return std_; }
  std::int64_t classes() const { return static_cast<std::int64_t>(file_->info().classes.size()); }
  /// Position in the file of sample `i` of this split.
  std::int64_t index(std::int64_t i) const { return indices_[static_cast<std::size_t>(i)]; }
  std::int32_t label(std::int64_t i) const {
    return file_->labels()[static_cast<std::size_t>(index(i))];
  }

 private:
  std::shared_ptr<const ImageFile> file_;
  std::vector<std::int64_t> indices_;
  std::vector<double> mean_, std_;
};

/// Images are verified as they are read. A file of an earlier version has no digests for that: it
/// is read whole now, and said. Throws Error where it is damaged.
void require_verified(const DataOptions& options);

}  // namespace m2mkd
