#!/usr/bin/env bash
# labels: program
# A family of networks is a folder and a line of a table: tests/mixer (width doubles and grid halves between stages, no class token) goes
# through the whole chain, as meta, teacher and student, with stitches of other widths at every cut; and does not fit where it cannot.
# shellcheck source=tests/support/checks.sh
. "$(dirname "$0")/../support/checks.sh"
# shellcheck source=cmake/mpi_env.sh
. cmake/mpi_env.sh
program=$bin/m2mkd_mixer smoke=$PWD/configs/smoke.ini test=$PWD/data/fashion-mnist/test.h5
need_h5py
[ -f "$test" ] || "$pack" fashion-mnist --out data/fashion-mnist >/dev/null
small=("$smoke" --meta.model mixer --meta.width 8 --meta.patch 7 --teacher.model mixer --teacher.width 8 --teacher.patch 7
  --student.model mixer --student.width 12 --student.patch 7 --student.depths "1 2" --student.token_hidden 24 --train.drop_path 0.1
  --run.dir "$W/run")

says 2 "model = mixers: not one of: vit, vmoe, nac, mixer$" plan "${small[@]}" --ranks 1 --student.model mixers
program=$m2mkd says 2 "model = mixer: not one of: vit, vmoe, nac$" plan "${small[@]}" --ranks 1
says 0 "distill.1" plan "${small[@]}" --ranks 2
says 2 "student has 17 tokens and meta 16 tokens without a class token: stages of meta.model = mixer run on their own" \
  plan "${small[@]}" --ranks 1 --student.model vit --student.heads 2
says 2 "stages of meta.model = mixer run on their own number of tokens alone" \
  plan "${small[@]}" --ranks 1 --student.model nac --student.width 16 --student.heads 2 --student.depths "1 1" --student.input_latents 8
says 2 "student has 16 tokens without a class token and meta 17 tokens: choose equal patches and a class token in both" \
  plan "${small[@]}" --ranks 1 --meta.model vit --meta.heads 2 --hybrid.token_mismatch allow
says 2 "student.width = 12 and meta.width = 8 differ, but student.stitch = never" plan "${small[@]}" --ranks 1 --student.stitch never
says 2 "student.patch = 4: 2 stages need images whose side 8 divides" plan "${small[@]}" --ranks 1 --student.patch 4

check "run" mpirun -n 2 "$program" run "${small[@]}" >"$W/out" 2>&1 || cat "$W/out"
says 0 "check: no fault found" check "${small[@]}" --seconds 20
py "stitches lead to the widths of the meta's cuts" "$W/run" <<'P'
import sys, h5py
read = lambda job: h5py.File(f'{sys.argv[1]}/modules/{job}.h5')['stages']
first, second = read('distill.0')['0'], read('distill.1')['1']
assert first['blocks.0.post_stitch.fc.weight'].shape == (8, 12), first['blocks.0.post_stitch.fc.weight'].shape
assert second['blocks.0.pre_stitch.fc.weight'].shape == (12, 8)
assert second['blocks.0.downsample.weight'].shape == (24, 48) and second['blocks.1.token_mlp.fc1.weight'].shape == (24, 4)
final = read('final.m2mkd')
assert not any('stitch' in key for stage in final.values() for key in stage)
methods = h5py.File(f'{sys.argv[1]}/summary.h5')['methods']
assert sorted(methods) == ['e2e', 'incubation', 'kd', 'm2mkd'] and all(m.attrs['acc1'] > 50 for m in methods.values())
P

cd "$W" || exit 1
accuracy() { "$program" eval "$@" | awk 'END { print $3, $6 }'; }
trained=$(accuracy run/modules/final.m2mkd.h5 --data.test "$test")
says 0 "14230 parameters, stages of 1 2 blocks, names flat" convert run/modules/final.m2mkd.h5 flat.safetensors --model mixer
says 0 "blocks.2.token_mlp.fc1.weight -> stages/1/blocks.1.token_mlp.fc1.weight" convert flat.safetensors back.h5 --model mixer
for file in flat.safetensors back.h5; do check "$file: accuracy" test "$(accuracy $file --data.test "$test")" = "$trained"; done
says 0 "part of a network, names stages.<i>.<key>" convert run/modules/distill.1.h5 part.pth --model mixer
says 0 "part of a network" convert part.pth part.h5 --model mixer

finish family
