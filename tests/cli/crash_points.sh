#!/usr/bin/env bash
# Killed before every rename, fsync, removal and new folder of a run of one job, one after the other: the next start leaves all that a
# reader sees as if nothing had happened. And the order that makes this so on a disk: fsync of the file, rename, fsync of the folder.
# M2MKD_CRASH_RUN="flags" sweeps a larger run.
# shellcheck source=tests/support/cli.sh
. "$(dirname "$0")/../support/cli.sh"
events=${M2MKD_BIN:-$root/build/release/bin}/file_events.so
/usr/bin/python3 -c 'import h5py, numpy' 2>/dev/null || { echo "skipped: python3-h5py is not installed"; exit 77; }
LD_PRELOAD=$events "$m2mkd" --version >/dev/null 2>&1 || { echo "skipped: nothing can be loaded before the C library of this build"; exit 77; }
mapfile -t flags < <(tr ' ' '\n' <<<"${M2MKD_CRASH_RUN:---run.methods e2e}")
dir=$work/run
run() { "$m2mkd" run configs/smoke.ini --run.dir "$dir" "${flags[@]}" --data.train_images 64 --train.batch 32 --train.epochs 1 \
  --final.m2mkd.epochs 1 --train.checkpoint_seconds 0 >"$work/out" 2>&1; }

M2MKD_EVENTS_UNDER=$dir M2MKD_EVENTS_LOG=$work/events LD_PRELOAD=$events run || { tail -3 "$work/out"; fail "the undisturbed run"; }
mv "$dir" "$work/whole"

# Every published file: synced under its temporary name, then renamed, then its folder synced.
/usr/bin/python3 - "$work/events" <<'PY' || fail "the order of writing"
import os, re, sys
events = [line.rstrip("\n").split(" ", 1) for line in open(sys.argv[1])]
renames = [i for i, (what, _) in enumerate(events) if what == "rename"]
assert len(renames) > 5, events
for i in renames:
    name = events[i][1]
    before, after = events[i - 1], events[i + 1]
    assert before[0] == "fsync" and re.fullmatch(re.escape(name) + r"\.tmp\.\d+", before[1]), (before, name)
    assert after[0] == "fsync" and after[1] == os.path.dirname(name), (name, after)
PY

points=$(wc -l <"$work/events")
for point in $(seq "$points"); do
  rm -rf "$dir"
  M2MKD_EVENTS_UNDER=$dir M2MKD_DIE_AT=$point LD_PRELOAD=$events run && fail "point $point was not reached"
  run || { tail -3 "$work/out"; fail "the start after point $point: $(sed -n "${point}p" "$work/events")"; }
  cmp -s "$work/whole/config.ini" "$dir/config.ini" || fail "config.ini after point $point"
  /usr/bin/python3 tests/support/same_state.py "$work/whole" "$dir" || fail "after point $point: $(sed -n "${point}p" "$work/events")"
done
echo "$points points"
