#!/usr/bin/env bash
# labels: program
# NACs from elsewhere: files as the published Python saves them (tests/golden/make_nac_checkpoints.py) are converted, evaluated to
# PyTorch's logits, trained from, and come back under the same names bit by bit.
# shellcheck source=tests/support/checks.sh
. "$(dirname "$0")/../support/checks.sh"
golden=$PWD/tests/golden/checkpoints smoke=$PWD/configs/nac_smoke.ini
need_h5py
cd "$W" || exit 1
"$pack" npy --name golden --images "$golden/images.npy" --labels "$golden/labels.npy" --test-images "$golden/images.npy" \
  --test-labels "$golden/labels.npy" --out data >log 2>&1 || { cat log; exit 1; }

logits() { # logits MODEL [flags]: evaluation gives PyTorch's
  local model=$1
  shift
  says 0 "final.e2e" eval "$model" --data.test data/test.h5 --logits out.h5 "$@"
  check "$model: PyTorch's logits" /usr/bin/python3 - "$golden/nac_logits.npy" <<'P2'
import h5py, numpy as np, sys
ours, theirs = h5py.File('out.h5')['logits'][()], np.load(sys.argv[1])
assert ours.shape == theirs.shape and np.abs(ours - theirs).max() < 1e-5 and np.abs(theirs).max() > 1, np.abs(ours - theirs).max()
P2
}
digest() { "$m2mkd" inspect "$1" --json | /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)["attributes"]["digest"])'; }

# --- The whole network: sizes by the tensors, heads by a setting.
logits "$golden/nac.pt" --student.heads 2
says 2 "do not tell the attention heads: give --student.heads N" eval "$golden/nac.pt" --data.test data/test.h5
says 0 "optimizer (no weights): left out" convert "$golden/nac.pt" nac.h5 --model nac --student.heads 2
logits nac.h5
says 0 "^shared  *0  *12  *1438$" inspect nac.h5
says 0 "shared/latent_graphs.0.mediator_latents.codes_ .* \[7,20\]" inspect nac.h5
says 0 "stages/2/latent_graphs.0.propagators.1.latent_attention.kernel.bandwidth .* \[\]" inspect nac.h5
says 0 "published names" convert nac.h5 back.pth --model nac
says 0 "published names" convert back.pth back.safetensors --model nac
says 0 "stages of 1 1 1 1 blocks" convert back.safetensors again.h5 --model nac --student.heads 2
check "there and back: the same digest" test "$(digest nac.h5)" = "$(digest again.h5)"
logits back.safetensors
logits back.pth
# 8 pixels are a token, so 16 to 23 have the same grid of positions: the side is the test images', said, or asked for.
says 0 "image side = 16: not in the weights; that of data.test" eval "$golden/nac.pt" --data.test data/test.h5 --student.heads 2
/usr/bin/python3 -c "import numpy as np; np.save('wide.npy', np.random.RandomState(0).randint(0, 255, (len(np.load('$golden/labels.npy')), 25, 25, 3), 'u1'))"
"$pack" npy --name wide --images wide.npy --labels "$golden/labels.npy" --test-images wide.npy --test-labels "$golden/labels.npy" --out w >log 2>&1 ||
  cat log
says 2 "16 to 23 pixels lead to its grid of positions.*give --data.image_size N" eval "$golden/nac.pt" --data.test w/test.h5 --student.heads 2
says 0 "images of 25 x 25 are resized to the 20 x 20 of the network" eval "$golden/nac.pt" --data.test w/test.h5 --student.heads 2 --data.image_size 20
says 0 "tensors" convert "$golden/nac.pt" side.pth --model nac --student.heads 2 --image-size 20
says 0 "images of 25 x 25 are resized to the 20 x 20 of the network" eval side.pth --data.test w/test.h5
says 0 "^image side = 16: not in the weights; 16 to 23 lead to this grid" convert "$golden/nac.pt" side.h5 --model nac --student.heads 2
says 2 "has 4 stages of 1 1 1 1 blocks, as its names tell" convert back.pth f.h5 --model nac --stages 1,1,1
py "every tensor under its published name" "$golden/nac.pt" <<'P2'
import json, struct, sys, zipfile
# Names alone: without PyTorch the pickle is searched for them, the numbers are compared by digest above.
pickle = lambda path: next(zipfile.ZipFile(path).read(n) for n in zipfile.ZipFile(path).namelist() if n.endswith('data.pkl'))
with open('back.safetensors', 'rb') as f:
    header = json.loads(f.read(struct.unpack('<Q', f.read(8))[0]))
names = [n for n in header if n != '__metadata__']
assert len(names) == 167, len(names)
theirs, ours = pickle(sys.argv[1]), pickle('back.pth')
assert b'model' in theirs and b'model' in ours
for n in names:
    assert n.encode() in theirs and n.encode() in ours, n
P2

