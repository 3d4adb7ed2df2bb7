#!/usr/bin/python3
"""Compares all that a reader sees of two finished runs of the same settings: same_state.py DIR_A DIR_B

The same files; tensors, columns and attributes of every .h5 bit by bit, status and plan value by value, config.ini as it is. Left out: the
log, and what tells of clocks and of the machine. Prints what differs; exit 1 when something does, or when a leftover is there.
"""
import json
import os
import sys

import h5py
import numpy as np

CLOCKS = {"created", "started", "finished_at", "seconds", "rank_seconds", "eval_seconds", "peak_memory", "images_per_s", "time",
          "time_ratio", "epoch_seconds", "start", "end", "config", "git"}
problems = []


def files(top):
    return {os.path.relpath(os.path.join(folder, name), top) for folder, folders, names in os.walk(top) for name in names + folders}


def values(path):
    """Name -> value of everything in an HDF5 file."""
    found = {}

    def add(name, node):
        for key, value in node.attrs.items():
            if key.removeprefix("progress.") not in CLOCKS and key not in ("REFERENCE_LIST", "DIMENSION_LIST"):
                found[f"{name}@{key}"] = np.asarray(value).tobytes() if not isinstance(value, str) else value
        if isinstance(node, h5py.Dataset) and name.split("/")[-1] not in CLOCKS:
            data = node[()]
            found[name] = [str(x) for x in data] if data.dtype == object else data.tobytes()

    with h5py.File(path) as file:
        add("", file)
        file.visititems(add)
    # The digest of images per second is one of clocks.
    return {k: v for k, v in found.items() if not (k.endswith("@xxh3") and k.split("@")[0].split("/")[-1] in CLOCKS)}


def plain(value):
    """Without clocks, at any depth."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if k not in CLOCKS}
    return [plain(v) for v in value] if isinstance(value, list) else value


a, b = sys.argv[1:]
if files(a) != files(b):
    problems.append(f"other files: {sorted(files(a) ^ files(b))}")
problems += [f"a leftover: {name}" for name in sorted(files(b)) if ".tmp." in name]
for name in sorted(files(a) & files(b)):
    x, y = os.path.join(a, name), os.path.join(b, name)
    if name.endswith(".h5"):
        u, v = values(x), values(y)
        problems += [f"{name}: {key}" for key in sorted(u.keys() | v.keys()) if u.get(key) != v.get(key)]
    elif name.endswith(".json"):
        u, v = plain(json.load(open(x))), plain(json.load(open(y)))
        if u != v:
            problems.append(f"{name}: {u} and {v}")
for job in os.listdir(os.path.join(b, "modules")):
    with h5py.File(os.path.join(b, "modules", job)) as module, h5py.File(os.path.join(b, "metrics", job)) as metrics:
        if module.attrs["digest"] != metrics.attrs.get("module_digest"):
            problems.append(f"{job}: the metrics are of another module")
print("\n".join(problems))
sys.exit(bool(problems))
