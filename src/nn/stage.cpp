#include <ATen/ATen.h>

#include <m2mkd/nn/stage.hpp>

namespace m2mkd {

NamedTensors Stage::state() const {
  NamedTensors view;
  for (const auto& list : {parameters(), buffers()})
    for (const auto& entry : list) view.emplace_back(entry.name, entry.tensor.detach());
  return view;
}

}  // namespace m2mkd
