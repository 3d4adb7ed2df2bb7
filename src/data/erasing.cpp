// Random erasing (Zhong et al., 2020) with noise per value.

#include <cmath>

#include <m2mkd/data/transforms.hpp>

namespace m2mkd {

Erasing draw_erasing(std::int64_t height, std::int64_t width, double probability, Random& random) {
  if (random.uniform() >= probability) return {};
  const auto area = static_cast<double>(height * width);
  const double widest = std::log(1 / 0.3);
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double target = random.uniform(0.02, 1.0 / 3) * area;
    const double aspect = std::exp(random.uniform(-widest, widest));
    const auto h = static_cast<std::int64_t>(std::nearbyint(std::sqrt(target * aspect)));
    const auto w = static_cast<std::int64_t>(std::nearbyint(std::sqrt(target / aspect)));
    if (h >= height || w >= width || h == 0 || w == 0) continue;
    const auto top = random.below(static_cast<std::uint64_t>(height - h + 1));
    const auto left = random.below(static_cast<std::uint64_t>(width - w + 1));
    return {true, {static_cast<std::int64_t>(top), static_cast<std::int64_t>(left), h, w}};
  }
  return {};
}

template <class T>
void erase(const Erasing& erasing, std::int64_t channels, std::int64_t height, std::int64_t width,
           T* image, Random& random) {
  if (!erasing.on) return;
  const Box& box = erasing.box;
  for (std::int64_t c = 0; c < channels; ++c)
    for (std::int64_t y = box.top; y < box.top + box.height; ++y) {
      T* row = image + (c * height + y) * width + box.left;
      for (std::int64_t x = 0; x < box.width; ++x) row[x] = static_cast<T>(random.normal());
    }
}
template void erase(const Erasing&, std::int64_t, std::int64_t, std::int64_t, float*, Random&);
template void erase(const Erasing&, std::int64_t, std::int64_t, std::int64_t, double*, Random&);

}  // namespace m2mkd
