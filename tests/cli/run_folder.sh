#!/usr/bin/env bash
# A run's folder among other people's files: foreign things are neither removed nor replaced, runs do not nest, a refused start and a
# check change nothing.
# shellcheck source=tests/support/cli.sh
. "$(dirname "$0")/../support/cli.sh"
tiny=(configs/smoke.ini --run.methods e2e --train.max_steps 2)
# Every file with its bytes, and every folder.
seen() { (cd "$1" && find . -type d | sort && find . -type f -print0 | sort -z | xargs -0r sha256sum); }
# refused CODE WHY DIR COMMAND...: this exit code, a sentence, and nothing in DIR changes.
refused() {
  local code=$1 why=$2 dir=$3
  shift 3
  seen "$dir" >"$work/before"
  expect_exit "$code" "$@"
  grep -q -- "$why" "$work/stderr" || { cat "$work/stderr" >&2; fail "not said: $why"; }
  seen "$dir" | diff "$work/before" - || fail "a refused start changed $dir ($why)"
}

mkdir -p "$work/mine/photos"
for name in thesis.tmp.tex photos/me.tmp.jpg photos/final.e2e.h5.tmp.12 config.ini; do echo "my own" >"$work/mine/$name"; done
refused 2 'config.ini, which m2mkd did not write' "$work/mine" "$m2mkd" run "${tiny[@]}" --run.dir "$work/mine"
rm "$work/mine/config.ini"
seen "$work/mine" | grep -v '^\.' >"$work/files"
expect_exit 0 "$m2mkd" run "${tiny[@]}" --run.dir "$work/mine"
(cd "$work/mine" && sha256sum --quiet -c "$work/files") || fail "a run touched files that are not its own"

refused 2 'lies in .*/mine, the folder of another run' "$work/mine" "$m2mkd" run "${tiny[@]}" --run.dir "$work/mine/photos/run"
refused 2 'lies around .*/mine, the folder of another run' "$work/mine" "$m2mkd" run "${tiny[@]}" --run.dir "$work"
[ ! -e "$work/lock" ] || fail "a refused start left a lock"

# Another experiment in the same folder is refused before its settings are recorded: the record still runs.
refused 2 'train.lr: ' "$work/mine" "$m2mkd" run "${tiny[@]}" --run.dir "$work/mine" --train.lr 1e-2
refused 2 'init.teacher = .*absent.pth: no such file' "$work/mine" "$m2mkd" run "${tiny[@]}" --run.dir "$work/mine" --run.methods kd --init.teacher "$work/absent.pth"
expect_exit 0 "$m2mkd" run "$work/mine/config.ini"
# So it is where what refuses is a job of a later wave.
expect_exit 0 "$m2mkd" run "${tiny[@]}" --run.dir "$work/two" --run.methods m2mkd
refused 2 'train.tau: 1 -> 4' "$work/two" "$m2mkd" run "${tiny[@]}" --run.dir "$work/two" --run.methods m2mkd --distill.tau 4
expect_exit 0 "$m2mkd" run "$work/two/config.ini"
# A parent that was trained anew: its children are refused with the setting that was changed, not with a digest that nobody wrote.
expect_exit 0 "$m2mkd" run "${tiny[@]}" --run.dir "$work/two" --run.methods m2mkd --run.jobs pretrain --run.redo --pretrain.lr 5e-3
refused 2 'pretrain.lr: (not set) -> 5e-3' "$work/two" "$m2mkd" run "${tiny[@]}" --run.dir "$work/two" --run.methods m2mkd --pretrain.lr 5e-3
grep -q 'pretrain: has other weights than it was made from' "$work/stderr" || fail "the parent is not named"

# A check writes nothing: a NAC's graph priors are drawn in memory.
mkdir "$work/nac"
expect_exit 0 "$m2mkd" check configs/nac_smoke.ini --run.dir "$work/nac" --seconds 1
[ -z "$(ls -A "$work/nac")" ] || fail "check wrote into the run's folder: $(ls -R "$work/nac")"
