#!/usr/bin/env bash
# labels: mpi
# Equalities that hold by mathematics, on real images, in the program's own files.
# shellcheck source=tests/support/cli.sh
. "$(dirname "$0")/../support/cli.sh"
# alpha = 0 with equal settings is Deep Incubation, bit for bit; with stitches too.
smoke 1 "$work/nokd" --run.methods incubation,m2mkd_nokd --student.stitch always --student.width 24 --incubate.epochs 2 || fail nokd
compare tensors 0 "$work/nokd" "$work/nokd" incubate.incubation.0=distill.m2mkd_nokd.0 incubate.incubation.1=distill.m2mkd_nokd.1
# One stage: module-to-module distillation is conventional distillation, bit for bit.
smoke 1 "$work/one" --run.methods kd,m2mkd --meta.depths 1 --teacher.depths 2 --student.depths 2 || fail "one stage"
compare tensors 0 "$work/one" "$work/one" distill.0=final.kd
# Two identical teachers equal one (up to the rounding of a mean of two equal numbers).
smoke 1 "$work/single" --run.methods m2mkd --train.precision fp64 || fail "one teacher"
cat >"$work/twins.ini" <<'INI'
[teacher.twin]
[distill]
teachers = teacher twin
INI
smoke 1 "$work/twins" "$work/twins.ini" --teacher.twin.width 16 --run.methods m2mkd --train.precision fp64 || { tail -3 "$work/twins.out"; fail "two teachers"; }
compare tensors 1e-12 "$work/twins" "$work/single" distill.0=distill.0 distill.1=distill.1 final.m2mkd=final.m2mkd
