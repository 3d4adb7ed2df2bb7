#!/usr/bin/env bash
# labels: mpi
# m2mkd check: no fault in sound configurations and runs on one rank and on two; exit codes, table, JSON; planted faults are found, and
# nothing in a run directory changes.
# shellcheck source=tests/support/cli.sh
. "$(dirname "$0")/../support/cli.sh"
check() { "$m2mkd" check configs/smoke.ini --run.dir "$work/run" "${short[@]}" "$@"; }
has() { grep -Eq -- "$1" "$work/stdout" || { cat "$work/stdout" >&2; fail "not said: $1"; }; }
python=/usr/bin/python3

# Before a run: random weights, nothing is made.
for ranks in 1 2; do
  expect_exit 0 mpirun -n "$ranks" "$m2mkd" check configs/smoke.ini --run.dir "$work/run"
  for gate in "data +data/fashion-mnist/test.h5 +ok" "memory +$ranks rank" "disk +" "splice +finetune +ok" \
    "assembly +final.m2mkd +ok .*random" "pair +incubate.incubation.1 +ok" "pair +distill.0 +ok +loss [0-9.]+ -> [0-9.]+" \
    "^check: no fault found"; do
    has "$gate"
  done
done
[ ! -e "$work/run" ] || fail "a run directory was made"
expect_exit 0 "$m2mkd" check configs/quickstart.ini --run.dir "$work/quick"
has "pair +distill.3 +ok"

# Its JSON, and the answer of the last line.
expect_exit 0 mpirun -n 2 "$m2mkd" check configs/smoke.ini --run.dir "$work/run" --run.methods m2mkd --json
$python - "$work/stdout" <<'P'
import json, sys
found = json.load(open(sys.argv[1]))
assert found["verdict"] == "ok" and found["ranks"] == 2 and found["seconds"] > 0, found
assert all(set(f) == {"gate", "subject", "verdict", "text"} for f in found["findings"])
pairs = [f["subject"] for f in found["findings"] if f["gate"] == "pair"]
assert pairs == ["incubate.0", "incubate.1", "distill.0", "distill.1"], pairs
P

# Settings that ask too much, time that does not suffice, mistakes.
expect_exit 0 check --run.methods m2mkd --machine.memory_gb 0.001 --student.experts 64 --ranks 8
has "memory +final.m2mkd +warning .*on each of [0-9]+ ranks"
has "^check: no fault found, but warnings"
expect_exit 0 check --run.methods m2mkd --seconds 0
has "pair +distill.1 +skipped +no time left"
expect_exit 1 check --run.methods m2mkd --init.meta "$work/none.h5"
has "files +$work/none.h5 +WRONG"
expect_exit 1 check --run.methods m2mkd --run.dir /proc/m2mkd
has "disk +/proc/m2mkd +WRONG"
for wrong in "--steps 0" "--seconds soon" "--ranks 0" "--student.heads 3" "--bogus"; do
  # shellcheck disable=SC2086  # a flag and its value
  expect_exit 2 check $wrong
done
expect_exit 2 "$m2mkd" check

# After a run: files are compared, and their weights used.
expect_exit 0 "$m2mkd" run configs/smoke.ini --run.dir "$work/run" "${short[@]}" --run.methods m2mkd
(cd "$work/run" && find . -type f -exec md5sum {} + | sort) >"$work/before"
for ranks in 1 2; do
  expect_exit 0 mpirun -n "$ranks" "$m2mkd" check configs/smoke.ini --run.dir "$work/run" "${short[@]}" --run.methods m2mkd
  for gate in "files +final.m2mkd +ok" "assembly +final.m2mkd +ok" "teacher +distill.1 +ok" \
    "recorded +final.m2mkd +ok +loss .*start_loss" "pair +distill.1 +ok"; do
    has "$gate"
  done
done
(cd "$work/run" && find . -type f -exec md5sum {} + | sort) | diff "$work/before" - || fail "the check changed the run directory"
expect_exit 1 check --run.methods m2mkd --distill.tau 4
has "files +distill.0 +WRONG +made by other settings: train.tau: 1 -> 4"

# Given weights of other kinds, a batch that the published sampler's ranks do not divide into, and augmentation.
for file in finetune.safetensors pretrain.pth; do
  "$m2mkd" convert "$work/run/modules/${file%.*}.h5" "$work/$file" --model vit >/dev/null || fail "convert $file"
done
expect_exit 0 "$m2mkd" check configs/smoke.ini --run.dir "$work/given" "${short[@]}" --run.methods m2mkd \
  --init.teacher "$work/finetune.safetensors" --init.meta "$work/pretrain.pth" --compat published --compat.ranks 5 --train.batch 80 \
  --data.rand_augment rand-m9-mstd0.5-inc1 --data.erasing 1 --data.mixup 0.8
for gate in "files +$work/finetune.safetensors +ok +sound" "files +$work/pretrain.pth +ok +sound" \
  "given +$work/pretrain.pth +ok +as meta: acc1 [0-9.]+ ±[0-9.]+ % of 10000 test images" "given +$work/finetune.safetensors +ok +as teacher" \
  "teacher +distill.1 +ok" \
  "pair +distill.1 +ok"; do
  has "$gate"
done

# One stage's file under another's name.
cp "$work/run/modules/distill.1.h5" "$work/kept.h5"
cp "$work/run/modules/distill.0.h5" "$work/run/modules/distill.1.h5"
for ranks in 1 2; do
  expect_exit 1 mpirun -n "$ranks" "$m2mkd" check configs/smoke.ini --run.dir "$work/run" "${short[@]}" --run.methods m2mkd
  has "files +distill.1 +WRONG +its job is distill.0"
  has "^check: WRONG"
done
cp "$work/kept.h5" "$work/run/modules/distill.1.h5"
expect_exit 0 check --run.methods m2mkd
