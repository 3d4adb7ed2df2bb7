#!/usr/bin/env bash
# m2mkd plan on the full-size recipes: what its JSON says about sizes and work, compared with the published networks.
# shellcheck source=tests/support/cli.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/cli.sh"

# The recipe names its data, which needs not be there.
"$m2mkd" plan configs/vmoe_base.ini --ranks 8 --json --run.methods "e2e kd incubation m2mkd m2mkd_stitched" >"$work/base.json"
"$m2mkd" plan configs/vmoe_large.ini --ranks 64 --json >"$work/large.json"
"$m2mkd" plan configs/nac_tiny_imagenet.ini --ranks 64 --json >"$work/nac.json"
/usr/bin/python3 - "$work" <<'P' || fail "the plan of the full-size recipes"
import json, sys
def jobs(name):
    plan = json.load(open(f"{sys.argv[1]}/{name}.json"))
    return plan, {job["job"]: job for job in plan["jobs"]}
def near(flops, gigaflop): assert abs(flops * 1e-9 - gigaflop) < 0.00501, (flops, gigaflop)
plan, base = jobs("base")
assert plan["ranks"] == 8 and plan["predicted_seconds"] > 0 and plan["disk_bytes"] > 483325768 * 4
for method in "e2e", "kd", "incubation", "m2mkd":
    final = base["final." + method]
    assert final["parameters"] == final["trainable_parameters"] == 483325768, final
    assert final["stage_parameters"] == [121195800, 120453144, 120453144, 121223680], final
assert base["final.m2mkd_stitched"]["parameters"] == 488060488
assert base["finetune"]["parameters"] == 304326632 and base["pretrain"]["parameters"] == 52402152
patches = 2 * 3 * 16 * 16 * 768 * 196 * 1e-9  # the gradient of the images, in the tables and nowhere else
near(base["final.e2e"]["forward_flops_per_image"]["published"], 57.47)
near(base["final.e2e"]["train_flops_per_image"]["published"], 172.40 - patches)
near(base["final.e2e"]["train_flops_per_image"]["executed"], 159.55 - patches)
near(base["final.kd"]["train_flops_per_image"]["published"], 295.51 - patches)
assert base["final.kd"]["teachers"]["teacher"]["parameters"] == 304326632 and base["final.e2e"]["teachers"] == {}
pairs = [base[f"distill.{i}"] for i in range(4)]
assert [p["trainable_parameters"] for p in pairs] == [121984792, 122031384, 122031384, 122012928]
assert [p["parameters"] for p in pairs] == [160800512, 161837312, 161837312, 160791808]
for pair, total, prefix in zip(pairs, (121.86, 111.93, 101.54, 90.22), (0, 5.42, 10.54, 15.66)):
    near(pair["train_flops_per_image"]["published"], total)
    near(pair["prefix_flops_per_image"]["published"], prefix)
    assert pair["teachers"]["teacher"]["parameters"] == 115383272 == sum(pair["teachers"]["teacher"]["stage_parameters"])
    near(pair["teachers"]["teacher"]["forward_flops_per_image"]["published"], 46.36)
    assert pair["steps"] == 62500 and pair["micro_batches"] == 16
near(sum(p["train_flops_per_image"]["executed"] for p in pairs), 369.77 - patches)
# The methods' FLOPs are those of their jobs; the teacher's preparation stands apart.
kd, e2e = plan["methods"]["kd"], plan["methods"]["e2e"]
assert e2e["flops"] == e2e["flops_all"] == base["final.e2e"]["flops"]
assert kd["flops"] == base["final.kd"]["flops"] and kd["flops_all"] > kd["flops"]
trained = {job for wave in plan["waves"] for group in wave["groups"] for pack in group["packs"] for job in pack["jobs"]}
assert trained == set(base), trained ^ set(base)
_, large = jobs("large")
assert large["final.m2mkd"]["parameters"] == 1017383240 and large["final.incubation"]["parameters"] == 1009498184
plan, nac = jobs("nac")
priors = "barabasi_albert", "erdos_renyi", "planted_partition", "ring_of_cliques"
assert set(plan["methods"]) == {f"{method}_{prior}" for method in ("e2e", "m2mkd") for prior in priors}, plan["methods"].keys()
assert len(nac) == 1 + 10 + 1 + 10 + 8  # meta, teacher modules, teacher, pairs for all priors, final trainings
for job in (f"final.{method}" for method in plan["methods"]): assert nac[job]["parameters"] == 26703342, nac[job]
assert nac["pretrain"]["parameters"] == 199103720 and nac["finetune"]["parameters"] == 631922920
P
for config in configs/{vmoe,deit,nac}_*.ini; do
  for ranks in 1 100 4096; do
    "$m2mkd" plan "$config" --ranks $ranks >"$work/plan" || fail "plan of $config on $ranks ranks"
    grep -q "on $ranks ranks; files up to" "$work/plan" || fail "no summary of $config on $ranks ranks"
  done
done
echo "full size: all checks passed"
