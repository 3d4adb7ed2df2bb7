#!/usr/bin/env bash
# labels: program
# [evaluation.NAME]: further data sets give further rows, per job, per method and in the table; scored when they are asked for, also for
# what is finished; their classes found by name, or answers counted among them alone. Without the sections files and table are as before.
# A method's leaf is data.
# shellcheck source=tests/support/checks.sh
. "$(dirname "$0")/../support/checks.sh"
need_h5py
root=$PWD
cd "$W" || exit 1
py "images" <<'P'
import numpy as np
rng = np.random.RandomState(0)
def make(name, classes, n, noise=120):
    y = np.arange(n, dtype=np.int64) % len(classes)
    x = rng.randint(0, noise, (n, 28, 28, 1))
    for i, c in enumerate(y):
        x[i, 7 * classes[c]:7 * classes[c] + 7] += 120
    np.save(f"x_{name}.npy", np.minimum(x, 255).astype(np.uint8))
    np.save(f"y_{name}.npy", y)
make("train", [0, 1, 2, 3], 256)
make("test", [0, 1, 2, 3], 100)
make("noisy", [0, 1, 2, 3], 80, 250)
make("some", [3, 1], 60, 200)  # fox, dog
P
printf 'cat\ndog\nhen\nfox\n' >classes.txt && printf 'fox\ndog\n' >some.txt && printf 'fox\nowl\n' >other.txt
pack() { # pack OUT TRAIN TEST CLASSES
  "$pack" npy --name "$1" --images "x_$2.npy" --labels "y_$2.npy" --test-images "x_$3.npy" --test-labels "y_$3.npy" --classes-file "$4" --out "$1" >log ||
    { cat log; exit 1; }
}
pack data train test classes.txt && pack noisy train noisy classes.txt && pack some some some some.txt && pack owls some some other.txt
cat >small.ini <<I
$(sed '/^train_images/d; s|data/fashion-mnist/|data/|' "$root/configs/smoke.ini")
I
sed -i 's/^epochs = .*/epochs = 4/' small.ini
cat >further.ini <<'I'
[evaluation.noisy]
file = noisy/test.h5
start = true
epochs = 2
[evaluation.some]
file = some/test.h5
classes = by_name
jobs = final distill.1
[evaluation.subset]
file = some/test.h5
classes = subset
I
run=(run small.ini --run.methods "e2e m2mkd" --run.dir)

# --- What is wrong is said before anything begins.
says 2 "\[evaluation.test\]: 'test' is what section \[data\] gives" plan small.ini --ranks 1 --evaluation.test.file data/test.h5
says 2 "evaluation.x.file is not set" plan small.ini --ranks 1 --evaluation.x.epochs 1
says 2 "evaluation.x.file = absent.h5: no such file" plan small.ini --ranks 1 --evaluation.x.file absent.h5
says 0 "final.e2e" plan small.ini --ranks 1 --evaluation.x.file absent.h5 --evaluation.x.count 50
says 2 "evaluation.x.file has other classes than data.train (class 0 is 'cat' there and 'fox' here): evaluation.x.classes = by_name" \
  plan small.ini --ranks 1 --evaluation.x.file some/test.h5
says 2 "evaluation.x.file has a class 'owl' that data.train has not" plan small.ini --ranks 1 --evaluation.x.file owls/test.h5 --evaluation.x.classes subset
says 2 "evaluation.x.jobs: 'finall' is neither a job nor a phase" plan small.ini --ranks 1 --evaluation.x.file noisy/test.h5 --evaluation.x.jobs finall
says 2 "did you mean 'evaluation.x.file'" plan small.ini --ranks 1 --evaluation.x.fil noisy/test.h5
says 2 "unknown key 'evaluation.file'" plan small.ini --ranks 1 --evaluation.file noisy/test.h5
says 0 "# \[evaluation.NAME\]" --print-defaults

# --- A run without, one with, and one to which they are added when it is finished.
says 0 "final.m2mkd: finished" "${run[@]}" plain
says 0 "final.m2mkd: acc1=.* on noisy" run small.ini further.ini --run.methods "e2e m2mkd" --run.dir with
cp -r plain later
says 0 "final.m2mkd: on subset, was scored not yet: it is scored now" run small.ini further.ini --run.methods "e2e m2mkd" --run.dir later
says 0 "data  *some/test.h5  *ok  *60 images of 2 classes" check small.ini further.ini --run.methods "e2e m2mkd" --run.dir with --seconds 5
py "rows" <<'P'
import h5py, numpy as np, glob, os
def rows(path):
    with h5py.File(path) as f:
        g = f["results"]
        text = lambda name: [v.decode() for v in g[name][()]]
        return {(j, e, m): (v, s, n) for j, e, m, v, s, n in zip(text("job"), text("evaluation"), text("metric"), g["value"][()], g["standard_error"][()], g["count"][()])}
def table(path, group):
    with h5py.File(path) as f:
        return {k: f[group][k][()].tolist() for k in f[group]}
