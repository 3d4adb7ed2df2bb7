#include <ATen/ATen.h>

#include <m2mkd/nn/stage.hpp>

namespace m2mkd {

NamedTensors Stage::state() const {
  NamedTensors view;
  for (const auto& parameter : parameters())
    view.emplace_back(parameter.name, parameter.tensor.detach());
  return view;
}

}  // namespace m2mkd
