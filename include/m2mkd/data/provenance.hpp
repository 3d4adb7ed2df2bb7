#pragma once
// What a network's accuracy depends on beside its weights, as attributes of its files; and whether
// two data sets, or a network and a data set, belong together.

#include <string>
#include <vector>

#include <m2mkd/data/dataset.hpp>
#include <m2mkd/store/tensor_file.hpp>

namespace m2mkd {

/// data.channels, image_size, classes; of the training file data.name and data.digest;
/// data.class_names (one a line); data.mean, data.std (as settings are written);
/// data.interpolation, data.eval_crop. Of the test file test.name, test.digest.
Attributes data_attributes(const DataFacts& shape, const DataOptions& options);

/// "class 1 is 'dog' there and 'cat' here", for the first class that differs; empty where none of
/// those that both have does. Names that only number the classes ("0", "1", ...) say nothing.
std::string class_difference(const std::vector<std::string>& there,
                             const std::vector<std::string>& here);

/// "mean 0.286 and std 0.353", of every channel.
std::string normalisation_text(const std::vector<double>& mean, const std::vector<double>& std);

/// A network's attributes (data_attributes() of its training) against the data that it meets.
struct DataDifferences {
  std::string classes;        ///< as class_difference(): nothing can be compared then
  std::string normalisation;  ///< "mean 0.5 and std 0.5 there, mean 0.286 and std 0.353 here"
};
DataDifferences data_differences(const Attributes& network, const std::vector<std::string>& classes,
                                 const std::vector<double>& mean, const std::vector<double>& std);

/// Lines of data.class_names; empty where the attributes do not tell.
std::vector<std::string> class_names(const Attributes& attributes);

}  // namespace m2mkd
