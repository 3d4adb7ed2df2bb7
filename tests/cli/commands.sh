#!/usr/bin/env bash
# labels: program
# inspect, status, report and convert on two short runs: what they print, their JSON, their exit codes, and that conversion loses no bit.
# shellcheck source=tests/support/checks.sh
. "$(dirname "$0")/../support/checks.sh"
smoke=$PWD/configs/smoke.ini
need_h5py

# --- Two runs that differ by their seed, on random images.
cd "$W" || exit 1
/usr/bin/python3 - <<'P'
import numpy as np
r = np.random.default_rng(0)
np.save('x.npy', r.integers(0, 256, (256, 28, 28), dtype=np.uint8)); np.save('y.npy', np.arange(256, dtype=np.int64) % 10)
P
"$pack" npy --name noise --images x.npy --labels y.npy --test-images x.npy --test-labels y.npy --out data >log 2>&1 ||
  { cat log; exit 1; }
short=(--data.train data/train.h5 --data.test data/test.h5 --data.train_images 128 --train.epochs 1 --final.epochs 1
  --run.methods "e2e,m2mkd")
for seed in 0 1 2; do
  "$m2mkd" run "$smoke" --run.dir run$seed --run.seed $seed "${short[@]}" >log 2>&1 || { cat log; exit 1; }
done

# --- inspect: every kind of file, damage, JSON.
says 0 "module file" inspect run0/modules/final.m2mkd.h5
says 0 "all digests match" inspect run0/modules/final.m2mkd.h5 --verify
says 0 "blocks.0.moe.experts.3.h4toh.bias  *float32  *\[1,16\]  *[0-9a-f]\{16\}" inspect run0/modules/final.m2mkd.h5
says 0 "job  *distill.1" inspect run0/modules/distill.1.h5
says 0 "metrics" inspect run0/metrics/pretrain.h5 --verify
says 0 "summary" inspect run0/summary.h5 --verify
says 0 "256 of 28 x 28 x 1 .*uint8" inspect data/test.h5
says 0 "all digests match" inspect data/test.h5 --verify
says 2 "expects one FILE.h5" inspect
says 1 "No such file" inspect none.h5
says 1 "not an HDF5 file" inspect x.npy
"$m2mkd" inspect run0/modules/final.m2mkd.h5 --json >final.json
py "inspect --json agrees with h5py" <<'P'
import h5py, json
j = json.load(open('final.json')); f = h5py.File('run0/modules/final.m2mkd.h5'); tensors = {}
f.visititems(lambda n, o: tensors.update({n: o}) if isinstance(o, h5py.Dataset) and 'xxh3' in o.attrs else None)
assert [g['path'] for g in j['groups']] == ['evaluations', 'results'] and j['groups'][1]['columns']['value'] == f['results/value'][()].tolist()
assert {t['name'] for t in j['tensors']} == set(tensors)
for t in j['tensors']:
    d = tensors[t['name']]
    assert t['shape'] == list(d.shape) and t['dtype'] == d.dtype and t['xxh3'] == d.attrs['xxh3'] and t['bytes'] == d.nbytes, t
assert j['kind'] == 'module file' and j['attributes']['acc1'] == f.attrs['acc1'] and j['attributes']['config'] == f.attrs['config']
assert j['total']['parameters'] == sum(d.size for d in tensors.values()) == f.attrs['trainable_parameters']
assert [s['stage'] for s in j['stages']] == [0, 1] and [s['blocks'] for s in j['stages']] == [1, 1]
P
/usr/bin/python3 - <<'P'  # one bit of one tensor, one pixel, one label
import h5py, shutil
def flip(source, target, name):
    shutil.copy(source, target)
    with h5py.File(target) as f: at = f[name].id.get_offset() + f[name].nbytes // 2
    with open(target, 'r+b') as f:
        f.seek(at); byte = f.read(1)[0]; f.seek(at); f.write(bytes([byte ^ 1]))
flip('run0/modules/final.m2mkd.h5', 'damaged.h5', 'stages/1/head.weight')
flip('data/test.h5', 'pixel.h5', 'images/pixels'); flip('data/test.h5', 'label.h5', 'labels')
P
says 1 "DAMAGED tensor 'stages/1/head.weight'" inspect damaged.h5 --verify
says 0 "stages/1/head.weight" inspect damaged.h5
"$m2mkd" inspect damaged.h5 --verify --json >damaged.json
check "inspect --verify --json exits 1 on damage" test $? = 1
py "damages are listed once" <<'P'
import json
d = json.load(open('damaged.json'))['damages']; assert len(d) == 1 and 'stages/1/head.weight' in d[0], d
P
says 1 "DAMAGED images" inspect pixel.h5 --verify
says 1 "label.h5" inspect label.h5 --verify

