#pragma once
// Images that cannot be decoded are found before anything trains, where a run would meet them last.

#include <functional>
#include <string>
#include <vector>

#include <m2mkd/comm/communicator.hpp>
#include <m2mkd/data/decodable.hpp>
#include <m2mkd/plan/job.hpp>

namespace m2mkd {

/// "image 17 of data/val.h5, class 'dog': <reason>", one line each; at most ten, then their number.
std::string undecodable_text(const ImageFile& file, const std::filesystem::path& path,
                             const std::vector<Undecodable>& damaged);

/// Decodes all images that these jobs will be evaluated on (test and validation splits of encoded
/// data sets), shared among the ranks and their threads; ends early when a stop is requested.
/// Throws CollectiveError naming those that cannot be decoded. Collective.
void decode_evaluation_images(const std::vector<const Job*>& jobs, const Communicator& world,
                              const std::function<void(const std::string& what)>& beat);

}  // namespace m2mkd
