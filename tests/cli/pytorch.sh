#!/usr/bin/env bash
# labels: mpi
# Every phase trains as a small program in plain PyTorch does (tests/golden/train_reference.py): each step's loss, CE, KL and gradient
# norm, and the trained weights, against its recorded trajectories; and against a new one where PyTorch can be imported.
# shellcheck source=tests/support/cli.sh
. "$(dirname "$0")/../support/cli.sh"
golden=$root/tests/golden
reference=$golden/train_reference.py
ini=$golden/pytorch.ini
/usr/bin/python3 "$reference" --start "$work/start"
"$pack" npy --images "$work/start/images.npy" --labels "$work/start/labels.npy" --out "$work/packed" >/dev/null

train() { # train NAME RANKS [flags, or a further INI file]
  local name=$1 ranks=$2
  shift 2
  (cd "$work" && mpirun -n "$ranks" "$m2mkd" run "$ini" --run.dir "$name" "$@") >"$work/$name.out" 2>&1 ||
    { tail -5 "$work/$name.out"; fail "$name"; }
}
differ() { # differ NAME FILE.npz [flags]: exit 1 where the run is another than the recorded one
  /usr/bin/python3 "$reference" --check "$work/$1" --against "$2" "${@:3}"
}
check() {
  echo "$1 against $(basename "$2"):"
  differ "$@" || fail "$1 against $2"
}

exact=(--losses 1e-8 --norms 1e-8 --weights 1e-8)
rounded=(--losses 1e-5 --norms 5e-5)

stages=(incubate.0 incubate.1 incubate.2 finetune)
jobs=("${stages[@]}" distill.0 distill.1 distill.2 distill.published.1 distill.hard.1 final.m2mkd final.e2e final.kd)
for precision in fp64 fp32; do
  train $precision 1 --train.precision $precision
done
check fp64 "$golden/trajectories_fp64.npz" "${exact[@]}" --jobs "${jobs[@]}"
check fp32 "$golden/trajectories_fp32.npz" "${rounded[@]}" --jobs "${jobs[@]}"

# On two ranks: one job at a time, so that both ranks share it.
two=("${stages[@]}" distill.1 final.e2e final.kd)
for job in "${two[@]}"; do
  train two 2 --train.precision fp64 --run.jobs "$job"
done
check two "$golden/trajectories_fp64.npz" "${exact[@]}" --jobs "${two[@]}" | tee "$work/two.check"
[ "$(grep -c 'ranks 2:' "$work/two.check")" = "${#two[@]}" ] || fail "a job did not run on two ranks"

# The comparison can fail: another temperature, and one weight that is not the trained one.
train other 1 --train.precision fp64 --train.tau 2.001 --run.jobs "${stages[*]} distill.1"
expect_exit 1 differ other "$golden/trajectories_fp64.npz" --losses 1e-8 --jobs distill.1
/usr/bin/python3 - "$work/other/modules/incubate.1.h5" <<'P'
import sys, h5py
with h5py.File(sys.argv[1], "r+") as file:
    file["stages/1/blocks.0.attn.qkv.weight"][7, 5] += 1e-5
P
expect_exit 1 differ other "$golden/trajectories_fp64.npz" --weights 1e-8 --jobs incubate.1

# A NAC: its student modules, and the full model end to end.
ini=$golden/pytorch_nac.ini
nac=(distill.0 distill.1 distill.2 final.e2e)
train nac 1 --train.precision fp64
check nac "$golden/trajectories_nac_fp64.npz" "${exact[@]}" --jobs "${nac[@]}"
for job in distill.0 final.e2e; do
  train nac_two 2 --train.precision fp64 --run.jobs "$job"
done
check nac_two "$golden/trajectories_nac_fp64.npz" "${exact[@]}" --jobs distill.0 final.e2e
train nac_other 1 --train.precision fp64 --student.truncation 0.91 --run.jobs final.e2e
expect_exit 1 differ nac_other "$golden/trajectories_nac_fp64.npz" --losses 1e-8 --jobs final.e2e

python=${M2MKD_TORCH_PYTHON:-python3}
if why=$("$python" -c 'import numpy, torch' 2>&1); then
  OMP_NUM_THREADS=1 "$python" "$reference" --train "$work/live.npz" --precision fp64 --whole >/dev/null
  check fp64 "$work/live.npz" "${exact[@]}" --jobs "${jobs[@]}"
  OMP_NUM_THREADS=1 "$python" "$reference" --train "$work/live.npz" --precision fp64 --whole --nac >/dev/null
  check nac "$work/live.npz" "${exact[@]}" --jobs "${nac[@]}"
else
  echo "the live form is skipped: $python: ${why##*$'\n'} (M2MKD_TORCH_PYTHON names a Python with PyTorch)"
fi
