#!/usr/bin/env bash
# labels: mpi
# The same configuration walks the same trajectory on 1, 2, 3 and 4 ranks, up to rounding: 50 steps of every phase and method.
# shellcheck source=tests/support/cli.sh
. "$(dirname "$0")/../support/cli.sh"
steps=(--train.log_steps true --train.epochs 5 --final.epochs 5 --method.incubation.final.epochs 5 --method.m2mkd.final.epochs 5)
for ranks in 1 2 3 4; do smoke "$ranks" "$work/d$ranks" --train.precision fp64 "${steps[@]}" || fail "fp64 on $ranks ranks"; done
for ranks in 2 3 4; do compare losses 1e-9 "$work/d$ranks" "$work/d1"; done
for ranks in 1 2; do smoke "$ranks" "$work/f$ranks" "${steps[@]}" || fail "fp32 on $ranks ranks"; done
compare losses 1e-3 "$work/f2" "$work/f1"
