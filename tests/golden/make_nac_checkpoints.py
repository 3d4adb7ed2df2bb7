"""Writes tests/golden/checkpoints/nac*: a small NAC and its student modules as the published Python saves them, and its logits.

    python3 tests/golden/make_nac_checkpoints.py        (needs torch and numpy; the files are committed)
"""
import os
from collections import OrderedDict

import numpy as np
import torch

import nac_networks as nac
from nac_students import MediatorStudent, ReadInStudent, ReadOutStudent

SIZES = nac.Sizes(width=24, heads=2, hidden=36, code_width=20, signature_width=6, input_latents=5, mediator_latents=7, output_latents=3,
                  propagators=2, tokenizer_depths=(1, 2), position_width=4, patch=4, grid=2, classes=5)  # fmt: skip
OUTER = 12  # width of the chain that the students' stitches lead to


def random(model):
    """Every part matters: large enough weights, gains and gammas away from their starts."""
    for name, p in model.named_parameters():
        if name.endswith(("gamma", "norm.weight", "bandwidth")):
            torch.nn.init.uniform_(p, 0.7, 1.3)
        elif name.endswith("scale_gain"):
            torch.nn.init.uniform_(p, 0.1, 0.4)
        elif name.endswith(("codes_", "signatures_", "grid")):
            torch.nn.init.normal_(p)
        elif p.dim() >= 2:
            torch.nn.init.normal_(p, std=1.2 / (p.numel() / len(p)) ** 0.5)
        else:
            torch.nn.init.normal_(p, std=0.3)
    return model.eval()


def wrapped(model, **more):
    """As torch.save gets it: the optimizer's state and counters beside the weights (reference/nac §6.1)."""
    parameters = list(model.parameters())[:2]
    optimizer = torch.optim.AdamW(parameters)
    for p in parameters:
        p.grad = torch.ones_like(p)
    state = OrderedDict((name, tensor.clone()) for name, tensor in model.state_dict().items())
    optimizer.step()
    counters = {"lr_scheduler": {"step": 3}, "epoch": 9, "scaler": {"scale": 65536.0}}
    return {"model": state, "optimizer": optimizer.state_dict(), **counters, **more}


def main():
    torch.manual_seed(2)
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "checkpoints")
    at = lambda name: os.path.join(folder, name)
    model = random(nac.Nac(SIZES))
    images = torch.from_numpy(np.load(at("images.npy")))
    with torch.no_grad():
        logits = model(images)
    np.save(at("nac_logits.npy"), logits.numpy())
    more = {"model_ema": None, "best_acc1": 68.3, "step": 100, "current_val_stats": {"acc1": 68.3}, "current_ood_stats": {}}
    torch.save(wrapped(model, **more), at("nac.pt"))

    students = {"nac_read_in": ReadInStudent, "nac_mediator": MediatorStudent, "nac_read_out": ReadOutStudent}
    for name, kind in students.items():
        torch.save(wrapped(random(kind(SIZES, OUTER)), model_stages=[]), at(name + ".pth"))


if __name__ == "__main__":
    main()
