#!/usr/bin/env bash
# labels: program
# Weights from elsewhere: files that PyTorch wrote (tests/golden/make_checkpoints.py) are converted, evaluated to PyTorch's logits, trained
# from, and come back bit by bit; PyTorch and timm read what is written here (skipped where they are not installed).
# shellcheck source=tests/support/checks.sh
. "$(dirname "$0")/../support/checks.sh"
golden=$PWD/tests/golden/checkpoints smoke=$PWD/configs/smoke.ini
python=${M2MKD_TORCH_PYTHON:-/usr/bin/python3}
need_h5py
cd "$W" || exit 1
"$pack" npy --name golden --images "$golden/images.npy" --labels "$golden/labels.npy" --test-images "$golden/images.npy" \
  --test-labels "$golden/labels.npy" --out data >log 2>&1 || { cat log; exit 1; }

# --- Evaluation gives PyTorch's logits, from every kind of file.
logits() { # logits MODEL EXPECTED [flags]
  local model=$1 expected=$2
  shift 2
  says 0 "final.e2e" eval "$model" --data.test data/test.h5 --logits out.h5 "$@"
  check "$model: PyTorch's logits" /usr/bin/python3 - "$golden/$expected.npy" <<'P'
import h5py, numpy as np, sys
ours, theirs = h5py.File('out.h5')['logits'][()], np.load(sys.argv[1])
assert ours.shape == theirs.shape and np.abs(ours - theirs).max() < 1e-4 and np.abs(theirs).max() > 1, np.abs(ours - theirs).max()
P
}
for name in deit.pth deit_legacy.pth deit.safetensors checkpoint.pth double.pth; do
  logits "$golden/$name" logits --student.heads 3
done
logits "$golden/half.pth" logits_half --teacher.heads 3
printf '[teacher]\nheads = 3\ndepths = 1 3\n[student]\nheads = 2\n' >two.ini
logits "$golden/deit.pth" logits two.ini --section teacher
says 2 "do not tell the attention heads: give --student.heads N" eval "$golden/deit.pth" --data.test data/test.h5
says 2 "heads = 5: must divide" eval "$golden/deit.pth" --data.test data/test.h5 --student.heads 5
says 2 "student.heds" eval "$golden/deit.pth" --data.test data/test.h5 --student.heds 3
says 1 "part of a network" eval "$golden/module.pth" --data.test data/test.h5 --student.heads 3
says 2 "must end in .h5, .safetensors, .pth or .pt" eval model.bin --data.test data/test.h5

# --- Conversion: any way to any other; the tensors stay the same bits.
says 0 "^blocks.2.attn.qkv.weight -> stages/1/blocks.0.attn.qkv.weight  Float \[36 12\]$" convert "$golden/deit.pth" deit.h5 --model vit \
  --stages 2,2 --student.heads 3
logits deit.h5 logits
says 0 "^norm_eps = 1e-06: not in the weights" convert "$golden/deit.pth" f.h5 --model vit --stages 2,2
says 0 "^features of the class token, exact GELU: not in the weights" convert "$golden/deit.pth" f.h5 --model vit --stages 2,2
says 0 "features of the class token, exact GELU: not in the weights" eval "$golden/deit.pth" --data.test data/test.h5 --student.heads 3
rm f.h5
says 0 "flat, blocks counted" convert deit.h5 back.pth --model vit
says 0 "^head.bias  Float \[5\]$" convert back.pth back.safetensors --model vit --stages 2,2
says 0 "stages of 2 2 blocks" convert back.safetensors again.h5 --model vit
says 0 "stages of 1 1 2 blocks" convert back.safetensors uneven.pt --model vit --stages 1,1,2
says 0 "tensors" convert uneven.pt uneven.pth --model vit --stages 4
digest() { "$m2mkd" inspect "$1" --json | /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)["attributes"]["digest"])'; }
check "there and back: the same digest" test "$(digest deit.h5)" = "$(digest again.h5)"
logits uneven.pth logits
says 0 "optimizer (no weights): left out" convert "$golden/checkpoint.pth" stages.h5 --model vit
check "model_stages are the same stages" test "$(digest deit.h5)" = "$(digest stages.h5)"
says 0 "part of a network" convert "$golden/module.pth" module.h5 --model vit
says 0 "names stages.<i>.<key>" convert module.h5 module.pt --model vit
says 0 "part of a network" convert module.pt module2.h5 --model vit
check "a part comes back" test "$(digest module.h5)" = "$(digest module2.h5)"
says 2 "stage I where it is one stage" convert "$golden/student.pth" student.h5 --model vmoe
says 0 "^blocks.0.pre_stitch.ln.bias -> stages/1/blocks.0.pre_stitch.ln.bias " convert "$golden/student.pth" student.h5 --model vmoe --stage 1
says 0 "names stages.<i>.<key>" convert student.h5 student.safetensors --model vmoe
says 0 "part of a network" convert student.safetensors student.pth --model vmoe
says 0 "part of a network" convert student.pth student2.h5 --model vmoe
check "experts and stitches come back" test "$(digest student.h5)" = "$(digest student2.h5)"

