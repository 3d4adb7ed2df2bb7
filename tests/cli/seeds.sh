#!/usr/bin/env bash
# labels: mpi
# run.seeds: repetitions within one run share what comes before them, are what a run with that seed would be, and are compared in the
# table, in summary.h5 and by report. More seeds later train nothing twice.
# shellcheck source=tests/support/cli.sh
. "$(dirname "$0")/../support/cli.sh"
/usr/bin/python3 -c 'import h5py' 2>/dev/null || { echo "skipped: no python3-h5py"; exit 77; }
methods=(--run.methods "e2e m2mkd")
run() { smoke 1 "$work/$1" "${methods[@]}" "${@:2}" || { tail -5 "$work/$1.out"; fail "$1"; }; }

run seeds --run.seeds "1 2"
[ "$(find "$work/seeds/modules" -name '*.h5' | wc -l)" = 10 ] || fail "6 shared jobs and 4 final ones were to be trained"
run one --seed.final 2
compare tensors 0 "$work/seeds" "$work/one" final.m2mkd_seed2=final.m2mkd final.e2e_seed2=final.e2e distill.1=distill.1
run all --run.seeds "0 2" --run.seeds_of all
run two --run.seed 2
compare tensors 0 "$work/all" "$work/two" distill.seed2.0=distill.0 pretrain.seed2=pretrain final.m2mkd_seed2=final.m2mkd

"$m2mkd" report "$work/seeds" >"$work/report"
"$m2mkd" report "$work/seeds" --json >"$work/report.json"
"$m2mkd" report "$work/all" "$work/two" >"$work/both"
"$m2mkd" report "$work/seeds" "$work/two" --json >"$work/both.json"
/usr/bin/python3 - "$work" <<'P' || fail "the table, the summary and the report do not agree"
import json, re, sys
import h5py
import numpy as np
work = sys.argv[1]
near = lambda a, b: abs(a - b) < 1e-9
def summary(run):
    with h5py.File(f"{work}/{run}/summary.h5") as f:
        return dict(f.attrs), {name: dict(group.attrs) for name, group in f["methods"].items()}
root, m = summary("seeds")
assert list(m) == ["e2e_seed1", "e2e_seed2", "m2mkd_seed1", "m2mkd_seed2"] and root["seeds_of"] == "final", (root, list(m))
acc = {name: np.array([m[f"{name}_seed{s}"]["acc1"] for s in (1, 2)]) for name in ("e2e", "m2mkd")}
for name, a in m.items():
    assert a["method"] == name.split("_")[0] and a["seed"] == int(name[-1]) and "prior" not in a, a
    e2e = m[f"e2e_seed{a['seed']}"]
    assert near(a["time_ratio"], a["rank_seconds"] / e2e["rank_seconds"]) and near(a["flops_ratio"], a["flops"] / e2e["flops"])
assert m["m2mkd_seed1"]["acc1_assembled"] == m["m2mkd_seed2"]["acc1_assembled"], "one assembled student"

printed, report = open(f"{work}/seeds.out").read(), open(f"{work}/report").read()
for text in (printed, report):
    table = text.split("over 2 seeds of the end-to-end phase")[1]
    for name, values in acc.items():
        mean, sd = map(float, re.search(rf"^{name} +([\d.]+) ± ([\d.]+)$", table, re.M).groups())
        assert abs(mean - values.mean()) < 0.006 and abs(sd - values.std(ddof=1)) < 0.006, (name, mean, sd)
    assert re.search(r"^assembled, before training:\nm2mkd +[\d.]+ ± 0\.00$", table, re.M), table
d = acc["m2mkd"] - acc["e2e"]
j = json.load(open(f"{work}/report.json"))
difference = j["methods"]["m2mkd"]["difference"]
assert difference["to"] == "e2e" and difference["n"] == 2 and near(difference["mean"], d.mean()) and near(difference["sd"], d.std(ddof=1))
assert j["methods"]["m2mkd"]["acc1"]["values"] == list(acc["m2mkd"]) and j["repetitions"] == [{"run": 0, "seed": 1}, {"run": 0, "seed": 2}]
assert f"{d.mean():+.2f}" in report, report

# Seed 2 of everything is the run with seed 2: not a third repetition. The same final seed after another beginning is one.
both = open(f"{work}/both").read()
assert re.search("m2mkd: seed 2 occurs more than once", both) and "shared" not in both, both
j = json.load(open(f"{work}/both.json"))
assert not j["warnings"], j["warnings"]
assert j["methods"]["m2mkd"]["acc1"]["n"] == 3 and j["methods"]["m2mkd"]["difference"]["n"] == 3, j["methods"]["m2mkd"]
P

# The stored configuration makes the same methods; another seed trains its final jobs alone.
"$m2mkd" run "$work/seeds/config.ini" --print-config | diff - <(tail -n +2 "$work/seeds/config.ini") || fail "the stored configuration reads back otherwise"
expect_exit 0 "$m2mkd" run "$work/seeds/config.ini" --run.seeds "1 2 3"
trained=$(find "$work/seeds/modules" -name '*.h5' -newer "$work/report" -printf '%f\n' | sort | tr '\n' ' ')
[ "$trained" = "final.e2e_seed3.h5 final.m2mkd_seed3.h5 " ] || fail "a third seed trained $trained"
"$m2mkd" eval "$work/seeds/modules/final.m2mkd_seed3.h5" --data.test data/fashion-mnist/test.h5 | grep -q final.m2mkd_seed3 || fail "eval"
