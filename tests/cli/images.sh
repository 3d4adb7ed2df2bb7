#!/usr/bin/env bash
# labels: mpi
# From a folder of JPEG files of many sizes to a trained student, with every transform and the published sampler on: 1 and 3 ranks walk
# one trajectory, and a model evaluates on images of another size.
# shellcheck source=tests/support/cli.sh
. "$(dirname "$0")/../support/cli.sh"
/usr/bin/python3 -c 'import PIL, numpy' 2>/dev/null || { echo "skipped: python3-pil or python3-numpy is not installed"; exit 77; }
/usr/bin/python3 - "$work/tree" <<'P'
import os, sys
import numpy as np
from PIL import Image
rng = np.random.RandomState(0)
for split, count in (('train', 320), ('val', 50)):
    for i in range(count):
        folder = f'{sys.argv[1]}/{split}/c{i % 4}'
        os.makedirs(folder, exist_ok=True)
        small = rng.randint(0, 90, (6, 6, 3)).astype('u1')
        small[:, :, i % 4 % 3] += 60 * (1 + i % 4 // 3)
        Image.fromarray(small).resize(tuple(rng.randint(30, 60, 2)), Image.BICUBIC).save(f'{folder}/{i:03d}.jpg')
P
"$pack" folder --source-dir "$work/tree" --out "$work/packed" >/dev/null
set -- --run.methods e2e --data.train "$work/packed/train.h5" --data.test "$work/packed/test.h5" --data.train_images 0 \
  --data.image_size 28 --data.eval_crop 0.875 --data.random_resized_crop true --data.rand_augment rand-m9-mstd0.5-inc1 --data.flip 0.5 \
  --data.erasing 0.25 --data.mixup 0.8 --data.cutmix 1 --data.smoothing 0.1 --data.order published --data.mix_per rank_batch \
  --train.micro_batch 12 --train.eval_batch 16 --train.eval_drop_last true --train.precision fp64 --train.log_steps true
for ranks in 1 3; do smoke "$ranks" "$work/r$ranks" "$@" || { tail -5 "$work/r$ranks.out"; fail "$ranks ranks"; }; done
compare losses 1e-9 "$work/r3" "$work/r1"
model=$work/r1/modules/final.e2e.h5
"$m2mkd" inspect "$model" --json >"$work/model.json"
grep -q '"test_images": 48' "$work/model.json" || fail "not 48 of 50 images were scored"
"$m2mkd" eval "$model" --data.test "$work/packed/test.h5" --logits "$work/logits.h5" >"$work/eval.out"
grep -q '  48 ' "$work/eval.out" || fail "eval: not 48 images"
"$m2mkd" eval "$model" --data.test "$work/packed/test.h5" --train.eval_drop_last false >"$work/eval.out"
grep -q '  50 ' "$work/eval.out" || fail "eval: not 50 images"
expect_exit 2 "$m2mkd" plan configs/smoke.ini "$@" --ranks 1 --data.image_size 0
grep -q 'encoded images of any size: set the side' "$work/stderr" || fail "a missing image_size is not explained"
expect_exit 2 "$m2mkd" plan configs/smoke.ini "$@" --ranks 1 --train.batch 60
grep -q 'does not divide into compat.ranks = 8' "$work/stderr" || fail "an indivisible batch is not explained"
echo "images: all checks passed"
