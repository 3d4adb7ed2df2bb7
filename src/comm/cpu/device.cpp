#include "../device.hpp"

#include <ATen/ATen.h>

#include <m2mkd/base/error.hpp>

namespace m2mkd {

std::unique_ptr<DeviceCollectives> make_device_collectives(
    c10::Device device, int, int, const std::function<std::string(std::string)>&) {
  fail(
      "collective operation on a tensor of device {}: this program was built without CUDA "
      "[preset `release`]; build it with preset `cuda`",
      device.str());
}

c10::Device choose_device(int) {
  return c10::kCPU;
}

}  // namespace m2mkd
