#pragma once
// The methods that are shipped, as settings: the rows of the paper's Table 6 and their controls.
// And the published Python's own choices.

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

# Deep Incubation of a dense student (the paper's Table 7, DeiT-Inc).
[method.incubation_dense]
base = incubation
student.model = vit

# A teacher that was trained whole and split, for as many FLOPs as incubating and fine-tuning it: does incubation make better modules?
[method.m2mkd_split_teacher]
base = m2mkd
finetune.fresh = true
finetune.flops_of = m2mkd

# Sparse Upcycling: a dense student is pretrained, its MLPs become the experts.
[method.upcycling]
final.start = upcycle
)";

/// compat = published: reference/vmoe §3, §4, §8. One line per switch, so that each can be set
/// back alone. Above them stand those of the student's family.
inline constexpr const char* published_switches = R"(
[train]
kd_per = element
ce_weight = complement
lr_unit = epoch
lr_late = true
cosine = published
lr_batch = 512
clip_mixed_only = true
eval_drop_last = true
[data]
order = published
mix_per = rank_batch
[incubate]
decay_embeddings = true
frozen_drop_path = true
drop_path_ramp = hybrid
[distill]
drop_path_ramp = module
[student]
expert_init = published
gate_bias = true
balance_loss = 0
stitch_norm = true
)";

}  // namespace m2mkd
