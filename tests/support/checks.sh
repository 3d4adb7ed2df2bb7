# shellcheck shell=bash
# Sourced by tests that make many small checks and report all failures: a temporary folder W that goes away, the programs, and
#   check WHAT CONDITION...          says CODE PATTERN ARGUMENTS... (of $program)          py WHAT ARGUMENTS... <<script          finish NAME
set -uo pipefail
bin=${M2MKD_BIN:-build/release/bin}
[[ $bin == /* ]] || bin=$PWD/$bin
# shellcheck disable=SC2034  # some tests use only one program
m2mkd=$bin/m2mkd pack=$bin/m2mkd-pack program=$m2mkd
W=$(mktemp -d)
trap 'rm -rf "$W"' EXIT
failed=0

check() {
  local what=$1
  shift
  "$@" || { echo "FAILED: $what"; failed=1; }
}
says() { # the program's exit code and a pattern of its output
  local code=$1 pattern=$2 out rc
  shift 2
  out=$("$program" "$@" 2>&1)
  rc=$?
  check "exit $rc, not $code: ${program##*/} $* ($out)" test "$rc" = "$code"
  check "${program##*/} $*: no '$pattern' in: $out" grep -q -- "$pattern" <<<"$out"
}
py() { # Python assertions
  local what=$1
  shift
  check "$what" /usr/bin/python3 - "$@"
}
need_h5py() {
  /usr/bin/python3 -c 'import h5py, numpy' 2>/dev/null || { echo "skipped: python3-h5py is not installed"; exit 77; }
}
finish() {
  [ $failed = 0 ] && echo "$1: all checks passed"
  exit $failed
}
