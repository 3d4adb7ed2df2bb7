#pragma once
// ViT (DeiT): dense blocks. V-MoE is derived from it.

#include <m2mkd/nn/family.hpp>
#include <m2mkd/nn/vit.hpp>

namespace m2mkd {

class VitFamily : public Family {
 public:
  std::string name() const override { return "vit"; }
  std::string title() const override { return "ViT"; }
  std::string about() const override { return "dense (DeiT)"; }
  std::string assumed() const override { return "features of the class token, exact GELU"; }
  std::vector<std::string> problems(const ModelOptions& options,
                                    const ImageShape& shape) const override;
  Boundary boundary(const ModelOptions& options, const ImageShape& shape, int cut) const override;
  StagePtr stage(const ModelOptions& options, const ImageShape& shape, int index,
                 const Surrounding& around, const StagePtr& shared,
                 at::TensorOptions tensor) const override;
  StagePtr distill_form(const ModelOptions& options, const ImageShape& shape, int index,
                        const Surrounding& around, at::TensorOptions tensor) const override;
  std::optional<ModelOptions> dense(const ModelOptions& options) const override;
  bool recognises(const std::vector<std::string>&) const override { return true; }
  void see(const StagedTensors& tensors, SeenModel& seen) const override;
  void guess(SeenModel& seen, const Guessing& guessing) const override;

 protected:
  /// What the blocks have instead of dense MLPs.
  virtual void add_experts(VitStageOptions&, const ModelOptions&) const {}
};

const Family& vit_family();

}  // namespace m2mkd