# --- Other data: the grid of positions and the classifier.
says 0 "positional_grid.grid  Float \[4 3 3\]  (resized from 2 x 2 to 3 x 3 tokens)" convert "$golden/nac.pt" wide.h5 --model nac --student.heads 2 \
  --image-size 24 --classes 7
says 0 "to_logits.weight.* \[7,24\]" inspect wide.h5
says 2 "a token covers 8 pixels, so none is left" convert "$golden/nac.pt" f.h5 --model nac --image-size 7
says 0 "tensors" convert "$golden/nac.pt" same.h5 --model nac --image-size 16 --classes 5
check "what fits stays as it is" test "$(digest nac.h5)" = "$(digest same.h5)"

# --- What leaves no trace in the weights is a setting, and stays with a module file.
says 0 "tensors" convert "$golden/nac.pt" cut.h5 --model nac --student.heads 2 --student.truncation 0.5
says 0 "tensors" convert cut.h5 cut7.h5 --model nac --classes 7
config() { "$m2mkd" inspect "$1" --json | /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)["attributes"]["config"])'; }
check "the truncation stays" grep -qx "truncation = 0.5" <<<"$(config cut7.h5)"
says 0 "final.e2e" eval cut.h5 --data.test data/test.h5 --logits cut_logits.h5
py "and counts" <<'P2'
import h5py, numpy as np
a, b = (h5py.File(n)['logits'][()] for n in ('out.h5', 'cut_logits.h5'))
assert np.abs(a - b).max() > 1e-3
P2

# --- Student modules: an empty list of stages beside the weights; the stage is said.
says 2 "does not tell its place" convert "$golden/nac_mediator.pth" f.h5 --model nac
part() { # part FILE STAGE
  local file=$golden/nac_$1.pth stage=$2
  says 0 "part of a network" convert "$file" "$1.h5" --model nac --stage "$stage"
  says 0 "names of the published student module; --stage $stage brings its place back" convert "$1.h5" "$1.pth" --model nac
  says 0 "part of a network" convert "$1.pth" "$1.2.h5" --model nac --stage "$stage"
  check "$1 comes back" test "$(digest "$1.h5")" = "$(digest "$1.2.h5")"
  says 1 "part of a network" eval "$1.h5" --data.test data/test.h5 --student.heads 2
}
part read_in 0
part mediator 2
part read_out 3
says 0 "stages/2/pre_stitch.weight .* \[24,12\]" inspect mediator.h5
says 1 "not in the file\|no such tensor" convert "$golden/nac_mediator.pth" f.h5 --model nac --stage 0
check "nothing was written by refused conversions" test ! -e f.h5

# --- Training from given weights: the whole NAC, and one student module of the published form, which has no random tensors.
given=(--data.train data/train.h5 --data.test data/test.h5 --data.train_images 0 --train.batch 2 --train.micro_batch 2 --train.max_steps 1
  --train.epochs 1 --final.m2mkd.epochs 1 --meta.patch 4 --meta.width 12 --meta.heads 3 --teacher.patch 4 --teacher.width 12 --teacher.heads 3
  --teacher.depths "1 1 1 1" --student.width 24 --student.heads 2 --student.mlp_ratio 1.5 --student.code_width 20 --student.signature_width 6
  --student.input_latents 5 --student.mediator_latents 7 --student.output_latents 3 --student.position_width 4
  --student.tokenizer_depths "1 2" --student.prior barabasi_albert)
train() { # train DIR FILE JOBS
  "$m2mkd" run "$smoke" --run.dir "$1" --run.jobs "$3" "${given[@]}" --init.teacher "$golden/deit.pth" --init.student "$2" >log 2>&1
  check "init.student takes $2 ($(tail -n 3 log))" test -e "$1/modules/${3##* }.h5"
}
train pt "$golden/nac.pt" final.e2e
train h5 nac.h5 final.e2e
check "the same weights, the same training" test "$(digest pt/modules/final.e2e.h5)" = "$(digest h5/modules/final.e2e.h5)"
train part mediator.h5 "pretrain distill.2"
py "one step from the given weights" "$golden" <<'P2'
import h5py, numpy as np
for given, trained, keys in (('nac.h5', 'pt/modules/final.e2e.h5', ('stages', 'shared')), ('mediator.h5', 'part/modules/distill.2.h5', ('stages/2',))):
    a, b = h5py.File(given), h5py.File(trained)
    names = []
    for key in keys:
        a[key].visititems(lambda n, d: names.append(f'{key}/{n}') if isinstance(d, h5py.Dataset) else None)
    assert len(names) > 20
    for n in names:
        assert np.abs(a[n][()] - b[n][()]).max() < 0.01, n
codes = h5py.File('part/modules/distill.2.h5')['stages/2/codes'][()]
assert codes.shape == (17, 20) and 0.8 < codes.std() < 1.2
P2
finish nac_checkpoints
