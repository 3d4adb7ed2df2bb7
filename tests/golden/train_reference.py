#!/usr/bin/env python3
"""The phases of m2mKD in plain PyTorch, twenty steps of each, and a run of m2mkd compared with them.

  train_reference.py --start DIR                        write start weights, images and labels (NumPy)
  train_reference.py --train FILE.npz --precision fp64  train and write the trajectories (PyTorch); --whole keeps every weight,
                                                        --nac: those of a Neural Attentive Circuit
  train_reference.py --check RUN_DIR --against FILE.npz --losses 1e-8 --norms 1e-8 --weights 1e-8 [--jobs distill.1 ...]
                                                        compare a run with them (h5py)

AdamW at a constant rate, batches of 16 images in file order, no augmentation. Differences are |a - b| / max(1, |b|).
"""
import argparse
import copy
import os
import sys

import numpy as np

import nac_start
import start

STEPS, BATCH, ALPHA, TAU = 20, 16, 0.5, 2.0
COLUMNS = ("loss", "ce", "kl", "grad_norm")


def objective(logits, labels, teacher, form):
    """Loss, cross-entropy and distillation term, each a mean over the images."""
    import torch.nn.functional as F

    ce = F.cross_entropy(logits, labels)
    if teacher is None:
        return ce, ce, 0 * ce
    if form == "hard":
        kd = F.cross_entropy(logits, teacher.argmax(1))
        return ce + ALPHA * kd, ce, kd
    kl = F.kl_div((logits / TAU).log_softmax(1), (teacher / TAU).log_softmax(1), reduction="batchmean", log_target=True)
    if form == "published":  # the published Python: divided by the classes as well, labels weighted 1 - alpha
        return (1 - ALPHA) * ce + ALPHA * TAU**2 * kl / start.CLASSES, ce, kl
    return ce + ALPHA * TAU**2 * kl, ce, kl  # Eq. 3 of the paper


def decays(name, parameter):
    return parameter.dim() > 1 and not name.endswith((".bias", "pos_embed", "cls_token", "grid", "codes_", "signatures_"))


def train(chain, trained, teacher=None, form="eq3", clip=0.0, decay_all=False):
    """Trains `trained`, the chain or a part of it; returns the columns."""
    import torch

    chain.requires_grad_(False)
    trained.requires_grad_(True)
    named = list(trained.named_parameters())
    groups = [
        {"params": [p for name, p in named if decay_all or decays(name, p)], "weight_decay": 0.05},
        {"params": [p for name, p in named if not (decay_all or decays(name, p))], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.999), eps=1e-8)
    images, labels = start.images()
    images, labels = torch.as_tensor(images).to(torch.get_default_dtype()), torch.as_tensor(labels)
    columns = {column: [] for column in COLUMNS}
    for step in range(STEPS):
        first = step * BATCH % len(images)
        x, y = images[first : first + BATCH], labels[first : first + BATCH]
        with torch.no_grad():
            wanted = None if teacher is None else teacher(x)
        loss, ce, kd = objective(chain(x), y, wanted, form)
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(trained.parameters(), clip or float("inf"))
        optimizer.step()
        for column, value in zip(COLUMNS, (loss, ce, kd, norm)):
            columns[column].append(value.item())
    return columns


def train_all():
    """Job → (columns, trained weights by chain name)."""
    import networks

    meta = networks.network("meta", start.weights("meta"))
    outer = start.NETWORKS["meta"]["width"]
    jobs = {}

    def stage_job(name, i, stage, **options):
        jobs[name] = train(meta.hybrid(i, stage), stage, **options), {
            f"stages.{i}.{key}": value for key, value in stage.state_dict().items()
        }
        return stage

    def whole_job(name, chain, **options):
        jobs[name] = train(chain, chain, **options), chain.state_dict()
        return chain

    def student(outer=0):
        return networks.network("student", start.weights("student", outer), outer)

    teacher = networks.network("teacher", start.weights("teacher"))
    for i, stage in enumerate(teacher.stages):
        stage_job(f"incubate.{i}", i, copy.deepcopy(stage))
    parts = {key: value for i in range(start.STAGES) for key, value in jobs[f"incubate.{i}"][1].items()}
    teacher = whole_job("finetune", networks.network("teacher", parts), clip=1.0)

    pairs = {}
    for i, stage in enumerate(student(outer).stages):
        pairs[i] = stage_job(f"distill.{i}", i, stage, teacher=meta.hybrid(i, teacher.stages[i]))
    for form in ("published", "hard"):
        middle = student(outer).stages[1]
        stage_job(f"distill.{form}.1", 1, middle, teacher=meta.hybrid(1, teacher.stages[1]), form=form)

    assembled = {f"stages.{i}.{key}": value for i in pairs for key, value in pairs[i].state_dict().items()}
    assembled = {key: value for key, value in assembled.items() if "_stitch." not in key}
    whole_job("final.m2mkd", networks.network("student", assembled))
    whole_job("final.e2e", student())
    whole_job("final.kd", student(), teacher=teacher)
    return jobs


