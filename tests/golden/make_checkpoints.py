"""Writes tests/golden/checkpoints/: files of weights as PyTorch writes them, and what PyTorch computes with them.

    python3 tests/golden/make_checkpoints.py        (needs torch, numpy and safetensors; the files are committed)

A DeiT with timm's names (reference: timm's VisionTransformer), 4 blocks of width 12 with 3 heads, images of 16 x 16 x 3 in patches of 4,
5 classes, in every form in which such weights are found.
"""

import argparse
import os
from collections import OrderedDict

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

WIDTH, HEADS, DEPTH, PATCH, IMAGE, CLASSES = 12, 3, 4, 4, 16, 5


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, HEADS, c // HEADS).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-2, -1) * (c // HEADS) ** -0.5).softmax(-1)
        return self.proj((weights @ v).transpose(1, 2).reshape(b, n, c))


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(WIDTH, eps=1e-6), Attention()
        self.norm2, self.mlp = nn.LayerNorm(WIDTH, eps=1e-6), Mlp()

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class DeiT(nn.Module):
    def __init__(self):
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + (IMAGE // PATCH) ** 2, WIDTH))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, WIDTH, PATCH, PATCH)})
        self.blocks = nn.ModuleList(Block() for _ in range(DEPTH))
        self.norm, self.head = nn.LayerNorm(WIDTH, eps=1e-6), nn.Linear(WIDTH, CLASSES)

    def forward(self, x):
        x = self.patch_embed["proj"](x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


def stages(state, depths):
    """The published per-stage dictionaries: blocks counted from 0 in each (reference/vmoe §1.1)."""
    parts, first = [OrderedDict() for _ in depths], 0
    for i, depth in enumerate(depths):
        for name, tensor in state.items():
            word = name.split(".")
            if word[0] == "blocks" and first <= int(word[1]) < first + depth:
                parts[i][".".join(["blocks", str(int(word[1]) - first), *word[2:]])] = tensor
            if i == 0 and word[0] in ("cls_token", "pos_embed", "patch_embed"):
                parts[i][name] = tensor
            if i == len(depths) - 1 and word[0] in ("norm", "head"):
                parts[i][name] = tensor
        first += depth
    return parts


def student():
    """A distilled stage of a V-MoE: one block, 2 experts, stitches to width 12; its only stage is numbered 0."""
    r, width = torch.randn, 6
    state = OrderedDict()
    for name, (a, b) in {"pre_stitch": (WIDTH, width), "post_stitch": (width, WIDTH)}.items():
        state |= {f"blocks.0.{name}.ln.weight": r(a), f"blocks.0.{name}.ln.bias": r(a),
                  f"blocks.0.{name}.fc.weight": r(b, a), f"blocks.0.{name}.fc.bias": r(b)}
    for name in ("norm1", "norm2"):
        state |= {f"blocks.0.{name}.weight": r(width), f"blocks.0.{name}.bias": r(width)}
    state |= {"blocks.0.attn.qkv.weight": r(3 * width, width), "blocks.0.attn.qkv.bias": r(3 * width),
              "blocks.0.attn.proj.weight": r(width, width), "blocks.0.attn.proj.bias": r(width),
              "blocks.0.moe.gate.gate.weight": r(2, width), "blocks.0.moe.gate.gate.bias": r(2)}
    for e in range(2):
        state |= {f"blocks.0.moe.experts.{e}.htoh4.weight": r(1, 4 * width, width), f"blocks.0.moe.experts.{e}.htoh4.bias": r(1, 4 * width),
                  f"blocks.0.moe.experts.{e}.h4toh.weight": r(1, width, 4 * width), f"blocks.0.moe.experts.{e}.h4toh.bias": r(1, width)}
    return state


def main():
    torch.manual_seed(1)
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "checkpoints")
    os.makedirs(folder, exist_ok=True)
    at = lambda name: os.path.join(folder, name)
    model = DeiT().eval()
    for p in model.parameters():
        nn.init.normal_(p, std=0.3)
    state = model.state_dict()
    images = torch.randn(6, 3, IMAGE, IMAGE)
    with torch.no_grad():
        logits = model(images)

    # The position embedding for images of 24 x 24, as the published Python resizes it (reference/vmoe §1.7).
    grid = state["pos_embed"][:, 1:].reshape(1, 4, 4, WIDTH).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, size=(6, 6), mode="bicubic", align_corners=False).permute(0, 2, 3, 1).flatten(1, 2)
    resized = torch.cat([state["pos_embed"][:, :1], grid], 1)

    torch.save(state, at("deit.pth"))
    # Before torch 1.6, as DeiT's own releases are; `args` as its training script stores them.
    args = argparse.Namespace(lr=5e-4, model="deit", device="cuda", clip_grad=None, sizes=[16, 16])
    torch.save({"model": state, "args": args}, at("deit_legacy.pth"), _use_new_zipfile_serialization=False)
    save_file({k: v.contiguous() for k, v in state.items()}, at("deit.safetensors"))

    # A training checkpoint of the published Python: every tensor twice in `model`, then by stage (reference/vmoe §6.1).
    parts = stages(state, [2, 2])
    double = OrderedDict(state)
    for i, part in enumerate(parts):
        double |= {f"stages.{i}.{name}": tensor for name, tensor in part.items()}
    optimizer = torch.optim.AdamW([model.norm.weight, model.norm.bias])
    (model.norm.weight.sum() + model.norm.bias.sum()).backward()
    optimizer.step()
    with torch.no_grad():
        model.load_state_dict(torch.load(at("deit.pth")))
    torch.save({"model": double, "model_stages": parts, "optimizer": optimizer.state_dict(), "epoch": 99,
                "lr_scheduler": {"base_values": [1e-3], "step": 3, "on": True, "kind": {"a", "b"}}, "scaler": {"scale": 65536.0}}, at("checkpoint.pth"))
    torch.save({"model": double}, at("double.pth"))
    torch.save({"model_name": "vit_tiny", "block_index": 1, "block_state_dict": parts[1], "divided_depths": [2, 2]}, at("module.pth"))
    torch.save({"model": student(), "model_stages": [student()], "epoch": 99}, at("student.pth"))

    # Half precision under wrappers, as parameters, transposed and expanded views of shared storages.
    half = OrderedDict()
    for name, tensor in state.items():
        tensor = tensor.half()
        if name.endswith("fc1.weight"):
            tensor = tensor.t().contiguous().t()
        if name.endswith("norm1.bias"):
            tensor = tensor[:1].expand(WIDTH)
        half["module." + name] = nn.Parameter(tensor)
    both = torch.stack([half["module.blocks.0.norm2.weight"].data, half["module.blocks.0.norm2.bias"].data])
    half["module.blocks.0.norm2.weight"], half["module.blocks.0.norm2.bias"] = both[0], both[1]
    torch.save({"state_dict": half, "best": 81.5}, at("half.pth"))
    model.load_state_dict({k.removeprefix("module."): v.float() for k, v in half.items()})
    with torch.no_grad():
        logits_half = model(images)

    for name, array in {"images": images, "logits": logits, "logits_half": logits_half, "resized": resized}.items():
        np.save(at(name + ".npy"), array.numpy().astype(np.float32))
    np.save(at("labels.npy"), np.arange(6) % CLASSES)


if __name__ == "__main__":
    main()
