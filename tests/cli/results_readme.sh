#!/usr/bin/env bash
# labels: mpi
# The Python lines of results/README.md run as they stand, on a finished run and on one that was stopped half way; every file that is
# promised is there and opens.
# shellcheck source=tests/support/cli.sh
. "$(dirname "$0")/../support/cli.sh"
/usr/bin/python3 -c 'import h5py, pandas' 2>/dev/null || { echo "skipped: no python3-h5py and python3-pandas"; exit 77; }

smoke 2 "$work/run" --train.log_steps true || fail "smoke"
for name in config.ini run.log plan.json summary.h5 modules/{pretrain,finetune,{incubate,distill}.{0,1},incubate.incubation.{0,1}}.h5 \
  modules/final.{e2e,kd,incubation,m2mkd}.h5 metrics/pretrain.h5 status/pretrain.json; do
  [ -f "$work/run/$name" ] || fail "$name is missing"
done
[ -z "$(find "$work/run" -name '*.tmp.*')" ] || fail "temporary files are left"
[ -z "$(ls "$work/run/checkpoints")" ] || fail "checkpoints of finished jobs are left"
while IFS= read -r file; do
  "$m2mkd" inspect "$file" --verify >/dev/null || fail "$file is damaged"
done < <(find "$work/run" -name '*.h5')

/usr/bin/python3 - results/README.md "$work/run" <<'PY' >"$work/printed" || fail "a block of results/README.md"
import re, sys
text = open(sys.argv[1]).read()
blocks = re.findall(r"```python\n(.*?)```", text, re.S)
assert len(blocks) >= 6, len(blocks)
code = "\n".join(blocks).replace("results/quickstart", sys.argv[2])
exec(compile(code, sys.argv[1], "exec"), {})
PY
grep -q m2mkd "$work/printed" || fail "no method was printed"
grep -q 'final.m2mkd acc1' "$work/printed" || fail "no module was printed"

# The stored accuracy is what the stored logits say.
"$m2mkd" eval "$work/run/modules/final.m2mkd.h5" --data.test data/fashion-mnist/test.h5 --logits "$work/logits.h5" >"$work/eval"
/usr/bin/python3 - "$work" <<'PY' || fail "eval disagrees with the module file"
import sys, h5py, numpy as np
with h5py.File(sys.argv[1] + "/logits.h5") as f:
    z, y = f["logits"][:], f["labels"][:]
with h5py.File(sys.argv[1] + "/run/modules/final.m2mkd.h5") as f:
    stored = f.attrs["acc1"]
print("acc1", 100 * np.mean(z.argmax(1) == y), "stored", stored)
assert z.dtype == np.float32 and y.dtype == np.int32 and len(z) == 10000
assert abs(100 * np.mean(z.argmax(1) == y) - stored) < 1e-9
PY