# --- status: a finished run, and one that was killed in the middle.
says 0 "8 of 8 jobs finished" status run0
says 0 "no program works in this directory" status run0
says 0 "m2mkd report run0" status run0
says 1 "no run directory" status none
says 1 "neither config.ini" status data
says 2 "expects one RUN_DIR" status
/usr/bin/python3 - <<'P'
import datetime, json, os, shutil, socket, subprocess
shutil.copytree('run0', 'cut')
for job in ('final.e2e', 'final.m2mkd', 'distill.0', 'distill.1'):
    os.remove(f'cut/modules/{job}.h5')
def put(job, state, step, seconds):
    j = json.load(open(f'run0/status/{job}.json')); j.pop('acc1', None)
    t = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=seconds)
    j.update(state=state, step=step, steps=200, images_per_s=321.0, eta_seconds=75.0, time=t.strftime('%Y-%m-%dT%H:%M:%SZ'))
    json.dump(j, open(f'cut/status/{job}.json', 'w'))
put('distill.0', 'training', 91, 12); put('distill.1', 'training', 60, 3000); put('final.e2e', 'training', 200, 1)
os.remove('cut/status/final.m2mkd.json')
p = subprocess.Popen(['true']); p.wait()  # a process that is gone
open('gone', 'w').write(f'{socket.gethostname()} {p.pid} 2026-01-01T00:00:00Z\n')
P
echo "$(hostname) $$ 2026-01-01T00:00:00Z" >cut/lock # a process that is at work
says 0 "^distill.0  *training 45 % .*91/200 .* 321 .*1[0-9] s ago$" status cut
says 0 "^distill.1  *training 30 % .*50 min ago  STALE$" status cut
says 0 "^final.e2e  *evaluating " status cut
says 0 "^final.m2mkd  *waiting " status cut
says 0 "4 of 8 jobs finished, 2 training, 1 evaluating, 1 waiting; 321 images/s, 01:15 left" status cut
cp gone cut/lock # it was killed: whatever the files say, nothing trains
says 0 "^distill.0  *stopped .*91/200 " status cut
says 0 "4 of 8 jobs finished, 3 stopped, 1 waiting" status cut
says 0 "that process has ended" status cut
mv data elsewhere # the run may be looked at where its data are out of reach
says 0 "4 of " status cut
mv elsewhere data
says 0 "^/experts  rows: 8, the last:" inspect run0/metrics/final.m2mkd.h5
says 0 "acc1_assembled  *-$" inspect run0/summary.h5
echo '{"job": "distill.0", "sta' >cut/status/distill.0.json
says 0 "warning: cut/status/distill.0.json" status cut
"$m2mkd" status cut --json >status.json
py "status --json" <<'P'
import json
j = json.load(open('status.json')); jobs = {x['job']: x for x in j['jobs']}
assert j['finished'] == 4 and j['holder_gone'] and jobs['distill.1']['state'] == 'stopped' and jobs['distill.1']['step'] == 60, j
assert jobs['pretrain']['state'] == 'finished' and jobs['pretrain']['acc1'] is not None and jobs['final.m2mkd']['step'] is None
assert [x['job'] for x in j['jobs']].index('pretrain') < [x['job'] for x in j['jobs']].index('final.m2mkd')
P

# --- report: one run, several, and what is missing.
says 0 "^m2mkd  " report run0
rm -f cut/summary.h5
says 1 "no summary.h5 .*m2mkd status cut" report run0 cut
says 1 "no such folder" report none
says 0 "^m2mkd  *3 .* ±.*\[[-+].*, [-+].*\]" report run0 run1 run2
says 0 "seed 0 occurs more than once" report run0 run0
"$m2mkd" report run0 run1 run2 --json >report.json
py "report's numbers are those of numpy" <<'P'
import h5py, json, numpy as np
j = json.load(open('report.json')); a = {m: np.array([h5py.File(f'run{s}/summary.h5')['methods'][m].attrs['acc1'] for s in range(3)]) for m in ('e2e', 'm2mkd')}
near = lambda x, y: abs(x - y) < 1e-9
for m, v in a.items():
    r = j['methods'][m]['acc1']; assert r['n'] == 3 and near(r['mean'], v.mean()) and near(r['sd'], v.std(ddof=1)) and r['values'] == list(v), r