def train_nac():
    """The same for a small NAC: its student modules inside the meta, and the full model with nothing random, every parameter decayed."""
    import nac_networks as nac
    import nac_students
    import networks
    import torch

    meta, teacher = (networks.network(role, start.weights(role)) for role in ("meta", "teacher"))
    sizes, outer = nac_start.SMALL, start.NETWORKS["meta"]["width"]
    kinds = [nac_students.ReadInStudent, *[nac_students.MediatorStudent] * sizes.propagators, nac_students.ReadOutStudent]
    jobs = {}
    for i, (kind, arrays) in enumerate(zip(kinds, nac_start.student_weights())):
        stage = nac_students.StudentStage(kind(sizes, outer), arrays)
        columns = train(meta.hybrid(i, stage), stage.module, teacher=meta.hybrid(i, teacher.stages[i]))
        weights = stage.module.state_dict() | stage.random
        jobs[f"distill.{i}"] = columns, {f"stages.{i}.{key}": value for key, value in weights.items()}
    model = nac.Nac(sizes)
    model.load_state_dict({name: torch.as_tensor(array) for name, array in nac_start.network_weights().items()}, strict=True)
    columns = train(model, model, decay_all=True)
    weights = model.state_dict()
    places = {name: i for i, shapes in enumerate(nac_start.network_shapes(sizes)) for name in shapes}
    prefix = [f"stages.{i}." for i in range(len(kinds))] + ["shared."]
    jobs["final.e2e"] = columns, {prefix[places[name]] + name: value for name, value in weights.items()}
    return jobs


def sampled(array):
    """What is kept of a tensor: up to 64 elements at equal distances, and a weighted sum in which every element counts."""
    values = np.asarray(array, np.float64).reshape(-1)
    weighted = values @ start.noise("weighted sum", values.size)
    return np.append(values[:: -(-values.size // 64)], weighted)


def write_trajectories(path, precision, whole, train_jobs):
    import torch

    torch.set_num_threads(1)
    torch.set_default_dtype({"fp32": torch.float32, "fp64": torch.float64}[precision])
    arrays = {}
    for job, (columns, weights) in train_jobs().items():
        for column, values in columns.items():
            arrays[f"{job}/{column}"] = np.array(values)
        for name, tensor in weights.items():
            value = tensor.numpy()
            if whole:
                arrays[f"{job}/whole/{name}"] = value
            elif precision == "fp64":
                arrays[f"{job}/sampled/{name}"] = sampled(value)
        print(f"{job}: loss {columns['loss'][0]:.6f} to {columns['loss'][-1]:.6f}")
    np.savez_compressed(path, **arrays)


def tensors_of(module):
    """Tensors of a module file: chain name → dataset."""
    tensors = {f"stages.{i}.{key}": module[f"stages/{i}/{key}"] for i in module["stages"] for key in module["stages"][i]}
    return tensors | {f"shared.{key}": value for key, value in module.get("shared", {}).items()}


def pairs(run, job, recorded):
    """(recorded, own) of a job, by what they are and their names; the number of ranks it ran on."""
    import h5py

    found = {"losses": {}, "norms": {}, "weights": {}}
    with h5py.File(os.path.join(run, "metrics", job + ".h5")) as metrics:
        for column in COLUMNS:
            wanted, own = recorded[f"{job}/{column}"], metrics["steps/" + column][:]
            if wanted.shape != own.shape:
                sys.exit(f"{job}: {len(own)} steps were logged where {len(wanted)} are recorded")
            found["norms" if column == "grad_norm" else "losses"][column] = wanted, own
    with h5py.File(os.path.join(run, "modules", job + ".h5")) as module:
        tensors = tensors_of(module)
        kept = {n.split("/")[2]: n for n in recorded.files if n.startswith((job + "/sampled/", job + "/whole/"))}
        if kept and tensors.keys() != kept.keys():
            sys.exit(f"{job}: other tensors: {sorted(tensors.keys() ^ kept.keys())[:5]}")
        for name, key in kept.items():
            own = tensors[name][()]
            found["weights"][name] = recorded[key], sampled(own) if "/sampled/" in key else own
        return found, int(module.attrs["ranks"])


def check(run, path, jobs, limits):
    """Prints the largest differences of every job; True when all are within the limits (what → largest difference)."""
    recorded = np.load(path)
    good = True
    for job in jobs or sorted({name.split("/")[0] for name in recorded.files}):
        found, ranks = pairs(run, job, recorded)
        texts = []
        for what, limit in limits.items():
            worst, where = 0.0, ""
            for name, (wanted, own) in found[what].items():
                difference = np.max(np.abs(own - wanted) / np.maximum(1, np.abs(wanted)))
                if not difference <= worst:  # also where it is not a number
                    worst, where = difference, name
            good = good and len(found[what]) > 0 and worst <= limit
            texts.append(f"{what} {worst:.2g} ({where})" + ("" if worst <= limit else f" MORE THAN {limit:g}"))
        print(f"{job}, ranks {ranks}: largest differences: {', '.join(texts)}")
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--start", metavar="DIR")
    parser.add_argument("--train", metavar="FILE.npz")
    parser.add_argument("--precision", choices=("fp32", "fp64"), default="fp64")
    parser.add_argument("--whole", action="store_true", help="keep every element of every weight")
    parser.add_argument("--nac", action="store_true", help="train a Neural Attentive Circuit instead of the V-MoE")
    parser.add_argument("--check", metavar="RUN_DIR")
    parser.add_argument("--against", metavar="FILE.npz")
    parser.add_argument("--losses", type=float, help="allowed difference of a step's loss, CE and KL")
    parser.add_argument("--norms", type=float, help="allowed difference of a step's gradient norm")
    parser.add_argument("--weights", type=float, help="allowed difference of a trained weight")
    parser.add_argument("--jobs", nargs="*")
    args = parser.parse_args()
    if args.start:
        start.write_start(args.start)
        nac_start.write(args.start)
    if args.train:
        write_trajectories(args.train, args.precision, args.whole, train_nac if args.nac else train_all)
    limits = {what: getattr(args, what) for what in ("losses", "norms", "weights") if getattr(args, what) is not None}
    if args.check and not check(args.check, args.against, args.jobs, limits):
        sys.exit("the run differs from PyTorch")


if __name__ == "__main__":
    main()
