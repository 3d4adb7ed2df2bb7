#!/bin/bash
# labels: mpi
# A rank that throws, aborts or fails an assertion ends the whole MPI job within seconds, with its message and exit status.
set -euo pipefail
bin="${M2MKD_BIN:-build/release/bin}/test_mpi"
[[ -x $bin ]] || { echo "skipped: $bin is not built"; exit 77; }
output=$(mktemp)
trap 'rm -f "$output"' EXIT

# expect NAME STATUS [TEXT]: on 3 ranks, test Failure.DISABLED_<NAME> must exit with STATUS and print TEXT.
expect() {
  local status=0
  timeout --kill-after=5 30 mpirun -n 3 "$bin" --gtest_also_run_disabled_tests \
    --gtest_filter="Failure.DISABLED_$1" >"$output" 2>&1 || status=$?
  if [[ $status -ne $2 ]] || ! grep -q -- "${3:-}" "$output"; then
    cat "$output"
    echo "Failure.$1: status $status (expected $2; 124 is a hang), expected text: ${3:-none}"
    exit 1
  fi
}

expect ThrowsWhileOthersReduce 1 'rank 2: uncaught exception: the disk is on fire'
expect AbortsWhileOthersReduce 42
expect AbortsWhileOthersHoldABarrier 42
expect AssertionOfOneRank 1 'rank 2: Failure.DISABLED_AssertionOfOneRank: .*failure_test.cpp:'
expect UnheardStopHoldsNobodyUp 0 'PASSED'
expect NoSuchTest 1 'no test was chosen'
