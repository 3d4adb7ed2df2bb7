#pragma once
// The methods that are shipped, as settings: the rows of the paper's Table 6 and their controls.

namespace m2mkd {

inline constexpr const char* shipped_methods = R"(
[method.e2e]
final.start = fresh

[method.kd]
final.start = fresh
final.teacher = finetune

[method.incubation]
final.start = incubate

[method.m2mkd]
final.start = distill

# The only control that isolates the distillation.
[method.m2mkd_nokd]
base = m2mkd
distill.alpha = 0

# As many FLOPs as m2mKD.
[method.e2e_long]
base = e2e
final.flops_of = m2mkd
)";

}  // namespace m2mkd
