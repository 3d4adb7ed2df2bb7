#pragma once
// Which parameters of a network train: `train.trainable`.

#include <string>
#include <vector>

#include <m2mkd/nn/chain.hpp>

namespace m2mkd {

/// Shell patterns over names, within stages ("head.*", "*.moe.*") or whole ("stages/0/*"); `all` is
/// every name, "!pattern" takes names out again. The last pattern that fits a name decides; where
/// none fits it trains if the first one takes out: "!pos_embed !cls_token".
bool trains(const std::vector<std::string>& patterns, const std::string& name);

/// Is it every parameter, whatever their names?
bool trains_all(const std::vector<std::string>& patterns);

/// Those of the chain's parameters that train.
std::vector<Parameter> trainable_parameters(const Chain& chain,
                                            const std::vector<std::string>& patterns);
std::int64_t trainable_count(const Chain& chain, const std::vector<std::string>& patterns);

/// A pattern that fits no parameter of the chain, or "" where each fits one and one trains.
std::string idle_pattern(const Chain& chain, const std::vector<std::string>& patterns);

}  // namespace m2mkd
