# shellcheck shell=bash
# Sourced by the tests here: the program, a temporary folder that goes away, and what they share.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=cmake/mpi_env.sh
. "$root/cmake/mpi_env.sh"
cd "$root"
m2mkd=${M2MKD_BIN:-$root/build/release/bin}/m2mkd
pack=${M2MKD_BIN:-$root/build/release/bin}/m2mkd-pack
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -f data/fashion-mnist/train.h5 ] || "$pack" fashion-mnist --out data/fashion-mnist >/dev/null

fail() { echo "FAILED: $*" >&2; exit 1; }
# The pipeline of a smoke configuration on a few steps per job; later flags win.
smoke_config=configs/smoke.ini
short=(--train.epochs 2 --final.incubation.epochs 1 --final.m2mkd.epochs 1)
# smoke RANKS DIR [flags]: the smoke pipeline; its output goes to DIR.out.
smoke() {
  local ranks=$1 dir=$2
  shift 2
  mpirun -n "$ranks" "$m2mkd" run "$smoke_config" --run.dir "$dir" "${short[@]}" "$@" >"$dir.out" 2>&1
}
compare() { /usr/bin/python3 "$root/tests/support/compare_runs.py" "$@" || fail "compare_runs.py $*"; }
expect_exit() { # expect_exit CODE COMMAND...
  local want=$1 got=0
  shift
  "$@" >"$work/stdout" 2>"$work/stderr" || got=$?
  [ "$got" = "$want" ] || { cat "$work/stderr" >&2; fail "exit $got instead of $want: $*"; }
}
