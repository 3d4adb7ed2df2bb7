#!/usr/bin/env bash
# labels: mpi
# A stop is heard from the first moment, by one rank alone, and in evaluation; stops that gain nothing end the requeueing with 76.
# shellcheck source=tests/support/cli.sh
. "$(dirname "$0")/../support/cli.sh"
tiny=(configs/smoke.ini --run.methods e2e --train.epochs 4000)

# caught PID: waits until the process catches USR1 (bit 10 of SigCgt).
caught() {
  for _ in $(seq 1000); do
    local mask
    mask=$(sed -n 's/^SigCgt:\t//p' "/proc/$1/status" 2>/dev/null) || return 1
    [ -n "$mask" ] && ((16#$mask & 512)) && return 0
    sleep 0.002
  done
  return 1
}
# ended PID: waits for it; its exit code is in `rc`.
ended() {
  rc=0
  wait "$1" || rc=$?
}
# ask SIGNAL RANK DIR: sends it to this rank of the run alone.
ask() {
  local place
  for place in /proc/[0-9]*; do
    grep -qzx "OMPI_COMM_WORLD_RANK=$2" "$place/environ" 2>/dev/null || continue
    grep -qzx -- "$3" "$place/cmdline" || continue
    kill "-$1" "${place#/proc/}"
    return
  done
  fail "no process of rank $2"
}

# Heard before anything was begun, six times: five starts continue nothing, the sixth says that requeueing would go on for ever.
for start in 1 2 3 4 5 6; do
  "$m2mkd" run "${tiny[@]}" --run.dir "$work/early" >"$work/early.out" 2>&1 &
  pid=$!
  caught $pid || fail "USR1 is not caught"
  kill -USR1 $pid
  ended $pid
  want=$((start < 6 ? 75 : 76))
  [ "$rc" = $want ] || { tail -5 "$work/early.out"; fail "start $start ended with $rc instead of $want"; }
done
grep -q 'stopped 6 times in a row without gaining a step' "$work/early.out" || fail "why it is 76 is not said"
expect_exit 0 "$m2mkd" run configs/smoke.ini --run.methods e2e --train.epochs 4000 --train.max_steps 3 --run.dir "$work/early"
[ ! -e "$work/early/status/stops.txt" ] || fail "stops are counted after an end"

# One rank of three is asked; all save.
mpirun -n 3 "$m2mkd" run "${tiny[@]}" --run.dir "$work/one" >"$work/one.out" 2>&1 &
pid=$!
for _ in $(seq 500); do grep -q 'wave 1 of' "$work/one/run.log" 2>/dev/null && break; sleep 0.02; done
sleep 0.3
ask USR1 2 "$work/one"
ended $pid
[ "$rc" = 75 ] || { tail -5 "$work/one.out"; fail "exit $rc where one rank was asked"; }
grep -q 'stopped on SIGUSR1' "$work/one.out" || fail "the signal is not named"
[ -n "$(ls "$work/one/checkpoints/final.e2e")" ] || fail "nothing was saved"

# In evaluation: a training of one step and a test that takes long; TERM ends both within seconds, and saves.
slow=(configs/smoke.ini --run.methods e2e --train.max_steps 1 --train.eval_batch 20 --student.width 256 --student.heads 4 --student.patch 4 --student.depths "3 3"
  --meta.depths "1 1" --run.dir "$work/slow")
mpirun -n 2 "$m2mkd" run "${slow[@]}" >"$work/slow.out" 2>&1 &
pid=$!
for _ in $(seq 1000); do [ -n "$(compgen -G "$work/slow/checkpoints/final.e2e/*.h5")" ] && break; sleep 0.02; done
sleep 0.5
[ ! -e "$work/slow/modules/final.e2e.h5" ] || fail "the evaluation was over before the stop"
begin=$(date +%s%N)
ask TERM 1 "$work/slow"
ended $pid
took=$((($(date +%s%N) - begin) / 1000000))
[ "$rc" = 75 ] || { tail -5 "$work/slow.out"; fail "exit $rc where one rank was asked while it evaluated"; }
grep -q 'stopped on SIGTERM' "$work/slow.out" || fail "the signal is not named"
[ ! -e "$work/slow/modules/final.e2e.h5" ] || fail "the evaluation went on to its end"
[ $took -lt 10000 ] || fail "heard after $took ms"
echo "stops: all checks passed (a stop in evaluation took $took ms)"
