#!/usr/bin/env bash
# labels: slow
# One training step of full-size V-MoE-B on a CPU, and one of a full-size pair with its meta model and teacher, on random pixels. Takes 9 GB
# of memory and 8 GB of temporary disk.
# shellcheck source=tests/support/cli.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/cli.sh"

enough() { # enough AVAILABLE_KB NEEDED_GB WHAT
  (($1 > $2 * 1000 * 1000)) || { echo "skipped: less than $2 GB of $3 free"; exit 77; }
}
enough "$(awk '/^MemAvailable/ { print $2 }' /proc/meminfo)" 11 memory
enough "$(df --output=avail "$work" | tail -n 1)" 12 "disk at $work"

/usr/bin/python3 - "$work" <<'P'
import sys
import numpy as np
random, out = np.random.default_rng(0), sys.argv[1]
for name, count in ("train", 8), ("test", 2):
    np.save(f"{out}/{name}_images.npy", random.integers(0, 256, (count, 240, 256, 3), dtype=np.uint8))
    np.save(f"{out}/{name}_labels.npy", np.arange(count, dtype=np.int64) * 100)
open(f"{out}/classes", "w").write("".join(f"class{i}\n" for i in range(1000)))
P
"$pack" npy --images "$work/train_images.npy" --labels "$work/train_labels.npy" --test-images "$work/test_images.npy" \
  --test-labels "$work/test_labels.npy" --classes-file "$work/classes" --out "$work/data" >/dev/null

# The recipe, but for its data, the batch, one step and single precision. `published` order needs 256 images.
one_step=(--data.train "$work/data/train.h5" --data.test "$work/data/test.h5" --data.count 0 --data.test_count 0 --data.order shuffled
  --train.precision fp32 --train.max_steps 1 --train.eval_epochs 0)
for phase in pretrain finetune distill final; do
  one_step+=("--$phase.batch" 4 "--$phase.micro_batch" 2)
done
run() { # run DIR [flags]
  local dir=$work/$1
  shift
  "$m2mkd" run configs/vmoe_base.ini --run.dir "$dir" "${one_step[@]}" "$@" >"$work/out" 2>&1 || { tail -n 20 "$work/out" >&2; fail "$*"; }
}
# check DIR JOB PARAMETERS: one finished step, a finite loss, so many parameters in the module file.
check() {
  /usr/bin/python3 - "$work/$1/modules/$2.h5" "$3" <<'P' || fail "$2"
import math, sys
import h5py
with h5py.File(sys.argv[1]) as f:
    a, sizes, finite = f.attrs, [], []
    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            sizes.append(item.size)
    f.visititems(visit)
    assert a["finished"] == 1 and a["steps"] == 1 and a["images"] == 4 and a["test_images"] == 2, dict(a)
    assert math.isfinite(a["loss"]) and 0 < a["loss"] < 50, a["loss"]
    assert sum(sizes) == a["trainable_parameters"] == int(sys.argv[2]), (sum(sizes), a["trainable_parameters"])
    for stage in f["stages"].values():  # the first layer norm of each stage moved, and to a number
        value = next(v for k, v in stage.items() if k.endswith("norm1.weight"))[()]
        assert all(map(math.isfinite, value)) and (value != 1).any()
    print(f"{sys.argv[1].rsplit('/', 1)[1]}: loss {a['loss']:.3f}, {a['seconds']:.1f} s a step, peak {a['peak_memory'] * 1e-9:.1f} GB")
P
}
run whole --run.methods e2e
check whole final.e2e 483325768
rm -r "$work/whole"

# The teacher fresh, in one step: only its size matters here.
run pair --run.methods m2mkd --finetune.fresh true --run.jobs "pretrain finetune distill.1"
check pair pretrain 52402152
check pair finetune 304326632
check pair distill.1 122031384
echo "full-size steps: all checks passed"
