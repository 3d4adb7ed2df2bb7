#!/usr/bin/env bash
# labels: mpi
# Every shape of network and team that the configuration allows runs to its end: given teachers, several teachers, dense and narrow
# students, kept stitches, one stage, uneven batches, more ranks than work.
# shellcheck source=tests/support/cli.sh
. "$(dirname "$0")/../support/cli.sh"
m2mkd_only=(--run.methods m2mkd --train.epochs 1)
try() { # try NAME RANKS [flags]
  local name=$1 ranks=$2
  shift 2
  smoke "$ranks" "$work/$name" "$@" || { tail -5 "$work/$name.out"; fail "$name"; }
  echo "$name: $(grep '^m2mkd' "$work/$name.out" | head -1)"
}
module() { echo "$work/$1/modules/$2.h5"; }

try base 2 "${m2mkd_only[@]}"
# A given teacher and meta: nothing is pretrained, incubated or fine-tuned; every teacher hybrid is evaluated, printed and stored.
try given 2 "${m2mkd_only[@]}" --init.teacher "$(module base finetune)" --init.meta "$(module base pretrain)"
for job in finetune pretrain; do [ ! -e "$(module given $job)" ] || fail "the given $job was trained"; done
[ "$(grep -c 'distill.*: teacher acc1' "$work/given.out")" = 2 ] || fail "the teacher's hybrids are not printed"
"$m2mkd" inspect "$(module given distill.0)" >"$work/inspected"
grep -q teacher_acc1 "$work/inspected" || fail "the teacher's hybrid is not stored"
compare tensors 0 "$work/base" "$work/given" distill.0=distill.0 distill.1=distill.1 final.m2mkd=final.m2mkd
try shortly 2 "${m2mkd_only[@]}" --init.teacher "$(module base finetune)" --incubate.from_teacher true
[ -e "$(module shortly incubate.0)" ] || fail "from_teacher did not incubate"
# A second teacher of another width brings its own meta.
cat >"$work/wide.ini" <<'INI'
[teacher.wide]
width = 24
[meta.wide]
width = 24
[distill]
teachers = teacher wide
INI
try two_teachers 2 "${m2mkd_only[@]}" "$work/wide.ini"
for job in pretrain.wide incubate.wide.0 incubate.wide.1 finetune.wide; do [ -e "$(module two_teachers $job)" ] || fail "no $job"; done
try incubated_teacher 2 "${m2mkd_only[@]}" --distill.teacher incubate
[ ! -e "$(module incubated_teacher finetune)" ] || fail "an unneeded teacher was fine-tuned"

try narrow 2 --student.width 8 --train.epochs 1
try own_meta 3 --student.width 24 --meta.incubation.width 24 --train.epochs 1
[ -e "$(module own_meta pretrain.incubation)" ] || fail "Incubation has no meta of its own"
cat >"$work/kept.ini" <<'INI'
[method.m2mkd_kept]
base = m2mkd
student.keep_stitches = true
INI
try kept 2 "$work/kept.ini" --run.methods m2mkd,m2mkd_kept --student.width 24 --train.epochs 1
grep -q '0 discarded' <(grep 'final.m2mkd_kept: assembled' "$work/kept.out") || fail "kept stitches were discarded"
grep -q '[1-9][0-9]* discarded' <(grep 'final.m2mkd: assembled' "$work/kept.out") || fail "stitches were not discarded"
[ ! -e "$(module kept distill.m2mkd_kept.0)" ] || fail "pairs were distilled twice"

try dense 2 "${m2mkd_only[@]}" --student.model vit --student.depths "2 1"
try small_teacher 2 "${m2mkd_only[@]}" --teacher.depths "1 1" --student.depths "2 3"
try some_blocks 1 "${m2mkd_only[@]}" --student.depths "2 2" --student.moe_blocks odd --student.top_k 1
try one_stage 3 --meta.depths 1 --teacher.depths 2 --student.depths 2 --train.epochs 1
try five_stages 4 "${m2mkd_only[@]}" --meta.depths "1 1 1 1 1" --teacher.depths "2 1 1 1 2" --student.depths "1 1 1 1 1"
try uneven 3 "${m2mkd_only[@]}" --train.batch 50 --train.micro_batch 12
try one_micro_batch 4 "${m2mkd_only[@]}" --train.micro_batch 64
try idle 8 --train.epochs 1 --train.micro_batch 64
try mixed 2 "${m2mkd_only[@]}" --data.mixup 0.8 --data.cutmix 1 --data.smoothing 0.1 --data.flip 0.5 --data.crop_pad 2 --student.drop_path 0.1
try published 2 "${m2mkd_only[@]}" --distill.kd_per element --distill.ce_weight complement --train.clip_grad 1 --train.eval_drop_last true \
  --data.order published --data.mix_per rank_batch --data.mixup 0.8 --data.cutmix 1 --data.random_resized_crop true \
  --data.rand_augment rand-m9-mstd0.5-inc1 --data.erasing 0.25 --data.image_size 14
try e2e_long 2 --run.methods e2e,m2mkd,e2e_long --train.epochs 1
