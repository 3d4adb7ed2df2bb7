#pragma once
// From distilled NAC stages to the full model (reference/nac §3.5).

#include <m2mkd/nn/load.hpp>
#include <m2mkd/nn/models.hpp>

namespace m2mkd {

AssemblyMap nac_assembly_map(const ModelOptions& options, const ImageShape& distilled,
                             const ImageShape& assembled);
/// Codes, signatures, seeder and bandwidths; the grid of positions and the output tokenizer where
/// the images differ.
std::function<bool(const std::string&)> fresh_in_nac_assembly(const ImageShape& distilled,
                                                              const ImageShape& assembled);

}  // namespace m2mkd
