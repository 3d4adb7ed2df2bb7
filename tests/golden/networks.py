"""Vision transformer, dense or with experts, cut into stages: plain PyTorch modules under timm's and the published names."""
import torch
from torch import nn
from torch.nn import functional as F

import start


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x):
        B, N, C = x.shape
        q, k, v = self.qkv(x).reshape(B, N, 3, self.heads, C // self.heads).permute(2, 0, 3, 1, 4)
        scores = (q @ k.transpose(-2, -1)) * (C // self.heads) ** -0.5
        return self.proj((scores.softmax(-1) @ v).transpose(1, 2).reshape(B, N, C))


class Mlp(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class ExpertLinear(nn.Module):
    """A Linear whose tensors have a leading axis of one, as they are published."""

    def __init__(self, columns, rows):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(1, rows, columns))
        self.bias = nn.Parameter(torch.empty(1, rows))

    def forward(self, x):
        return F.linear(x, self.weight[0], self.bias[0])


class Expert(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.htoh4 = ExpertLinear(width, 4 * width)
        self.h4toh = ExpertLinear(4 * width, width)

    def forward(self, x):
        return self.h4toh(F.gelu(self.htoh4(x)))


class Gate(nn.Module):
    """The two best experts of every token, and the softmax over their two logits."""

    def __init__(self, width, experts):
        super().__init__()
        self.gate = nn.Linear(width, experts)

    def forward(self, x):
        best, index = self.gate(x).topk(2, dim=-1)
        return best.softmax(-1), index


class Moe(nn.Module):
    def __init__(self, width, experts):
        super().__init__()
        self.gate = Gate(width, experts)
        self.experts = nn.ModuleList(Expert(width) for _ in range(experts))

    def forward(self, x):
        score, index = self.gate(x)
        y = torch.zeros_like(x)
        for e, expert in enumerate(self.experts):  # every expert sees every token; those it was not chosen for count 0
            y = y + (score * (index == e)).sum(-1, keepdim=True) * expert(x)
        return y


class Stitch(nn.Module):
    def __init__(self, columns, rows):
        super().__init__()
        self.ln = nn.LayerNorm(columns, eps=1e-5)
        self.fc = nn.Linear(columns, rows)

    def forward(self, x):
        return self.fc(self.ln(x))


class Block(nn.Module):
    def __init__(self, width, heads, experts, pre=0, post=0):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        if experts:
            self.moe = Moe(width, experts)
        else:
            self.mlp = Mlp(width)
        self.pre_stitch = Stitch(pre, width) if pre else None
        self.post_stitch = Stitch(width, post) if post else None

    def forward(self, x):
        if self.pre_stitch:
            x = self.pre_stitch(x)
        x = x + self.attn(self.norm1(x))
        x = x + (self.moe if hasattr(self, "moe") else self.mlp)(self.norm2(x))
        return self.post_stitch(x) if self.post_stitch else x


class PatchEmbed(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.proj = nn.Conv2d(start.CHANNELS, width, start.PATCH, stride=start.PATCH)

    def forward(self, images):
        return self.proj(images).flatten(2).transpose(1, 2)


class Stage(nn.Module):
    """The first stage takes images, the last gives logits; `outer` is the width that stitches lead to, 0 for none."""

    def __init__(self, network, index, outer=0):
        super().__init__()
        width, depth = network["width"], network["depths"][index]
        self.first, self.last = index == 0, index == start.STAGES - 1
        if self.first:
            tokens = (start.IMAGE // start.PATCH) ** 2 + 1
            self.pos_embed = nn.Parameter(torch.empty(1, tokens, width))
            self.cls_token = nn.Parameter(torch.empty(1, 1, width))
            self.patch_embed = PatchEmbed(width)
        self.blocks = nn.ModuleList(
            Block(width, network["heads"], network["experts"],
                  pre=outer if j == 0 and not self.first else 0,
                  post=outer if j == depth - 1 and not self.last else 0)
            for j in range(depth)
        )  # fmt: skip
        if self.last:
            self.norm = nn.LayerNorm(width, eps=1e-6)
            self.head = nn.Linear(width, start.CLASSES)

    def forward(self, x):
        if self.first:
            x = self.patch_embed(x)
            x = torch.cat((self.cls_token.expand(len(x), -1, -1), x), 1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0]) if self.last else x


class Chain(nn.Module):
    """Stages one after another."""

    def __init__(self, stages):
        super().__init__()
        self.stages = nn.ModuleList(stages)

    def forward(self, x):
        for stage in self.stages:
            x = stage(x)
        return x

    def hybrid(self, index, stage):
        """This chain with one stage replaced; the others are shared."""
        return Chain(stage if i == index else own for i, own in enumerate(self.stages))


def network(role, arrays, outer=0):
    """A chain with these weights (chain name → array)."""
    chain = Chain(Stage(start.NETWORKS[role], i, outer) for i in range(start.STAGES))
    chain.load_state_dict({name: torch.as_tensor(array) for name, array in arrays.items()}, strict=True)
    return chain
