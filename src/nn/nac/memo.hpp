#pragma once
// A value without gradient that depends on some parameters: computed anew only after one of them
// changed.

#include <vector>

#include <ATen/core/Tensor.h>

namespace m2mkd::nac {

class Memo {
 public:
  template <class F>
  const at::Tensor& get(const std::vector<at::Tensor>& parameters, F compute) const {
    std::vector<std::pair<const void*, std::int64_t>> now;
    for (const auto& p : parameters)
      now.emplace_back(p.unsafeGetTensorImpl(), static_cast<std::int64_t>(p._version()));
    if (!value_.defined() || now != of_) {
      value_ = compute().detach();
      of_ = std::move(now);
    }
    return value_;
  }

 private:
  mutable std::vector<std::pair<const void*, std::int64_t>> of_;  ///< tensor, version
  mutable at::Tensor value_;
};

}  // namespace m2mkd::nac
