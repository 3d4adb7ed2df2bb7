#!/usr/bin/env bash
# labels: mpi
# A NAC holds what the foundation promises: the same trajectory on any number of ranks, the same tensors packed or separate and after
# stops, one distillation for all priors, and a table of methods by priors.
# shellcheck source=tests/support/cli.sh
. "$(dirname "$0")/../support/cli.sh"
smoke_config=configs/nac_smoke.ini
double=(--train.precision fp64)
steps=(--train.log_steps true --train.epochs 3 --final.m2mkd.epochs 3)

# Ranks. Planted partition has the regulariser with a matching.
planted=(--student.prior planted_partition --student.hinge 1.0)
for ranks in 1 2 3; do smoke "$ranks" "$work/r$ranks" "${double[@]}" "${steps[@]}" "${planted[@]}" || fail "fp64 on $ranks ranks"; done
for ranks in 2 3; do compare losses 1e-9 "$work/r$ranks" "$work/r1"; done

# Packed or separate; and micro-batches one by one.
smoke 1 "$work/packed" "${double[@]}" || fail "packed run"
grep -q 'distill.0 distill.1' "$work/packed.out" || fail "no pack of several pairs"
for job in pretrain incubate.0 incubate.1 incubate.2 incubate.3 finetune distill.0 distill.1 distill.2 distill.3 final; do
  smoke 1 "$work/separate" "${double[@]}" --run.jobs "$job" --train.forward_micro_batches 1 || fail "$job alone"
done
compare tensors 1e-9 "$work/packed" "$work/separate"

# Stopped in the last wave and continued: the same bits.
longer=(--final.epochs 12 --final.m2mkd.epochs 12 --train.checkpoint_seconds 0.2)
smoke 2 "$work/whole" "${longer[@]}" || fail "the undisturbed run"
mpirun -n 2 "$m2mkd" run "$smoke_config" --run.dir "$work/cut" "${short[@]}" "${longer[@]}" >"$work/cut.out" 2>&1 &
pid=$!
for _ in $(seq 600); do compgen -G "$work/cut/checkpoints/final.*/*" >/dev/null && break; sleep 0.05; done
kill -USR1 "$pid"
rc=0
wait "$pid" || rc=$?
[ "$rc" = 75 ] || { tail -3 "$work/cut.out"; fail "exit $rc on USR1"; }
smoke 2 "$work/cut" "${longer[@]}" || fail "continuing"
compare tensors 0 "$work/whole" "$work/cut"

# Four priors, one distillation, repeated end to end.
smoke 2 "$work/priors" --run.priors "barabasi_albert erdos_renyi planted_partition ring_of_cliques" --run.seeds "0 1" || fail priors
[ "$(find "$work/priors/modules" -name 'distill.*' | wc -l)" = 4 ] || fail "pairs were distilled more than once"
[ "$(find "$work/priors/modules" -name 'final.*' | wc -l)" = 16 ] || fail "not every method, prior and seed was trained"
[ "$(find "$work/priors/priors" -name '*.h5' | wc -l)" = 8 ] || fail "priors are not shared between methods"
grep -q '^method .*barabasi_albert .*ring_of_cliques' "$work/priors.out" || fail "no table of methods by priors"
grep -q '^graph of the mediators' "$work/priors.out" || fail "no report of the graphs"
/usr/bin/python3 - "$work/priors/summary.h5" <<'PY' || fail "summary of the graphs"
import sys, h5py
f = h5py.File(sys.argv[1])
p = f["priors"]
assert len(p["job"]) == 16 and all(0 <= x <= 1 for x in p["trained_active"][:]), p
assert max(abs(p["fitted_recall"][:] - p["trained_recall"][:])) < 0.5
PY

# Distilled on one data set, trained on another: the grid of positions starts anew, nothing else of the modules is lost.
smoke 1 "$work/other" --data.final.image_size 20 || fail "other images in the final phase"
"$m2mkd" inspect "$work/other/modules/final.m2mkd.h5" --json >"$work/other.json"
grep -q 'input_tokenizer.positional_grid.grid' "$work/other.json" || fail "no grid in the assembled model"
grep -q 'assembled from 4 files: 0 tensors copied, 142 renamed, 20 discarded, 16 fresh' "$work/other.out" || fail "the assembly across data sets"

# What the published code does, in one word; the accuracy of its meter under its own name.
smoke 1 "$work/published" --compat published || fail "compat = published"
grep -q '^published meter' "$work/published.out" || fail "no number of the published meter"
for form in false true; do
  OMP_NUM_THREADS=1 "$m2mkd" check "$smoke_config" --student.single_code $form >"$work/check.out" || { cat "$work/check.out"; fail check; }
done