plain, with_, later = (rows(f"{d}/summary.h5") for d in ("plain", "with", "later"))
assert {e for _, e, _ in plain} == {"test"} and {e for _, e, _ in with_} == {"test", "noisy", "some", "subset"}
for key, row in plain.items():
    assert np.array_equal(row, with_[key], equal_nan=True), key       # the evaluations change nothing else
tensors = lambda d, job: h5py.File(f"{d}/modules/{job}.h5").attrs["digest"]
assert all(tensors("plain", j) == tensors("with", j) == tensors("later", j) for j in ("final.e2e", "final.m2mkd", "distill.1", "pretrain"))
# A second row per method; the standard error is that of its images.
for method in ("e2e", "m2mkd"):
    for name, n in (("noisy", 80), ("some", 60), ("subset", 60)):
        value, error, count = with_[f"final.{method}", name, "acc1"]
        assert count == n and abs(error - 100 * np.sqrt(value / 100 * (1 - value / 100) / n)) < 1e-9
# When: at the start, during training, at the end; of the jobs that are meant.
assert ("final.m2mkd", "noisy", "start_acc1") in with_ and ("final.m2mkd", "noisy", "best_acc1") in with_
assert ("final.m2mkd", "subset", "start_acc1") not in with_ and ("final.m2mkd", "subset", "best_acc1") not in with_
assert {j for j, e, _ in with_ if e == "some"} == {"final.e2e", "final.m2mkd", "distill.1"}
assert {j for j, e, _ in with_ if e == "noisy"} == {"pretrain", "finetune", "final.e2e", "final.m2mkd"}
epochs = table("with/metrics/final.m2mkd.h5", "epochs")
assert np.isfinite(epochs["noisy.acc1"]).tolist() == [False, True, False, True] and "noisy.acc1" not in table("plain/metrics/final.m2mkd.h5", "epochs")
assert max(v for v in epochs["noisy.acc1"] if v == v) == with_["final.m2mkd", "noisy", "best_acc1"][0]
assert epochs["noisy.acc1"][-1] == with_["final.m2mkd", "noisy", "acc1"][0]
# Scored afterwards is scored alike; the best during training cannot be made up for.
for key, row in with_.items():
    if not key[2].startswith("best_"):
        assert np.array_equal(row, later[key], equal_nan=True), key
# Module file and metrics hold their job's rows; a mask can only help.
assert {k: v for k, v in rows("with/modules/final.e2e.h5").items()}.keys() == {k for k in with_ if k[0] == "final.e2e"} == rows("with/metrics/final.e2e.h5").keys()
assert with_["final.e2e", "subset", "acc1"][0] >= with_["final.e2e", "some", "acc1"][0]
assert table("with/summary.h5", "evaluations")["classes"] == [b"same", b"same", b"2 classes by name", b"2 classes by name, answers among them alone"]
# Files without the sections are those of a run that never knew them.
def names(path):
    found = set()
    with h5py.File(path) as f:
        f.visit(found.add)
        return found | set(f.attrs)
for path in glob.glob("plain/m*/*.h5") + ["plain/summary.h5"]:
    extra = names(path.replace("plain", "with")) - names(path)
    assert all("noisy" in name for name in extra), (path, extra)
P
py "by_name and subset are what logits say" "$m2mkd" <<'P'
import subprocess, sys, h5py, numpy as np
with h5py.File("some/test.h5") as f:
    labels = f["labels"][()]
model = "with/modules/final.e2e.h5"
# The same pixels with labels of the network's own classes, to ask for logits.
np.save("y_as_own.npy", np.array([3, 1])[labels])
subprocess.run([sys.argv[1] + "-pack", "npy", "--name", "own", "--images", "x_some.npy", "--labels", "y_as_own.npy", "--test-images", "x_some.npy", "--test-labels",
                "y_as_own.npy", "--classes-file", "classes.txt", "--out", "own"], check=True, stdout=subprocess.DEVNULL)
