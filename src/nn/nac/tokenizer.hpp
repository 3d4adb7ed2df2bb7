#pragma once
// Images to tokens: the first levels of a ConvNeXt and a learned grid of positions (reference/nac
// §1.2).

#include "mod_fc.hpp"
#include "sizes.hpp"
#include "work.hpp"

namespace m2mkd::nac {

class Tokenizer {
 public:
  Tokenizer(const ModelOptions& options, const ImageShape& shape, at::TensorOptions tensor);
  at::Tensor operator()(const at::Tensor& images) const;  ///< (B, c, h, w) → (B, V, token width)
  void list(ParameterList& list, const std::string& prefix) const;
  double tokens() const { return static_cast<double>(sizes_.tokens()); }
  Work work() const;
  double image_work() const;  ///< of the product with the images, part of work()
  double elements() const;

 private:
  struct Conv {
    at::Tensor weight, bias;
    Conv(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t groups,
         at::TensorOptions tensor);
    void list(ParameterList& list, const std::string& prefix) const;
  };
  struct Block {
    Conv depthwise;
    LayerNorm norm;
    Linear in, out;
    at::Tensor gamma;
  };
  struct Level {
    Conv down;
    LayerNorm norm;  ///< after the stem, before the other levels' convolution
    std::vector<Block> blocks;
  };
  at::Tensor block(const Block& block, const at::Tensor& x) const;

  Sizes sizes_;
  std::vector<Level> levels_;
  at::Tensor grid_;  ///< (position width, side, side)
};

}  // namespace m2mkd::nac