d = a['m2mkd'] - a['e2e']; r = j['methods']['m2mkd']['difference']; half = 4.303 * d.std(ddof=1) / 3 ** .5
assert r['to'] == 'e2e' and near(r['mean'], d.mean()) and near(r['low'], d.mean() - half) and near(r['high'], d.mean() + half), r
assert not j['warnings'] and [r['seed'] for r in j['runs']] == [0, 1, 2] and len(j['runs'][0]['jobs']['job']) == 8
P
"$m2mkd" run "$smoke" --run.dir other --run.seed 3 "${short[@]}" --train.lr 1e-3 >log 2>&1 || { cat log; exit 1; }
says 0 "other has other settings than run0.*lr" report run0 other

# --- convert: there and back is bit-identical; flat, staged and stitched; files from elsewhere.
digest() { "$m2mkd" inspect "$1" --json | /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)["attributes"]["digest"])'; }
back() { # back FILE.h5 MODEL: there and back, by way of both other kinds, attributes and stages included
  local name
  name=$(basename "$1" .h5)
  says 0 "tensors" convert "$1" "$name.safetensors" --model "$2"
  says 0 "attributes as before" convert "$name.safetensors" "$name.h5" --model "$2"
  check "$name: the same digest" test "$(digest "$1")" = "$(digest "$name.h5")"
  says 0 "all digests match" inspect "$name.h5" --verify
  says 0 "tensors" convert "$1" "$name.pth" --model "$2"
  says 0 "attributes as before" convert "$name.pth" "$name.pth.h5" --model "$2"
  check "$name by way of .pth: the same digest" test "$(digest "$1")" = "$(digest "$name.pth.h5")"
}
"$m2mkd" run "$smoke" --run.dir wide --student.width 32 --run.jobs pretrain,incubate,finetune,distill.1 "${short[@]}" >log 2>&1 || { cat log; exit 1; }
back run0/modules/final.m2mkd.h5 vmoe
back run0/modules/finetune.h5 vit
back run0/modules/distill.0.h5 vmoe
back wide/modules/distill.1.h5 vmoe
result() { "$m2mkd" eval "$1" --data.test data/test.h5 2>log | awk 'NR == 2 {print $1, $2, $3, $4, $5, $6}'; }
for file in final.m2mkd.safetensors final.m2mkd.pth; do
  check "$file is evaluated like the module file" test "$(result $file)" = "$(result run0/modules/final.m2mkd.h5)"
done
/usr/bin/python3 - <<'P'
import zipfile
raw = bytearray(open('final.m2mkd.safetensors', 'rb').read()); raw[-5] ^= 1; open('changed.safetensors', 'wb').write(raw)
# An archive whose weights are another's, with the entry of this program: as a tool would leave it that knows nothing of the entry.
with zipfile.ZipFile('final.m2mkd.pth') as old, zipfile.ZipFile('changed.pth', 'w') as new:
    for name in old.namelist():
        data = bytearray(old.read(name))
        if name.endswith('data/0'): data[0] ^= 1
        new.writestr(name, bytes(data))
P
for file in changed.safetensors changed.pth; do
  says 1 "$file.*not those that this program wrote into it" eval "$file" --data.test data/test.h5
  says 1 "$file.*not those that this program wrote into it" convert "$file" f.h5 --model vmoe
done
"$m2mkd" run "$smoke" --run.dir kept --run.jobs pretrain --train.keep_checkpoints true --train.precision fp64 "${short[@]}" >log 2>&1 ||
  { cat log; exit 1; }
checkpoint=$(echo kept/checkpoints/pretrain/step-*.h5)
says 0 "checkpoint" inspect "$checkpoint" --verify
says 0 "optimizer/.*: left out" convert "$checkpoint" c.safetensors --model vit
says 0 "cls_token  Double" convert c.safetensors c.h5 --model vit
check "a checkpoint's weights are the module's" test "$(digest c.h5)" = "$(digest kept/modules/pretrain.h5)"
py "h5py finds the same bytes and attributes" <<'P'
import h5py
for ours, back in (('run0/modules/final.m2mkd.h5', 'final.m2mkd.h5'), ('wide/modules/distill.1.h5', 'distill.1.h5')):
    a, b = h5py.File(ours), h5py.File(back); n = 0
    def same(name, o):
        global n
        if isinstance(o, h5py.Dataset) and 'xxh3' in o.attrs: n += 1; assert o.dtype == b[name].dtype and o[()].tobytes() == b[name][()].tobytes(), name
    a.visititems(same)
    assert n > 10 and all(str(a.attrs[k]) == str(b.attrs[k]) for k in a.attrs if k != 'created'), set(a.attrs) ^ set(b.attrs)
    if 'wide' in ours: assert 'stages/1/blocks.0.pre_stitch.fc.weight' in a
