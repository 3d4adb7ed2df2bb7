#!/usr/bin/env bash
# labels: mpi
# USR1 in every phase saves a checkpoint and exits 75; the same command continues; the tensors of all modules have the bits of a run
# that was never stopped. Ctrl-C on mpirun leaves the last checkpoint intact. Continuing on other ranks agrees to rounding.
# shellcheck source=tests/support/cli.sh
. "$(dirname "$0")/../support/cli.sh"
longer=(--train.epochs 12 --final.epochs 12 --train.eval_epochs 4 --train.checkpoint_seconds 0.2)
smoke 2 "$work/whole" "${longer[@]}" || fail "the undisturbed run"

# How often the log announces this wave.
announced() { grep -c "wave $2 of" "$1/run.log" 2>/dev/null || [ -f "$1/run.log" ] || echo 0; }

# interrupted DIR SIGNAL RANKS WAVE: starts, waits until the wave begins, signals mpirun a moment later; prints the exit code.
interrupted() {
  local dir=$1 signal=$2 ranks=$3 wave=$4 rc=0 before
  before=$(announced "$dir" "$wave")
  mpirun -n "$ranks" "$m2mkd" run configs/smoke.ini --run.dir "$dir" "${short[@]}" "${longer[@]}" >>"$dir.out" 2>&1 &
  local pid=$!
  for _ in $(seq 400); do
    [ "$(announced "$dir" "$wave")" -gt "$before" ] && break
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.02
  done
  sleep 0.15
  kill "-$signal" "$pid" 2>/dev/null || true
  wait "$pid" || rc=$?
  echo "$rc"
}

stops=0
for wave in 1 2 3 4 5; do
  rc=$(interrupted "$work/cut" USR1 2 "$wave")
  if [ "$rc" = 75 ]; then stops=$((stops + 1)); elif [ "$rc" != 0 ]; then tail -5 "$work/cut.out"; fail "exit $rc in wave $wave"; fi
done
[ "$stops" -ge 4 ] || fail "only $stops of 5 waves were stopped"
smoke 2 "$work/cut" "${longer[@]}" || fail "continuing"
compare tensors 0 "$work/whole" "$work/cut"
# Not by training anew: what was stopped in its middle went on there.
continued=$(grep -c 'continues at step [1-9]' "$work/cut/run.log")
[ "$continued" -ge 3 ] || fail "only $continued jobs went on at a step of theirs"
grep -q 'predicted .* by \[machine\] for what is left' "$work/cut/run.log" || fail "a restart predicts what is done already"
grep -q 'about .* left for the whole run, ' "$work/cut/run.log" || fail "nothing said about the time of the whole run"
echo "$stops stops by USR1, $continued jobs went on where they were"

rc=$(interrupted "$work/killed" INT 2 2)
[ "$rc" != 0 ] || fail "Ctrl-C was not noticed"
smoke 2 "$work/killed" "${longer[@]}" || { tail -5 "$work/killed.out"; fail "continuing after Ctrl-C"; }
compare tensors 0 "$work/whole" "$work/killed"

# A group that waits for another hears the signal too: rank 1 has fine-tuned the teacher while rank 0 trains on.
mpirun -n 2 "$m2mkd" run configs/smoke.ini --run.dir "$work/wait" "${short[@]}" --run.methods e2e,m2mkd --final.epochs 400 \
  --train.micro_batch 64 >"$work/wait.out" 2>&1 &
pid=$!
for _ in $(seq 500); do [ -e "$work/wait/modules/finetune.h5" ] && break; sleep 0.02; done
grep -q 'ranks 0-0: \[final.e2e\]' "$work/wait/run.log" || fail "the long job is not alone on rank 0"
sleep 0.5
kill -USR1 "$pid"
rc=0
wait "$pid" || rc=$?
[ "$rc" = 75 ] || { tail -5 "$work/wait.out"; fail "exit $rc while one group waited"; }
[ ! -e "$work/wait/modules/final.e2e.h5" ] || fail "the long job was finished: nobody waited"
"$m2mkd" status "$work/wait" >"$work/status"
grep -q 'about .* of work left in the whole run' "$work/status" || { cat "$work/status"; fail "status does not tell what is left"; }

longer+=(--train.precision fp64)
smoke 2 "$work/two" "${longer[@]}" || fail "the undisturbed run in fp64"
rc=$(interrupted "$work/three" USR1 2 2)
smoke 3 "$work/three" "${longer[@]}" || fail "continuing on 3 ranks"
grep -q 'rounding only' "$work/three.out" || fail "nothing said about another number of ranks"
compare tensors 1e-6 "$work/three" "$work/two"
