#!/usr/bin/env bash
# labels: program
# What a number depends on travels with it: a run with another test set tests what is finished again, a table never mixes, a network is
# shown images as it learnt to see them, classes are compared, and given networks are evaluated before anything learns from them.
# shellcheck source=tests/support/checks.sh
. "$(dirname "$0")/../support/checks.sh"
need_h5py
root=$PWD
cd "$W" || exit 1
py "images" <<'P'
import numpy as np
rng = np.random.RandomState(0)
def make(name, n):
    y = np.arange(n, dtype=np.int64) % 4
    x = rng.randint(0, 120, (n, 28, 28, 1))
    for i, c in enumerate(y):
        x[i, 7 * c:7 * c + 7] += 120
    np.save(f"x_{name}.npy", x.astype(np.uint8))
    np.save(f"y_{name}.npy", y)
make("train", 256)
make("test", 100)
np.save("x_97.npy", np.load("x_test.npy")[:97])
np.save("y_97.npy", np.load("y_test.npy")[:97])
P
printf 'cat\ndog\nhen\nfox\n' >classes.txt && printf 'cat\nhen\ndog\nfox\n' >swapped.txt
pack() { # pack OUT TEST [flags]
  local out=$1 test=$2
  shift 2
  "$pack" npy --name "$out" --images x_train.npy --labels y_train.npy --test-images "x_$test.npy" --test-labels "y_$test.npy" --out "$out" "$@" >log ||
    { cat log; exit 1; }
}
pack data test --classes-file classes.txt
pack short 97 --classes-file classes.txt
pack bright test --classes-file classes.txt --mean 0.9 --std 0.05
pack swapped test --classes-file swapped.txt
cp "$root/configs/smoke.ini" smoke.ini
run=(run smoke.ini --data.train data/train.h5 --data.test data/test.h5 --data.validation_images 0 --data.train_images 0 --train.epochs 4 --run.dir)

# --- One table, one test set.
says 0 "^test set  *data, 100 images, digest" "${run[@]}" a --run.methods e2e
says 0 "final.e2e: was tested on data (digest .*), 100 of 100 images scored: it is tested again" "${run[@]}" a --run.methods "e2e incubation" --data.test short/test.h5
check "the table says which set" grep -q "^test set  *short, 97 images" <("$m2mkd" report a)
says 0 "recorded  *final.incubation  *ok" check "${run[@]:1:9}" --train.epochs 4 --run.dir a --run.methods "e2e incubation" --data.test short/test.h5
says 0 "recorded  *final.e2e  *skipped it was tested on short .*: the run tests it again" check "${run[@]:1:9}" --train.epochs 4 --run.dir a --run.methods e2e
says 0 "one set" "${run[@]}" b --run.methods "e2e incubation" --data.test short/test.h5 --run.note "one set"
py "what was tested again is what was tested there at once, and every file says on what" <<'P'
import h5py, glob, os
names = sorted(os.path.basename(p) for p in glob.glob("a/modules/*.h5"))
assert names == sorted(os.path.basename(p) for p in glob.glob("b/modules/*.h5")) and "final.e2e.h5" in names
digest = h5py.File("short/test.h5").attrs["digest"]
for name in names:
    with h5py.File(f"a/modules/{name}") as a, h5py.File(f"b/modules/{name}") as b, h5py.File(f"a/metrics/{name}") as m:
        for key in ("acc1", "acc5", "loss", "acc1_standard_error", "test_images", "test.dropped", "digest"):
            assert a.attrs[key] == b.attrs[key] == m.attrs.get(key, a.attrs[key]), (name, key)
        assert a.attrs["test.digest"] == digest and a.attrs["test_images"] == 97
        assert a.attrs["data.class_names"].split() == ["cat", "dog", "hen", "fox"] and a.attrs["data.interpolation"] == "bicubic"
        assert abs(float(a.attrs["data.mean"]) - h5py.File("data/train.h5").attrs["mean"][0]) < 1e-12
with h5py.File("a/summary.h5") as a, h5py.File("b/summary.h5") as b:
    assert a.attrs["test.digest"] == b.attrs["test.digest"] == digest
    assert [m.attrs["acc1"] for m in a["methods"].values()] == [m.attrs["acc1"] for m in b["methods"].values()]
P
says 0 "final.e2e: finished" "${run[@]}" c --run.methods e2e
says 0 "warning: c was tested on data (digest .*), b on short (digest .*): their accuracies cannot be compared" report b c
says 0 "final.e2e: was tested on .* 97 of 97 images scored" "${run[@]}" b --run.methods e2e --train.eval_batch 64 --train.eval_drop_last true
check "what was not scored stands under the table" grep -q "^e2e: 36 of 100 test images were not scored" <("$m2mkd" report b)

# --- Normalisation and classes belong to the network.
accuracy() { "$m2mkd" eval "$@" 2>>log | tail -1; }
model=c/modules/final.e2e.h5
says 0 "c.safetensors" convert $model c.safetensors --model vmoe
says 0 "c.pth" convert $model c.pth --model vmoe
own=$(accuracy $model --data.test data/test.h5)
for file in $model c.safetensors c.pth; do
  says 0 "data.test is normalised as the model's training images were (mean .* there, mean 0.9 and std 0.05 here)" eval "$file" --data.test bright/test.h5
  check "$file: the same accuracy on the same pixels" test "$(accuracy "$file" --data.test bright/test.h5 | awk '{print $2, $3, $5, $6}')" = "$(awk '{print $2, $3, $5, $6}' <<<"$own")"
  says 2 "the model knows other classes than swapped/test.h5 (class 1 is 'dog' there and 'hen' here)" eval "$file" --data.test swapped/test.h5
