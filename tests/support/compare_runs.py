#!/usr/bin/python3
"""Compares two run directories: compare_runs.py KIND TOLERANCE DIR_A DIR_B [JOB_A=JOB_B ...]

KIND tensors: every tensor of every module file; TOLERANCE 0 means bit for bit, else the largest |a-b| / max(1, |b|).
KIND losses:  every per-step loss column of every metrics file, relative.
With JOB_A=JOB_B only these pairs of jobs are compared, and only tensors that both files hold.
Prints one line of figures; exit 1 when the runs differ by more, or when there was nothing to compare.
"""
import glob
import os
import sys

import h5py
import numpy as np

kind, tolerance, a, b, *pairs = sys.argv[1:]
tolerance = float(tolerance)
folder = {"tensors": "modules", "losses": "metrics"}[kind]


def jobs(run):
    return {os.path.basename(p)[:-3] for p in glob.glob(os.path.join(run, folder, "*.h5"))}


def arrays(run, job):
    found = {}
    with h5py.File(os.path.join(run, folder, job + ".h5")) as file:
        if kind == "losses":
            return {"loss": file["steps/loss"][:]}

        def visit(name, node):
            if isinstance(node, h5py.Dataset) and name.split("/")[0] in ("stages", "shared"):
                found[name] = node[()]

        file.visititems(visit)
    return found


if pairs:
    names = [tuple(p.split("=")) for p in pairs]
else:
    if jobs(a) != jobs(b):
        sys.exit(f"{kind}: different jobs: {sorted(jobs(a) ^ jobs(b))}")
    names = [(job, job) for job in sorted(jobs(a))]
count, largest, where = 0, 0.0, ""
for job_a, job_b in names:
    x, y = arrays(a, job_a), arrays(b, job_b)
    keys = x.keys() & y.keys() if pairs else x.keys() | y.keys()
    for key in sorted(keys):
        if key not in x or key not in y or x[key].shape != y[key].shape:
            sys.exit(f"{kind}: {job_a} {key}: missing or of another shape")
        count += x[key].size
        if tolerance == 0:
            difference = 0.0 if x[key].tobytes() == y[key].tobytes() else float("inf")
        else:
            scale = np.abs(y[key]) if kind == "losses" else np.maximum(1.0, np.abs(y[key]))
            difference = float(np.max(np.abs(x[key] - y[key]) / scale, initial=0.0))
            if not np.isfinite(difference):  # NaN is no number that another one may be near
                difference = float("inf")
        if difference > largest:
            largest, where = difference, f"{job_a} {key}"
print(f"{kind}: {count} numbers of {len(names)} jobs, largest difference {largest:.3g} {where}")
sys.exit(count == 0 or not largest <= tolerance)
