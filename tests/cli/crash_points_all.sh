#!/usr/bin/env bash
# labels: slow
# tests/cli/crash_points.sh over a run of all phases, and one whose schedule is not at its end, so that its checkpoints stay.
here=$(dirname "$0")
bash "$here/crash_points.sh" || exit
M2MKD_CRASH_RUN="--run.methods e2e --train.max_steps 1" bash "$here/crash_points.sh" || exit
M2MKD_CRASH_RUN="--run.methods m2mkd" bash "$here/crash_points.sh"