# --- Other data: position embedding and head.
says 0 "pos_embed  Float \[1 37 12\]  (resized from 4 x 4 to 6 x 6 patches)" convert "$golden/deit.pth" wide.pth --model vit --stages 4 \
  --image-size 24 --classes 7
says 0 "head.weight  Float \[7 12\]  (new, N(0, 0.02))" convert "$golden/deit.pth" wide.h5 --model vit --stages 2,2 --image-size 24 --classes 7
says 0 "head.weight.* Half .*(new, N(0, 0.02))" convert "$golden/half.pth" wide_half.h5 --model vit --stages 2,2 --classes 7
says 0 "tensors" convert "$golden/deit.pth" same.h5 --model vit --stages 2,2 --image-size 16 --classes 5
check "what fits stays as it is" test "$(digest deit.h5)" = "$(digest same.h5)"
says 2 "patches of 4 pixels do not divide it" convert "$golden/deit.pth" f.h5 --model vit --stages 4 --image-size 18
says 1 "no first stage" convert "$golden/module.pth" f.h5 --model vit --image-size 24
check "the resized embedding is PyTorch's, the new head is small" /usr/bin/python3 - "$golden/resized.npy" <<'P'
import h5py, numpy as np, sys
f, theirs = h5py.File('wide.h5'), np.load(sys.argv[1])
ours = f['stages/0/pos_embed'][()]
assert np.abs(ours - theirs).max() < 1e-5 and (ours[:, 0] == theirs[:, 0]).all()
w = f['stages/1/head.weight'][()]; assert 0.01 < w.std() < 0.03 and not f['stages/1/head.bias'][()].any()
P

# --- Refusals are errors with their reason, and write nothing.
/usr/bin/python3 - "$golden/deit.pth" <<'P'
import sys
raw = open(sys.argv[1], 'rb').read()
open('cut.pth', 'wb').write(raw[:-100]); open('no.pth', 'wb').write(b'\x89HDF\r\n\x1a\n' * 100)
at = raw.find(b'data/3') + 2000; open('flip.pth', 'wb').write(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1:])
P
says 1 "truncated" convert cut.pth f.h5 --model vit --stages 4
says 1 "CRC-32" convert flip.pth f.h5 --model vit --stages 4
says 1 "not a file of torch" convert no.pth f.h5 --model vit --stages 4
check "nothing was written by refused conversions" test ! -e f.h5

# --- Training from given weights: a whole DeiT as the teacher, cut by teacher.depths; one student stage.
given=(--data.train data/train.h5 --data.test data/test.h5 --data.train_images 0 --train.batch 2 --train.micro_batch 2 --train.max_steps 1
  --train.epochs 1 --run.methods m2mkd --teacher.depths "2 2" --teacher.patch 4 --meta.patch 4 --student.patch 4 --teacher.width 12
  --teacher.heads 3 --meta.width 12 --meta.heads 3 --student.width 6 --student.heads 2 --student.experts 2 --student.depths "1 1" --meta.depths "1 1")
"$m2mkd" run "$smoke" --run.dir given --run.jobs pretrain,distill.1 "${given[@]}" --init.teacher "$golden/deit_legacy.pth" >log 2>&1
check "init.teacher takes a DeiT ($(tail -n 3 log))" test -e given/modules/distill.1.h5
"$m2mkd" run "$smoke" --run.dir h5 --run.jobs pretrain,distill.1 "${given[@]}" --init.teacher deit.h5 >log 2>&1
check "the same weights, the same training" test "$(digest given/modules/distill.1.h5)" = "$(digest h5/modules/distill.1.h5)"
says 2 "init.teacher\|head.weight.*--classes" run "$smoke" --run.dir classes --run.jobs pretrain,distill.1 "${given[@]}" --init.teacher wide.pth
says 2 "must end in" run "$smoke" --run.dir none "${given[@]}" --init.teacher a.bin

# --- PyTorch and timm read what is written here.
if ! "$python" -c 'import torch' 2>/dev/null; then
  echo "skipped: PyTorch's reading of our files (import torch fails; M2MKD_TORCH_PYTHON names another Python)"
else
  check "torch.load(weights_only=True) gives the same tensors" "$python" - "$golden" <<'P'
import sys, torch
a, b = torch.load(sys.argv[1] + '/deit.pth', weights_only=True), torch.load('back.pth', weights_only=True)
assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) and a[k].dtype == b[k].dtype for k in a)
P
  if "$python" -c 'import timm' 2>/dev/null; then
    "$python" -c 'import timm, torch; torch.save(timm.create_model("deit_tiny_patch16_224").state_dict(), "tiny.pth")' 2>log
    says 0 "heads = 3: not in the weights; usual for width 192" convert tiny.pth tiny.h5 --model vit --stages 3,3,3,3
    says 0 "tensors" convert tiny.h5 tiny2.pth --model vit
    check "timm loads it strictly" "$python" - <<'P'
import timm, torch
m = timm.create_model("deit_tiny_patch16_224"); s = torch.load("tiny2.pth", weights_only=True); m.load_state_dict(s, strict=True)
a = torch.load("tiny.pth", weights_only=True); assert a.keys() == s.keys() and all(torch.equal(a[k], s[k]) for k in a)
P
  fi
fi
finish checkpoints