subprocess.run([sys.argv[1], "eval", model, "--data.test", "own/test.h5", "--logits", "logits.h5"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
with h5py.File("logits.h5") as f:
    logits = f["logits"][()]
def row(name, metric):
    with h5py.File(model) as f:
        g = f["results"]
        return next(v for e, m, v in zip(g["evaluation"][()], g["metric"][()], g["value"][()]) if (e.decode(), m.decode()) == (name, metric))
def loss(z, y):
    return np.mean(np.log(np.exp(z).sum(1)) - z[np.arange(len(y)), y])
own = np.array([3, 1])[labels]
assert abs(row("some", "acc1") - 100 * np.mean(logits.argmax(1) == own)) < 1e-9 and abs(row("some", "loss") - loss(logits, own)) < 1e-5
among = logits[:, [3, 1]]
assert abs(row("subset", "acc1") - 100 * np.mean(among.argmax(1) == labels)) < 1e-9 and abs(row("subset", "loss") - loss(among, labels)) < 1e-5
assert row("subset", "acc5") == 100
P

# --- The table: a further row for each method; as before without.
"$m2mkd" report with >with.txt && "$m2mkd" report plain >plain.txt
check "rows of methods" test "$(grep -c '^  on noisy ' with.txt)" = 2
check "rows of meta and teacher" test "$(grep -cE '^(meta|teacher) .* on noisy$' with.txt)" = 2
check "what it is" grep -q "^evaluation  *some: some, 60 images, digest [0-9a-f]*; 2 classes by name" with.txt
check "no such row" test "$(grep -c ' on ' <(grep -v '^time' plain.txt))" = 0
check "inspect shows rows" grep -qE "^  noisy  *best_acc1  *[0-9.]+ +±[0-9.]+ +of 80 images" <("$m2mkd" inspect with/modules/final.e2e.h5)
says 0 "removed" run small.ini --run.methods "e2e m2mkd" --run.dir with --run.note removed
sed 's/^\(e2e\|m2mkd\) .*/\1/; /^removed/d' plain.txt >a && sed 's/^\(e2e\|m2mkd\) .*/\1/; /^removed/d' <("$m2mkd" report with) >b
check "without the sections the table is as before: $(diff a b)" diff a b
says 0 "on noisy, was scored on noisy (digest .*), 80 of 80 images scored: it is scored now" \
  run small.ini --run.methods e2e --run.dir with --evaluation.noisy.file data/test.h5
py "on other images of that name: as test, which has the same ones" <<'P'
import h5py
with h5py.File("with/summary.h5") as f:
    g = f["results"]
    rows = {(e.decode(), m.decode()): v for j, e, m, v in zip(g["job"][()], g["evaluation"][()], g["metric"][()], g["value"][()]) if j == b"final.e2e"}
assert rows["noisy", "acc1"] == rows["test", "acc1"] and rows["noisy", "loss"] == rows["test", "loss"] and ("noisy", "best_acc1") not in rows
P
# Over seeds: means per evaluation, in the run's table and between runs.
says 0 "acc1 % on noisy, mean ± standard deviation over 2 seeds" run small.ini --run.methods "e2e" --run.seeds "1 2" --run.dir seeds --train.epochs 1 \
  --evaluation.noisy.file noisy/test.h5
py "the mean of its rows, in report --json" "$m2mkd" <<'P'
import subprocess, sys, json, h5py, numpy as np
comparison = json.loads(subprocess.run([sys.argv[1], "report", "seeds", "--json"], check=True, capture_output=True).stdout)
with h5py.File("seeds/summary.h5") as f:
    g = f["results"]
    values = [v for e, m, v in zip(g["evaluation"][()], g["metric"][()], g["value"][()]) if (e, m) == (b"noisy", b"acc1")]
noisy = comparison["evaluations"]["noisy"]["e2e"]["acc1"]
assert noisy["n"] == 2 and abs(noisy["mean"] - np.mean(values)) < 1e-9 and abs(noisy["sd"] - np.std(values, ddof=1)) < 1e-9 and noisy["values"] == values
P

# --- A method's leaf is data: the teacher as a method of its own, and a method of two leaves.
says 0 "both finetune" run small.ini --run.methods "m2mkd teacher both" --method.teacher.leaf finetune --method.both.base m2mkd --method.both.leaf "final finetune" \
  --run.dir leaf --train.epochs 2 --evaluation.noisy.file noisy/test.h5
says 2 "leaf = distill: distill trains single stages; a method is judged by pretrain, finetune or final" plan small.ini --ranks 1 --method.x.leaf distill
py "leaves" "$m2mkd" <<'P'
import subprocess, sys, json, h5py
with h5py.File("leaf/summary.h5") as f:
    m = f["methods"]
    assert sorted(m) == ["both", "m2mkd", "teacher"] and m["both"].attrs["leaves"] == "final.both\nfinetune" and m["teacher"].attrs["leaves"] == "finetune"
    assert m["teacher"].attrs["acc1"] == f.attrs["finetune_acc1"] and m["teacher"].attrs["parameters"] != m["m2mkd"].attrs["parameters"]
    jobs = dict(zip((j.decode() for j in f["jobs/job"][()]), f["jobs/flops"][()]))
assert not any(job.startswith("final.teacher") for job in jobs)
plan = json.loads(subprocess.run([sys.argv[1], "plan", "small.ini", "--ranks", "1", "--json", "--run.methods", "m2mkd teacher", "--method.teacher.leaf", "finetune"], check=True,
                                 capture_output=True).stdout)
assert plan["methods"]["teacher"]["jobs"] == ["pretrain", "incubate.0", "incubate.1", "finetune"] and plan["methods"]["teacher"]["leaves"] == ["finetune"]
assert plan["methods"]["teacher"]["flops"] == plan["methods"]["teacher"]["flops_all"] > 0   # where it is judged, preparing it counts
P
check "both leaves stand in the table" grep -qE "^both finetune +[0-9.]+ ±" <("$m2mkd" report leaf)
finish evaluations
