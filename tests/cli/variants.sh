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
try compat 2 --train.epochs 1 --compat published --student.drop_path 0.1 --teacher.drop_path 0.1 --train.clip_grad 1 \
  --data.mixup 0.8 --data.cutmix 1 --data.random_resized_crop true --data.rand_augment rand-m9-mstd0.5-inc1 --data.erasing 0.25 --data.image_size 14
try hard 2 "${m2mkd_only[@]}" --distill.kd_type hard
try features 2 "${m2mkd_only[@]}" --distill.feature_weight 0.1 --student.width 24
try no_gate_bias 2 "${m2mkd_only[@]}" --student.gate_bias false --student.balance_loss 0.01 --student.stitch_norm false --student.stitch always
if "$m2mkd" plan configs/smoke.ini --ranks 1 --student.patch 7 >"$work/refused" 2>&1; then fail "another number of tokens was not refused"; fi
grep -q token_mismatch "$work/refused" || fail "the refusal does not name hybrid.token_mismatch"
for rule in allow resample; do try tokens_$rule 2 "${m2mkd_only[@]}" --student.patch 7 --hybrid.token_mismatch $rule; done
# Ten-epoch distillation (Table 11) in small: a short warm-up to a constant rate.
try short_distillation 2 "${m2mkd_only[@]}" --distill.warmup_epochs 0.5 --distill.warmup_lr 1e-4 --distill.min_lr 3e-3

# Further methods of the same table.
try methods 2 --run.methods m2mkd,incubation_dense,m2mkd_split_teacher,upcycling --train.epochs 1
for job in incubate.incubation_dense.1 finetune.m2mkd_split_teacher distill.m2mkd_split_teacher.0 pretrain.upcycling; do
  [ -e "$(module methods $job)" ] || fail "no $job"
done
if grep -q 'finetune.m2mkd_split_teacher: assembled' "$work/methods.out"; then fail "the split teacher was assembled"; fi
# The upcycled student starts with exactly the dense student's accuracy: its gates choose among equal experts.
/usr/bin/python3 - "$(module methods pretrain.upcycling)" "$(module methods final.upcycling)" <<'P'
import sys
import h5py
dense, student = (h5py.File(path, "r").attrs for path in sys.argv[1:])
assert dense["acc1"] == student["start_acc1"], (dense["acc1"], student["start_acc1"])
P
try e2e_long 2 --run.methods e2e,m2mkd,e2e_long --train.epochs 1