P
/usr/bin/python3 - <<'P' || { echo "FAILED: a reader of its own on .safetensors"; failed=1; }
import h5py, json, struct
import numpy as np
def read(path):
    raw = open(path, 'rb').read(); n, = struct.unpack('<Q', raw[:8]); head = json.loads(raw[8:8 + n])
    return head, {k: np.frombuffer(raw[8 + n + v['data_offsets'][0]:8 + n + v['data_offsets'][1]], 'f4').reshape(v['shape']) for k, v in head.items() if k != '__metadata__'}
def write(path, tensors):
    head, data = {}, b''
    for k, v in tensors.items(): head[k] = dict(dtype='F32', shape=list(v.shape), data_offsets=[len(data), len(data) + v.nbytes]); data += v.tobytes()
    text = json.dumps(head).encode(); text += b' ' * (-len(text) % 8); open(path, 'wb').write(struct.pack('<Q', len(text)) + text + data)
head, flat = read('finetune.safetensors'); f = h5py.File('run0/modules/finetune.h5')
assert {'patch_embed.proj.weight', 'pos_embed', 'cls_token', 'norm.weight', 'head.bias', 'blocks.3.attn.qkv.weight'} <= set(flat), sorted(flat)
assert (flat['blocks.3.attn.qkv.weight'] == f['stages/1/blocks.1.attn.qkv.weight'][()]).all() and head['__metadata__']['format'] == 'pt'
assert all(k.startswith('stages.0.') for k in read('distill.0.safetensors')[1])
# As it would come from elsewhere: no metadata, the names of timm.
write('foreign.safetensors', dict(sorted(flat.items())))
lacks = dict(flat); del lacks['blocks.2.norm1.bias']; write('lacks.safetensors', lacks)
more = dict(flat); more['fc_norm.weight'] = flat['norm.weight']; write('more.safetensors', more)
shape = dict(flat); shape['blocks.2.mlp.fc2.weight'] = flat['blocks.2.mlp.fc1.weight']; write('shape.safetensors', shape)
open('cut.safetensors', 'wb').write(open('foreign.safetensors', 'rb').read()[:-1])
P
says 2 "give --stages" convert foreign.safetensors f.h5 --model vit
says 2 "has 4 blocks, the stages 1 2 make 3" convert foreign.safetensors f.h5 --model vit --stages 1,2
says 1 "blocks.0.norm1.bias: not in the file" convert lacks.safetensors f.h5 --model vit --stages 2,2
says 1 "'fc_norm.weight' belongs to no part" convert more.safetensors f.h5 --model vit --stages 2,2
says 1 "blocks.0.mlp.fc2.weight: shape" convert shape.safetensors f.h5 --model vit --stages 2,2
says 1 "shape (48, 16) in the file, (96, 32) in the model" convert foreign.safetensors f.h5 --model vit --stages 2,2 --teacher.width 32
says 1 "no such tensor" convert final.m2mkd.safetensors f.h5 --model vit
says 1 "truncated" convert cut.safetensors f.h5 --model vit
says 2 "must end in .h5, .safetensors, .pth or .pt" convert model.bin f.h5 --model vit
says 2 "needs --model NAME, one of: vit vmoe" convert foreign.safetensors f.h5
says 2 "not one of: vit, vmoe" convert foreign.safetensors f.h5 --model resnet
says 2 "teacher.widht" convert foreign.safetensors f.h5 --model vit --teacher.widht 3
says 1 "No such file" convert none.safetensors f.h5 --model vit
says 1 "not 'm2mkd'" convert data/test.h5 f.safetensors --model vit
check "nothing was written by refused conversions" test ! -e f.h5
says 0 "teacher.heads N does" convert foreign.safetensors f.h5 --model vit --stages 2,2 --teacher.width 16
check "weights from elsewhere have the same digest" test "$(digest f.h5)" = "$(digest run0/modules/finetune.h5)"
says 0 "stages of 1 3 blocks" convert foreign.safetensors uneven.h5 --model vit --teacher.depths "1 3"
says 0 "stages of 2 2 blocks" convert foreign.safetensors full.h5 --model vit --stages 2,2 --teacher.heads 2
says 0 "final.e2e" eval full.h5 --data.test data/test.h5
"$m2mkd" run "$smoke" --run.dir given --init.teacher f.h5 --run.jobs pretrain,distill.0 "${short[@]}" --run.methods m2mkd >log 2>&1
check "init.teacher takes a converted file ($(tail -n 3 log))" test $? = 0 -a -e given/modules/distill.0.h5
finish commands