done
says 0 "warn.*data.test = bright/test.h5 was packed with another normalisation than data.train" "${run[@]}" d --run.methods e2e --data.test bright/test.h5
says 0 "warning: data.test = bright/test.h5 was packed with another normalisation" plan "${run[@]:1:9}" --ranks 1 --run.methods e2e --data.test bright/test.h5
py "the test images are shown as the training images are" <<'P'
import h5py
with h5py.File("c/modules/final.e2e.h5") as c, h5py.File("d/modules/final.e2e.h5") as d:
    assert c.attrs["acc1"] == d.attrs["acc1"] and c.attrs["loss"] == d.attrs["loss"] and c.attrs["acc1"] > 30
P
says 2 "has other classes than data.train = data/train.h5 (class 1 is 'dog' there and 'hen' here)" "${run[@]}" e --data.test swapped/test.h5
check "nothing was begun" test ! -e e

# --- Given networks are known before anything learns from them.
says 0 "given meta c/../a/modules/pretrain.h5: acc1=" "${run[@]}" f --run.methods incubation --init.meta c/../a/modules/pretrain.h5
check "and stand in the table" grep -q "^given meta  *[0-9.]* ± [0-9.]*  c/../a/modules/pretrain.h5" <("$m2mkd" report f)
py "their accuracy is that of an evaluation" <<'P'
import h5py
with h5py.File("f/summary.h5") as f, h5py.File("f/given.h5") as g:
    row = dict(f["given/0"].attrs)
    assert row == dict(g["given/0"].attrs) and row["network"] == "meta" and row["warning"] == ""
    assert row["test_images"] == 100 and row["digest"] == h5py.File("a/modules/pretrain.h5").attrs["digest"]
P
acc=$(accuracy a/modules/pretrain.h5 --data.test data/test.h5 | awk '{print $3}')
check "as eval says: $acc" grep -q "^given meta  *$acc ±" <("$m2mkd" report f)
says 2 "the given meta a/modules/pretrain.h5 knows other classes than data.train" run smoke.ini --data.train swapped/train.h5 --data.test swapped/test.h5 \
  --data.validation_images 0 --data.train_images 0 --train.epochs 4 --run.dir g --run.methods incubation --init.meta a/modules/pretrain.h5
says 0 "given  *a/modules/pretrain.h5  *ok  *as meta: acc1 $acc ±" check "${run[@]:1:9}" --train.epochs 4 --run.dir f --run.methods incubation --init.meta a/modules/pretrain.h5 --seconds 20
# What weights do not show is compared with what the file remembers, or said.
given=(run smoke.ini --data.train data/train.h5 --data.test data/test.h5 --data.validation_images 0 --data.train_images 0 --train.epochs 1 --run.methods incubation)
says 2 "the given meta .*pretrain.h5 was made with heads = 2, which its weights do not show, and meta.heads is 4: set it to 2" "${given[@]}" --run.dir i \
  --init.meta a/modules/pretrain.h5 --meta.heads 4
check "nothing was begun" test ! -e i/config.ini
says 0 "meta.pth" convert a/modules/pretrain.h5 meta.pth --model vit
says 2 "the given meta meta.pth was made with heads = 2" "${given[@]}" --run.dir i --init.meta meta.pth --meta.heads 4
/usr/bin/python3 - <<'P'
import zipfile
with zipfile.ZipFile("meta.pth") as old, zipfile.ZipFile("plain.pth", "w", zipfile.ZIP_STORED) as new:
    for entry in old.infolist():
        if "m2mkd" not in entry.filename.split("/")[-1]:
            new.writestr(entry, old.read(entry))
P
says 0 "the given meta plain.pth does not tell, so the settings say: heads = 2, norm_eps = 1e-06; features of the class token" "${given[@]}" --run.dir i --init.meta plain.pth --meta.depths "1 1"

# --- The same pixels under another normalisation are another training.
says 2 "data.normalisation: mean .* -> mean 0.9 and std 0.05" run smoke.ini --data.train bright/train.h5 --data.test bright/test.h5 --data.validation_images 0 \
  --data.train_images 0 --train.epochs 4 --run.dir c --run.methods e2e
# --- Pixel bits that flip on the disk, in training and in evaluation; a file of an earlier version is read whole once.
flip() { # flip FILE AT: one bit of the data of its images
  /usr/bin/python3 - "$@" <<'P'
import h5py, sys
with h5py.File(sys.argv[1]) as f:
    place = f["images/pixels"].id.get_offset() + int(sys.argv[2])
with open(sys.argv[1], "r+b") as f:
    f.seek(place)
    byte = f.read(1)[0]
    f.seek(place)
    f.write(bytes([byte ^ 4]))
P
}
mkdir bad && cp data/*.h5 bad/
flip bad/test.h5 1600 && flip bad/train.h5 79000
says 1 "image 2 of 'bad/test.h5' is damaged" eval $model --data.test bad/test.h5
says 1 "image 100 of 'bad/train.h5' is damaged" run smoke.ini --data.train bad/train.h5 --data.test data/test.h5 --data.validation_images 0 --data.train_images 0 \
  --train.epochs 1 --run.dir h --run.methods e2e
check "nothing was published" test -z "$(ls h/modules)"
old() { /usr/bin/python3 -c "import h5py, sys; f = h5py.File(sys.argv[1], 'r+'); del f['images/xxh3']" "$1"; }
cp data/test.h5 old.h5 && old old.h5 && old bad/test.h5
says 0 "old.h5: packed by an earlier version, so all of it was read and compared now" eval $model --data.test old.h5
says 1 "bad/test.h5: images: damaged" eval $model --data.test bad/test.h5
finish test_sets
