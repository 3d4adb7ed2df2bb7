#!/usr/bin/env bash
# Names and numbers that mean nothing are refused before anything is made: one sentence each, exit code 2, no file, no hang.
# shellcheck source=tests/support/cli.sh
. "$(dirname "$0")/../support/cli.sh"

# refuses SENTENCE [flags or files]: of `plan` and of `run`.
refuses() {
  local sentence=$1 command
  shift
  for command in "plan --ranks 1" "run --run.dir $work/none"; do
    # shellcheck disable=SC2086
    expect_exit 2 timeout 20 "$m2mkd" $command "$smoke_config" "$@"
    grep -qF -- "$sentence" "$work/stderr" || { cat "$work/stderr" >&2; fail "no '$sentence': $*"; }
    [ ! -e "$work/none" ] || fail "a refused start left a folder: $*"
  done
}
ini() { cat >"$work/$1.ini"; }

while IFS='|' read -r flag value sentence; do
  refuses "$sentence" "$flag" "$value"
done <<'TABLE'
--run.jobs|distil|'distil' is neither a job nor a phase of this run; did you mean 'distill'?
--run.jobs|distill.7|did you mean 'distill.0'?
--run.jobs|pretrain finetun|'finetun' is neither
--run.jobs|e2e|method e2e ends in final.e2e
--run.methods||run.methods is empty
--run.methods|m2mk|unknown method 'm2mk'; did you mean 'm2mkd'?
--run.seeds|1 -1|-1 is not from 0 to
--run.seeds|3 3|stands there twice
--run.threads|20000|from 0 to 1024
--distill.teachers|teacher smal|'smal' is neither teacher nor a section [teacher.NAME]
--distill.teachers|techer|did you mean 'teacher'?
--final.flops_of|m2mdk|did you mean 'm2mkd'?
--train.epochs|0|train.epochs = 0: must be from
--train.epochs|-1|must be from
--train.epochs|1e18|must be from
--train.epochs|inf|must be from
--train.epochs|nan|not a number
--train.epochs|1e999|too large or too small
--train.lr|inf|from 0 to 1000
--train.warmup_epochs|100|is longer than the
--train.forward_micro_batches|9223372036854775807|must be from
--train.batch|0|must be from
--train.batch|9223372036854775808|too large or too small
--train.beta1|1|to below 1
--train.beta2|1|to below 1
--train.adam_eps|0|must be from
--train.drop_path|1|-1 or from 0 to below 1
--train.drop_path|-0.5|-1 or from 0 to below 1
--train.bucket_mb|8796093022208|must be from
--distill.tau|0|must be from
--student.depths|1000000000 1|1000000000 is not from 1 to 1000
--student.depths||needs at least 1 number
--student.width|1000000|must be from
--student.experts|1000000|must be from
--meta.width|65536000000|must be from
--meta.mlp_ratio|inf|must be from
--data.std|inf|inf is not from
--data.channels|1000|must be from
--data.train_images|-5|must be from
--machine.gflops|inf|must be from
TABLE

printf '[meta]\ndepths = 1000 1000 1000\nwidth = 60000\n' | ini huge
refuses "which no machine holds" "$work/huge.ini"
printf '[method.a]\nbase = b\n[method.b]\nbase = a\n' | ini circle
refuses "base = a -> b -> a is a circle" "$work/circle.ini" --run.methods a
printf '[method.a]\nbase = a\n' | ini self
refuses "base = a -> a is a circle" "$work/self.ini" --run.methods a
printf '[method.a]\nbase = e2e\nfinal.flops_of = a\n' | ini flops
refuses "is a circle" "$work/flops.ini" --run.methods a
echo "front_door: refused as it should"

# Given files are looked at before the first wave, all of them, by plan and run: missing ones, weights of another network.
smoke 1 "$work/made" --run.methods m2mkd --run.jobs pretrain --train.max_steps 1 || fail "no meta was made"
meta=$work/made/modules/pretrain.h5
refuses "init.teacher = typo.pth: no such file; the path is taken from the folder" --run.methods m2mkd --init.teacher typo.pth --init.student typo.h5
grep -q "init.student = typo.h5: no such file" "$work/stderr" || fail "the second missing file is not named"
refuses "init.student = typo.h5: no such file" --run.methods e2e --init.student typo.h5
refuses "init.teacher = $meta: " --run.methods m2mkd --init.teacher "$meta" --teacher.width 24 --meta.width 24
echo "not weights" >"$work/text.pth"
refuses "init.meta = $work/text.pth: " --run.methods m2mkd --init.meta "$work/text.pth"

refuses "init.teacher = $meta: " --run.methods m2mkd --init.teacher "$meta" --teacher.width 24 --meta.width 24 --init.student "$meta"

# A run outlives who reads its output, and its exit code is that of the training.
"$m2mkd" run "$smoke_config" --run.dir "$work/piped" --run.methods m2mkd --run.jobs pretrain --train.max_steps 2 2>&1 | true
[ "${PIPESTATUS[0]}" = 0 ] || fail "a closed pipe ended a run"
[ -e "$work/piped/modules/pretrain.h5" ] || fail "a closed pipe stopped a run"
# What is printed must arrive.
for arguments in "--print-defaults" "--help" "plan $smoke_config --ranks 1" "plan $smoke_config --ranks 1 --json"; do
  got=0
  # shellcheck disable=SC2086
  "$m2mkd" $arguments >/dev/full 2>"$work/stderr" || got=$?
  [ "$got" = 1 ] || fail "exit $got on a full disk: $arguments"
  grep -qE "No space left|cannot write|could not be written" "$work/stderr" || { cat "$work/stderr" >&2; fail "no reason: $arguments"; }
done
# An output that is an input stays as it is.
cp data/fashion-mnist/test.h5 "$work/test.h5"
expect_exit 2 "$m2mkd" eval "$meta" --data.test "$work/test.h5" --logits "$work/test.h5"
grep -q "this file is read here" "$work/stderr" || fail "an input as output is not named"
cmp -s data/fashion-mnist/test.h5 "$work/test.h5" || fail "eval changed its input"
echo "front_door: files and outputs"
