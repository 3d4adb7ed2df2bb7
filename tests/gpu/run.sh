#!/usr/bin/env bash
# What a machine with a GPU should check, as a table.   tests/gpu/run.sh
#
# Builds preset `cuda` first, or takes the program that M2MKD names. Exit 0 when every check passed, and where there is no GPU (the
# reason is printed); 1 when a check failed (its output follows the table).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=cmake/mpi_env.sh
source cmake/mpi_env.sh

command -v nvidia-smi >/dev/null || { echo "gpu: skipped, no nvidia-smi here"; exit 0; }
nvidia-smi -L >/dev/null 2>&1 || { echo "gpu: skipped, nvidia-smi sees no GPU"; exit 0; }

launch=()
if command -v mpirun >/dev/null; then launch=(mpirun -n 1); fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=()
row() { printf '%-10s %-8s %5s  %s\n' "$@"; }

# check NAME FUNCTION: the last line of the output becomes the table's remark. False when the check failed.
# (`set -e` does not reach into a function called like this, hence the `|| return`s below.)
check() {
  local name=$1 start=$SECONDS result=ok
  shift
  "$@" >"$work/$name.log" 2>&1 || { result=FAILED; failed+=("$name"); }
  row "$name" $result "$((SECONDS - start)) s" "$(tail -n 1 "$work/$name.log" | cut -c 1-100)"
  [[ $result == ok ]]
}

device() { nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader; }
set_up() { cmake/setup.sh --cuda && echo "complete"; }
build() { cmake/build.sh cuda; }
starts() { "$M2MKD" --build-info && ldd "$M2MKD" | grep -o 'libtorch_cuda.so\|libnccl.so[.0-9]*' | paste -sd ' '; }
pack() { data_prep/fashion_mnist.sh "$(dirname "$M2MKD")" && echo "data/fashion-mnist"; }
tests() { ctest --test-dir build/cuda --output-on-failure --no-tests=ignore -L gpu; }
pipeline() { # pipeline NAME CONFIG.ini [settings]: all of it on the GPU
  local run=$work/run_$1
  shift
  "${launch[@]}" "$M2MKD" run "$@" --run.dir "$run" || return
  [[ -e $run/summary.h5 ]] || { echo "no summary.h5 in the run's directory"; return 1; }
  grep -q 'cuda:0' "$run/run.log" || { echo "run.log does not name cuda:0: it ran on the CPU"; return 1; }
  echo "all phases and methods finished on cuda:0"
}
differences() { python3 tests/support/compare_runs.py tensors "$1" "$2" "$3"; }
# The same program, once without and once with the GPU: every tensor of every module agrees in fp64.
agrees() {
  local settings=(--train.precision fp64 --run.methods "m2mkd")
  env CUDA_VISIBLE_DEVICES='' "${launch[@]}" "$M2MKD" run configs/smoke.ini "${settings[@]}" --run.dir "$work/cpu" &&
    pipeline fp64 configs/smoke.ini "${settings[@]}" && differences 1e-6 "$work/cpu" "$work/run_fp64"
}
# Stopped in the middle and continued: the same as never stopped, to rounding (backward kernels of GPUs may add in another order).
resumes() {
  local settings=(configs/smoke.ini --run.methods e2e --train.epochs 400 --train.checkpoint_seconds 1 --train.precision fp64) pid code=0
  "${launch[@]}" "$M2MKD" run "${settings[@]}" --run.dir "$work/cut" &
  pid=$!
  until [[ -n $(compgen -G "$work/cut/checkpoints/final.e2e/*.h5") ]]; do
    kill -0 $pid || { echo "ended before its first checkpoint"; return 1; }
    sleep 0.2
  done
  pkill -USR1 -x m2mkd # the program itself: mpirun does not hand the signal on everywhere
  wait $pid || code=$?
  ((code == 75)) || { echo "stopped with exit code $code instead of 75"; return 1; }
  "${launch[@]}" "$M2MKD" run "${settings[@]}" --run.dir "$work/cut" && pipeline whole "${settings[@]}" &&
    differences 1e-6 "$work/run_whole" "$work/cut"
}
bench() {
  "$M2MKD" bench configs/smoke.ini --json >"$work/bench.json" || return
  cat "$work/bench.json"
  python3 -m json.tool "$work/bench.json" >/dev/null && echo "valid JSON"
}
checks() {
  check device device || return
  if [[ -z ${M2MKD:-} ]]; then
    check set_up set_up && check build build || return
    M2MKD=$PWD/build/cuda/bin/m2mkd
    check tests tests || true
  fi
  check starts starts && check pack pack || return
  check pipeline pipeline vmoe configs/smoke.ini || true
  check nac pipeline nac configs/nac_smoke.ini || true
  check bf16 pipeline bf16 configs/smoke.ini --train.precision bf16 --meta.width 64 --teacher.width 64 --student.width 64 || true
  check agrees agrees || true
  check resumes resumes || true
  check bench bench || true
}

row check result time remark
checks || true
for name in "${failed[@]}"; do
  printf '\n--- %s: last lines of its output\n' "$name"
  tail -n 30 "$work/$name.log"
done
echo
if ((${#failed[@]})); then
  echo "gpu: ${#failed[@]} failed: ${failed[*]}"
  exit 1
fi
echo "gpu: all checks passed"
