#!/usr/bin/env bash
# labels: mpi
# The same ranks twice give the same bits in every module file, and so do jobs trained alone instead of in packs (fp64: to 1e-9).
# shellcheck source=tests/support/cli.sh
. "$(dirname "$0")/../support/cli.sh"
for ranks in 1 2 3; do
  smoke "$ranks" "$work/a$ranks" || fail "first run on $ranks ranks"
  smoke "$ranks" "$work/b$ranks" || fail "second run on $ranks ranks"
  compare tensors 0 "$work/a$ranks" "$work/b$ranks"
done

smoke 1 "$work/packed" --train.precision fp64 || fail "packed run"
grep -q 'incubate.0 incubate.incubation.0\|incubate.0 incubate.1' "$work/packed.out" || fail "no pack of several jobs"
for job in pretrain incubate.0 incubate.1 incubate.incubation.0 incubate.incubation.1 finetune distill.0 distill.1 final; do
  smoke 1 "$work/separate" --train.precision fp64 --run.jobs "$job" || fail "$job alone"
done
compare tensors 1e-9 "$work/packed" "$work/separate"
