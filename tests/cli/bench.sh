#!/usr/bin/env bash
# labels: mpi
# m2mkd bench: which rows a configuration has, with and without its data; that the numbers agree with each other; and that the measured
# [machine] reads back as a configuration.
set -uo pipefail
# shellcheck source=cmake/mpi_env.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../cmake/mpi_env.sh"
bin=${M2MKD_BIN:-build/release/bin}
W=$(mktemp -d)
trap 'rm -rf "$W"' EXIT
failed=0
check() { # check WHAT COMMAND...
  local what=$1
  shift
  "$@" || { echo "FAILED: $what" >&2; failed=1; }
}
absent=(--data.train "$W/no/train.h5" --data.test "$W/no/test.h5" --data.image_size 28 --data.channels 1 --data.classes 10
  --data.count 1000 --data.test_count 200)
bench=("$bin/m2mkd" bench configs/smoke.ini --seconds 0.2 --run.dir "$W/run")

# Without the data files: all rows but loading, on one rank and on two.
begin=$(date +%s.%N)
check "bench --json" "${bench[@]}" "${absent[@]}" --json >"$W/one.json"
middle=$(date +%s.%N)
check "bench --json on two ranks" mpirun -n 2 "${bench[@]}" "${absent[@]}" --json >"$W/two.json"
check "rows and numbers" python3 - "$W" "$begin" "$middle" "$(date +%s.%N)" <<'P'
import json, sys
one, two = (json.load(open(f"{sys.argv[1]}/{name}.json")) for name in ("one", "two"))
begin, middle, end = map(float, sys.argv[2:])
took = {1: middle - begin, 2: end - middle}
# The V-MoE of configs/smoke.ini by hand: 5 tokens of width 16 out of 4 patches of 196 pixels; attention; a gate to 4 experts, each
# token to 2 of them with 64 hidden units; the last block's queries, experts and head for the class token alone.
def block(queries):
    return 2 * (queries * 16 * 16 + 5 * 16 * 32 + 2 * queries * 5 * 16 + queries * (16 * 16 + 16 * 4 + 2 * 2 * 16 * 64))
patches = 2 * 4 * 196 * 16
forward = patches + block(5) + block(1) + 2 * 16 * 10
by_hand = {"evaluation": forward, "end_to_end": 3 * forward - patches}  # no gradient of the images
want = {"pair": ["distill.1"], "pack": ["distill.0", "distill.1"], "incubation": ["incubate.1"],
        "student_incubation": ["incubate.incubation.1"], "finetune": ["finetune"], "end_to_end": ["final.e2e"], "kd": ["final.kd"],
        "evaluation": ["final.e2e"]}
for result, ranks in (one, 1), (two, 2):
    rows = {row["row"]: row for row in result["rows"]}
    assert list(rows) == list(want), list(rows)
    assert len(result["ranks"]) == ranks and all(r["threads"] >= 1 for r in result["ranks"]), result["ranks"]
    for name, row in rows.items():
        assert row["jobs"] == want[name], (name, row["jobs"])
        assert row["steps"] >= 1 and row["images_per_step"] == (200 if name == "evaluation" else 64), row
        assert row["flops_per_image"] == by_hand.get(name, row["flops_per_image"]), (row, by_hand)
        assert 0 < row["gemm_percent"] < 100, row
    # All rows together, by another clock: they cannot have done more than fits into the command's time.
    work = sum(r["steps"] * r["images_per_step"] * r["flops_per_image"] / r["gflops"] * 1e-9 for r in rows.values())
    images = sum(r["steps"] * r["images_per_step"] / r["images_per_s"] for r in rows.values())
    assert 0.1 * len(rows) < images < took[ranks] and abs(work / images - 1) < 1e-6, (work, images, took)
    # A pack computes its prefix once: less work than its two jobs, more than one.
    pair, pack = rows["pair"]["flops_per_image"], rows["pack"]["flops_per_image"]
    assert pair < pack, (pair, pack)
    assert rows["kd"]["flops_per_image"] > rows["end_to_end"]["flops_per_image"] > rows["evaluation"]["flops_per_image"]
    training = [row["gflops"] / ranks for row in rows.values() if row["row"] != "evaluation"]
    machine = result["machine"]
    assert min(training) < machine["gflops"] < max(training), (machine, training)
    assert machine["memory_gb"] > 0 and machine["disk_gb_s"] > 0, machine
assert one["machine"]["reduce_gb_s"] is None and two["machine"]["reduce_gb_s"] > 0
P

# A configuration of one method has that method's rows; the table has them too.
check "table" "${bench[@]}" "${absent[@]}" --run.methods e2e >"$W/table"
check "rows of e2e: $(cat "$W/table")" test "$(awk 'NR > 1 { print $1 }' "$W/table" | xargs)" = "end_to_end evaluation"

# The measured machine is a configuration file.
check "bench --print-machine" mpirun -n 2 "${bench[@]}" "${absent[@]}" --run.methods e2e --print-machine >"$W/machine.ini"
check "plan takes it" "$bin/m2mkd" plan configs/smoke.ini "$W/machine.ini" "${absent[@]}" --ranks 4 >"$W/plan"
"$bin/m2mkd" run configs/smoke.ini "$W/machine.ini" --print-config >"$W/config"
for key in gflops reduce_gb_s memory_gb disk_gb_s; do
  check "$key reads back" grep -qx "$(grep "^$key = " "$W/machine.ini" || echo "no $key")" "$W/config"
done

# With its data: loading as well.
head -c 15680 /dev/urandom >"$W/pixels"
python3 - "$W" <<'P'
import struct, sys
pixels = open(sys.argv[1] + "/pixels", "rb").read()
def npy(name, descr, shape, data):
    head = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
    head += " " * (-(len(head) + 11) % 64) + "\n"
    open(f"{sys.argv[1]}/{name}", "wb").write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + data)
npy("x.npy", "|u1", "(20, 28, 28)", pixels)
npy("y.npy", "|u1", "(20,)", bytes(i % 10 for i in range(20)))
P
check "pack" "$bin/m2mkd-pack" npy --images "$W/x.npy" --labels "$W/y.npy" --test-images "$W/x.npy" --test-labels "$W/y.npy" \
  --out "$W/data" >"$W/pack.log"
check "table with data" "${bench[@]}" --data.train "$W/data/train.h5" --data.test "$W/data/test.h5" --data.train_images 0 \
  --run.methods e2e >"$W/table"
# 20 images are fewer than the batch: a step holds them all.
check "loading of 20 images: $(cat "$W/table")" grep -Eq '^loading +final.e2e +20 ' "$W/table"
check "a step of 20 images: $(cat "$W/table")" grep -Eq '^end_to_end +final.e2e +20 ' "$W/table"

for wrong in "--seconds=soon" "--seconds=-1" "--json --print-machine"; do
  # shellcheck disable=SC2086  # two flags
  "${bench[@]}" $wrong >"$W/out" 2>&1
  check "$wrong is refused with exit 2" test $? = 2
done
[ $failed = 0 ] && echo "bench: all checks passed"
exit $failed
