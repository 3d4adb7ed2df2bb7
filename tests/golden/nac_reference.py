"""Computes tests/golden/nac_values.json with nac_networks.py in fp64, and compares with numbers that the published Python gave
(nac_published.json).

    python3 tests/golden/nac_reference.py [--write]         (needs torch and numpy)

Weights and inputs are the deterministic numbers of reference/nac §8.
"""
import argparse
import json
import math
import os
import sys

import torch

import nac_networks as nac
import nac_start
import nac_students

TINY = nac.Sizes()
OUTER, TOKENS, BATCH = 1280, 257, 2


def stream(name, *shape):
    return torch.from_numpy(nac_start.noise(name, shape))


def unit(name, *shape):
    """Numbers of variance one: inputs, codes, states."""
    return math.sqrt(3) * stream(name, *shape)


def filled(model):
    model = model.double()
    state = {name: torch.as_tensor(nac_start.fill(name, tuple(tensor.shape))) for name, tensor in model.state_dict().items()}
    model.load_state_dict(state)
    return model.eval()


def facts(tensor):
    flat = tensor.detach().flatten()
    return {"shape": list(tensor.shape), "mean": flat.mean().item(), "mean_abs": flat.abs().mean().item(),
            "first": flat[:4].tolist(), "last": flat[-1].item()}  # fmt: skip


def gradients(model, out):
    """Of sum(out · w) with the stream "w": its value, and every parameter's gradient as [sum, norm]."""
    model.zero_grad()
    loss = (out * stream("w", *out.shape)).sum()
    loss.backward()
    grads = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return {"loss": loss.item(), "gradient_norm": math.sqrt(sum(g.norm().item() ** 2 for g in grads.values())),
            "gradients": {name: [g.sum().item(), g.norm().item()] for name, g in grads.items()}}  # fmt: skip


def count(model):
    return sum(p.numel() for p in model.parameters())


def full_model():
    model = filled(nac.Nac(TINY))
    seen = {}
    logits = model(unit("input64", BATCH, 3, 64, 64), seen)
    graph = model.latent_graphs[0]
    a = graph.affinity(graph.propagators[0], graph.mediator_latents).detach()
    finite = a[a.isfinite()]
    affinity = {"finite_share": finite.numel() / a.numel(), "mean_finite": finite.mean().item(), "first_finite": finite[:3].tolist()}
    return {"parameters": count(model), "forward": {name: facts(tensor) for name, tensor in seen.items()},
            "second_logits": logits[1, :3].tolist(), "argmax": logits.argmax(1).tolist(), "affinity": affinity,
            **gradients(model, logits)}  # fmt: skip


def students():
    """Each form's output and gradients. Codes and states are the first rows of the streams of these names; "code" (1,K) and "state"
    (2,1,C) where none are named."""
    sizes = nac.Sizes(grid=28, classes=1000)
    images, hidden = unit("input224", BATCH, 3, 224, 224), unit("hidden", BATCH, TOKENS, OUTER)
    code, state = unit("code", 1, sizes.code_width), unit("state", BATCH, 1, sizes.width)
    codes, states = unit("codes", TOKENS, sizes.code_width), unit("states", 64, sizes.width)
    latent_codes = unit("latent_codes", 64, sizes.code_width)
    forms = {
        "readin": (nac_students.ReadInStudent, lambda m: m(images, code, state)),
        "mediator": (nac_students.MediatorStudent, lambda m: m(hidden, code)),
        "readout": (nac_students.ReadOutStudent, lambda m: m(hidden, code, state)),
        "readin, state (1,C)": (nac_students.ReadInStudent, lambda m: m(images, code, state[0])),
        "readout, state (1,C)": (nac_students.ReadOutStudent, lambda m: m(hidden, code, state[0])),
        "readin, codes (64,K), states (64,C)": (nac_students.ReadInStudent, lambda m: m(images, codes[:64], states)),
        "mediator, codes (257,K)": (nac_students.MediatorStudent, lambda m: m(hidden, codes)),
        "readout, codes (257,K), latent_codes (64,K), states (64,C)": (
            nac_students.ReadOutStudent, lambda m: m(hidden, latent_codes, states, codes)),
    }  # fmt: skip
    values = {}
    for name, (kind, run) in forms.items():
        model = filled(kind(sizes, OUTER))
        out = run(model)
        values[name] = {"parameters": count(model), "out": facts(out), **gradients(model, out)}
    return values


def text(value, depth=0):
    """JSON with one line per leaf, and per dictionary or list of leaves."""
    if not isinstance(value, dict) or (depth > 2 and not any(isinstance(v, dict) for v in value.values()) and len(value) < 10):
        return json.dumps(value)
    rows = [f"{json.dumps(key)}: {text(item, depth + 1)}" for key, item in value.items()]
    return "{\n" + ",\n".join(" " * (depth + 1) + row for row in rows) + "\n" + " " * depth + "}"


def differences(published, ours, where=""):
    """Numbers of `published`, which have 10 digits or more, that are not ours."""
    if isinstance(published, dict):
        return [d for key, value in published.items() for d in differences(value, ours[key], f"{where}/{key}")]
    if isinstance(published, list):
        pairs = list(zip(published, ours))
        return [f"{where}: {len(published)} against {len(ours)} numbers"] * (len(published) > len(ours)) + [
            d for i, (a, b) in enumerate(pairs) for d in differences(a, b, f"{where}[{i}]")]  # fmt: skip
    return [] if abs(published - ours) <= 1e-9 * max(1, abs(published)) else [f"{where}: {published} published, {ours} here"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write nac_values.json beside this script")
    args = parser.parse_args()
    torch.set_default_dtype(torch.float64)
    here = os.path.dirname(os.path.abspath(__file__))
    values = {"full": full_model(), "students": students()}
    if args.write:
        with open(os.path.join(here, "nac_values.json"), "w") as file:
            file.write(text(values) + "\n")
    with open(os.path.join(here, "nac_published.json")) as file:
        wrong = differences(json.load(file), values)
    if wrong:
        sys.exit("\n".join(wrong))
    print("all of the published numbers")


if __name__ == "__main__":
    main()
