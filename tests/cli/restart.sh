#!/usr/bin/env bash
# labels: mpi
# A second start skips what is finished; other settings are not silently reused; redo, extend and more steps do what they say; damage is
# noticed; wrong settings are listed all at once with their places.
# shellcheck source=tests/support/cli.sh
. "$(dirname "$0")/../support/cli.sh"
run() { "$m2mkd" run configs/smoke.ini --run.dir "$work/run" "${short[@]}" "$@"; }

expect_exit 0 run --run.methods m2mkd --train.keep_checkpoints true
cp -r "$work/run" "$work/first"
expect_exit 0 run --run.methods m2mkd --train.keep_checkpoints true
grep -q 'wave 5 of 5: all jobs are finished' "$work/stderr" || fail "the second start did not skip"
compare tensors 0 "$work/first" "$work/run"

# A neutral setting is no difference; a scientific one is refused, named, and nothing is touched.
expect_exit 0 run --run.methods m2mkd --train.log_seconds 3 --train.keep_checkpoints true
expect_exit 2 run --run.methods m2mkd --distill.tau 4
grep -q 'train.tau: 1 -> 4' "$work/stderr" || fail "the differing key is not named"
grep -q 'run.redo' "$work/stderr" || fail "nothing to try"
compare tensors 0 "$work/first" "$work/run"

# redo trains that job and what depends on it, and nothing else.
expect_exit 0 run --run.methods m2mkd --distill.tau 4 --run.redo --train.keep_checkpoints true
compare tensors 0 "$work/first" "$work/run" pretrain=pretrain finetune=finetune
if /usr/bin/python3 tests/support/compare_runs.py tensors 0 "$work/first" "$work/run" final.m2mkd=final.m2mkd; then fail "final.m2mkd was not redone"; fi

# extend goes on with a finished job; refused without it.
expect_exit 2 run --run.methods m2mkd --distill.tau 4 --final.m2mkd.epochs 2
grep -q 'run.extend' "$work/stderr" || fail "extend is not offered"
expect_exit 0 run --run.methods m2mkd --distill.tau 4 --final.m2mkd.epochs 2 --run.extend
grep -q 'goes on from step 10' "$work/stderr" || fail "extend did not continue"
"$m2mkd" inspect "$work/run/modules/final.m2mkd.h5" >"$work/inspected"
grep -q extended_from "$work/inspected" || fail "the extension is not recorded"

# max_steps is a stop point, not another job.
expect_exit 0 "$m2mkd" run configs/smoke.ini --run.dir "$work/part" --run.methods e2e --train.max_steps 7
expect_exit 0 "$m2mkd" run configs/smoke.ini --run.dir "$work/part" --run.methods e2e
expect_exit 0 "$m2mkd" run configs/smoke.ini --run.dir "$work/full" --run.methods e2e
compare tensors 0 "$work/part" "$work/full"

# A second program in the same folder is refused and touches nothing there.
"$m2mkd" run configs/smoke.ini --run.dir "$work/held" --run.methods e2e --final.epochs 2000 >"$work/held.out" 2>&1 &
holder=$!
for _ in $(seq 500); do grep -q 'wave 1 of' "$work/held/run.log" 2>/dev/null && break; sleep 0.02; done
cp "$work/held/config.ini" "$work/held.ini"
touch "$work/held/modules/x.h5.tmp.1"
expect_exit 1 "$m2mkd" run configs/smoke.ini --run.dir "$work/held" --run.methods kd
grep -q 'in use by process' "$work/stderr" || fail "the holder is not named"
cmp "$work/held.ini" "$work/held/config.ini" || fail "config.ini of a running program was replaced"
[ -e "$work/held/modules/x.h5.tmp.1" ] || fail "temporary files of a running program were removed"
kill -USR1 "$holder"
expect_exit 75 wait "$holder"

# A damaged module file is found before it is used; a missing one is made again.
printf 'x' | dd of="$work/run/modules/pretrain.h5" bs=1 seek=9000 conv=notrunc status=none
expect_exit 1 run --run.methods m2mkd --distill.tau 4 --final.m2mkd.epochs 2
grep -q 'pretrain.h5' "$work/stderr" || fail "the damaged file is not named"
rm "$work/run/modules/pretrain.h5"
expect_exit 0 run --run.methods m2mkd --distill.tau 4 --final.m2mkd.epochs 2
compare tensors 0 "$work/first" "$work/run" pretrain=pretrain

# A job whose parents are not there says so.
expect_exit 1 "$m2mkd" run configs/smoke.ini --run.dir "$work/none" --run.jobs distill.1
grep -q 'distill.1 needs .*pretrain.h5' "$work/stderr" || fail "the missing parent is not named"

# All mistakes at once, with file, line and the nearest name; exit 2 on every number of ranks, nothing created.
cat >"$work/bad.ini" <<'INI'
[train]
lrr = 1
epochs = many
[final.e2f]
epochs = 3
[student]
heads = 3
INI
for ranks in 1 2; do
  expect_exit 2 mpirun -n "$ranks" "$m2mkd" run configs/smoke.ini "$work/bad.ini" --run.dir "$work/bad" --run.methods e2e,kdd
  for text in "bad.ini:2: unknown key 'train.lrr'" "train.lr" "bad.ini:3: train.epochs = many" "final.e2f" "unknown method 'kdd'"; do
    grep -q -- "$text" "$work/stderr" || { cat "$work/stderr"; fail "not reported on $ranks ranks: $text"; }
  done
  [ "$(grep -c "unknown key 'train.lrr'" "$work/stderr")" = 1 ] || fail "reported by more than one rank"
done
[ ! -e "$work/bad" ] || fail "a run directory was made"
expect_exit 2 "$m2mkd" run configs/smoke.ini --run.dir "$work/bad" --student.heads 3 --meta.depths "1 1 1"
for text in heads depths; do grep -q $text "$work/stderr" || fail "contradictions are not all reported: $text"; done
expect_exit 2 "$m2mkd" rnu
grep -q "did you mean 'run'" "$work/stderr" || fail "no near command"
expect_exit 0 "$m2mkd" --help

# --print-config round-trips.
"$m2mkd" run configs/smoke.ini --distill.tau 2 --print-config >"$work/a.ini"
"$m2mkd" run "$work/a.ini" --print-config >"$work/b.ini"
diff "$work/a.ini" "$work/b.ini" || fail "--print-config does not round-trip"
"$m2mkd" --print-defaults >"$work/defaults.ini"
"$m2mkd" run "$work/defaults.ini" --print-config >/dev/null || fail "--print-defaults cannot be read"
