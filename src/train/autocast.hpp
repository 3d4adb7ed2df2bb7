#pragma once
// Mixed precision for the life of a scope.

#include <ATen/autocast_mode.h>

#include <m2mkd/train/options.hpp>

namespace m2mkd {

/// bf16 autocast while alive; nothing for the other precisions.
class Autocast {
 public:
  Autocast(Precision precision, c10::Device device)
      : active_(precision == Precision::bf16), type_(device.type()) {
    if (!active_) return;
    at::autocast::set_autocast_dtype(type_, at::kBFloat16);
    at::autocast::set_autocast_enabled(type_, true);
    at::autocast::increment_nesting();
  }
  ~Autocast() {
    if (!active_) return;
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(type_, false);
  }
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  bool active_;
  c10::DeviceType type_;
};

}  // namespace m2mkd
