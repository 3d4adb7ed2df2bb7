"""Neural Attentive Circuits in plain PyTorch, under the published names (reference/nac §1).

Everything random is off: states are their means, links their probabilities, pooling the plain softmax.
"""
import math

import torch
from torch import nn
from torch.nn import functional as F

from nac_start import Sizes


class ModFC(nn.Module):
    """y = W (x · s) + b with s = 1 + gain · LN(Ws code): one code per row of x's second last axis, or one for all."""

    def __init__(self, columns, rows, code_width, bias=False):
        super().__init__()
        self.native_weight = nn.Parameter(torch.empty(rows, columns))
        self.native_bias = nn.Parameter(torch.empty(rows)) if bias else None
        self.scale_gain = nn.Parameter(torch.empty(()))
        self.scale = nn.Linear(code_width, columns, bias=False)

    def forward(self, x, code):
        y = self.scale(code)
        return F.linear(x * (1 + self.scale_gain * F.layer_norm(y, y.shape[-1:])), self.native_weight, self.native_bias)


class LayerScale(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.gamma = nn.Parameter(torch.empty(width))

    def forward(self, x):
        return self.gamma * x


class ModFFN(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.layernorm = nn.LayerNorm(sizes.width)
        self.ffn = nn.ModuleDict({"0": ModFC(sizes.width, 2 * sizes.hidden, sizes.code_width, bias=True),
                                  "2": ModFC(sizes.hidden, sizes.width, sizes.code_width, bias=True)})  # fmt: skip
        self.layer_scale = LayerScale(sizes.width)

    def forward(self, state, code):
        value, gate = self.ffn["0"](self.layernorm(state), code).chunk(2, -1)
        return state + self.layer_scale(self.ffn["2"](value * F.gelu(gate), code))


class Kernel(nn.Module):
    """Log affinity of receivers to senders, normalised per receiver."""

    def __init__(self, truncation):
        super().__init__()
        self.bandwidth = nn.Parameter(torch.empty(()))
        self.truncation = truncation

    def forward(self, receivers, senders):
        distance = 1 - F.normalize(receivers, dim=-1) @ F.normalize(senders, dim=-1).T
        link = -distance / self.bandwidth
        if self.truncation is not None:
            link = link.masked_fill(distance > self.truncation, -math.inf)
        return link.log_softmax(-1)


class Attention(nn.Module):
    """What read-in and propagator attention share."""

    def __init__(self, sizes, sender_width, sender_norm):
        super().__init__()
        self.heads = sizes.heads
        if sender_norm:
            self.sender_layernorm = nn.LayerNorm(sender_width)
        self.receiver_layernorm = nn.LayerNorm(sizes.width)
        self.query_compiler = ModFC(sizes.width, sizes.width, sizes.code_width)
        self.key_compiler = ModFC(sender_width, sizes.width, sizes.code_width)
        self.value_compiler = ModFC(sender_width, sizes.width, sizes.code_width)
        self.exit_layer = ModFC(sizes.width, sizes.width, sizes.code_width, bias=True)
        self.layer_scale = LayerScale(sizes.width)

    def split(self, x):
        """(..., C) → (..., heads, C / heads)"""
        return x.unflatten(-1, (self.heads, -1))


class ReadInAttention(Attention):
    """Each receiver makes its own keys and values of the tokens, by its own code."""

    def forward(self, tokens, state, code):
        x = self.sender_layernorm(tokens).unsqueeze(2)  # (B, V, 1, in): the axis of receivers
        q = self.split(self.query_compiler(self.receiver_layernorm(state), code))
        k, v = (self.split(make(x, code)) for make in (self.key_compiler, self.value_compiler))
        score = torch.einsum("buhd,bvuhd->bhuv", q, k) / math.sqrt(q.shape[-1])
        message = torch.einsum("bhuv,bvuhd->buhd", score.softmax(-1), v).flatten(-2)
        return state + self.layer_scale(self.exit_layer(message, code))


class LatentAttention(Attention):
    """Receivers attend to senders that are latents themselves; keys and values by the senders' codes."""

    def __init__(self, sizes, kernel=None, sender_norm=False, residual=True):
        super().__init__(sizes, sizes.width, sender_norm)
        self.residual = residual
        if kernel:
            self.kernel = kernel

    def forward(self, state, senders, code, sender_code, affinity=None):
        x = getattr(self, "sender_layernorm", self.receiver_layernorm)(senders)
        q = self.split(self.query_compiler(self.receiver_layernorm(state), code))
        k, v = (self.split(make(x, sender_code)) for make in (self.key_compiler, self.value_compiler))
        score = torch.einsum("buhd,bvhd->bhuv", q, k) / math.sqrt(q.shape[-1])
        if affinity is not None:
            score = score + affinity
        message = torch.einsum("bhuv,bvhd->buhd", score.softmax(-1), v).flatten(-2)
        out = self.layer_scale(self.exit_layer(message, code))
        return state + out if self.residual else out


class ReadIn(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.read_in_attention = ReadInAttention(sizes, sizes.token_width, True)
        self.ffn = ModFFN(sizes)

    def forward(self, tokens, state, code):
        return self.ffn(self.read_in_attention(tokens, state, code), code)


class Propagator(nn.Module):
    """A propagator, or with `sender_norm` and without residual the read-out."""

    def __init__(self, sizes, **attention):
        super().__init__()
        self.latent_attention = LatentAttention(sizes, **attention)
        self.ffn = ModFFN(sizes)

    def forward(self, state, senders, code, sender_code, affinity=None):
        return self.ffn(self.latent_attention(state, senders, code, sender_code, affinity), code)


def read_out_form(sizes, kernel=None):
    return Propagator(sizes, kernel=kernel, sender_norm=True, residual=False)


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of (B, C, H, W)."""

    def forward(self, x):
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class ConvNeXtBlock(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.gamma = nn.Parameter(torch.empty(width))
        self.dwconv = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.pwconv1 = nn.Linear(width, 4 * width)
        self.pwconv2 = nn.Linear(4 * width, width)

    def forward(self, x):
        y = self.norm(self.dwconv(x).movedim(1, -1))
        return x + (self.gamma * self.pwconv2(F.gelu(self.pwconv1(y)))).movedim(-1, 1)


class Backbone(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        widths = sizes.level_widths
        self.downsample_layers, self.stages = nn.ModuleList(), nn.ModuleList()
        for i, (width, depth) in enumerate(zip(widths, sizes.tokenizer_depths)):
            if i == 0:
                down = nn.Sequential(nn.Conv2d(sizes.channels, width, sizes.patch, sizes.patch), ChannelNorm(width, eps=1e-6))
            else:
                down = nn.Sequential(ChannelNorm(widths[i - 1], eps=1e-6), nn.Conv2d(widths[i - 1], width, 2, 2))
            self.downsample_layers.append(down)
            self.stages.append(nn.Sequential(*(ConvNeXtBlock(width) for _ in range(depth))))

    def forward(self, x):
        for down, blocks in zip(self.downsample_layers, self.stages):
            x = blocks(down(x))
        return x


class PositionalGrid(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.grid = nn.Parameter(torch.empty(sizes.position_width, sizes.grid, sizes.grid))

    def forward(self, x):
        return torch.cat((x, self.grid.expand(len(x), -1, -1, -1)), 1)


class InputTokenizer(nn.Module):
    """(B, 3, h, w) → (B, tokens, width / 2 + position_width)"""

    def __init__(self, sizes):
        super().__init__()
        self.backbone = Backbone(sizes)
        self.positional_grid = PositionalGrid(sizes)

    def forward(self, images):
        return self.positional_grid(self.backbone(images)).flatten(2).transpose(1, 2)


class OutputTokenizer(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.confidence_scorer = nn.Linear(sizes.width, 1)
        self.to_logits = nn.Linear(sizes.width, sizes.classes)

    def forward(self, state):
        return self.to_logits((self.confidence_scorer(state).softmax(1) * state).sum(1))


class Latents(nn.Module):
    def __init__(self, count, sizes):
        super().__init__()
        self.codes_ = nn.Parameter(torch.empty(count, sizes.code_width))
        self.signatures_ = nn.Parameter(torch.empty(count, sizes.signature_width))


class LatentSeeder(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.layernorm = nn.LayerNorm(sizes.code_width)
        self.code_to_state_mu = nn.Linear(sizes.code_width, sizes.width)
        self.code_to_state_logvar = nn.Linear(sizes.code_width, sizes.width)

    def forward(self, codes):
        n = self.layernorm(codes)
        noise = 0  # the deviation still has a gradient, which is 0, so that its weights decay as the others do
        return self.code_to_state_mu(n) + noise * torch.exp(0.5 * self.code_to_state_logvar(n))


class LatentGraph(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.input_latents = Latents(sizes.input_latents, sizes)
        self.mediator_latents = Latents(sizes.mediator_latents, sizes)
        self.output_latents = Latents(sizes.output_latents, sizes)
        self.latent_seeder = LatentSeeder(sizes)
        self.read_in = ReadIn(sizes)
        self.propagators = nn.ModuleList(
            Propagator(sizes, kernel=Kernel(sizes.truncation)) for _ in range(sizes.propagators)
        )  # fmt: skip
        self.read_out = read_out_form(sizes, Kernel(None))

    def affinity(self, layer, receivers):
        senders = torch.cat((self.input_latents.signatures_, self.mediator_latents.signatures_))
        return layer.latent_attention.kernel(receivers.signatures_, senders)

    def forward(self, tokens, seen=None):
        """`seen` gets the states in between, by name."""
        keep = (lambda name, x: seen.__setitem__(name, x)) if seen is not None else (lambda name, x: None)
        batch = len(tokens)
        codes = [latents.codes_ for latents in (self.input_latents, self.mediator_latents, self.output_latents)]
        inputs, mediators, outputs = (self.latent_seeder(code).expand(batch, -1, -1) for code in codes)
        keep("seed input", inputs), keep("seed mediator", mediators), keep("seed output", outputs)
        sender_code = torch.cat(codes[:2])
        inputs = self.read_in(tokens, inputs, codes[0])
        keep("after read-in", inputs)
        for i, layer in enumerate(self.propagators):
            affinity = self.affinity(layer, self.mediator_latents)
            mediators = layer(mediators, torch.cat((inputs, mediators), 1), codes[1], sender_code, affinity)
            keep(f"after propagator {i}", mediators)
        affinity = self.affinity(self.read_out, self.output_latents)
        outputs = self.read_out(outputs, torch.cat((inputs, mediators), 1), codes[2], sender_code, affinity)
        keep("read-out states", outputs)
        return outputs


class Nac(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.input_tokenizer = InputTokenizer(sizes)
        self.latent_graphs = nn.ModuleList([LatentGraph(sizes)])
        self.output_tokenizer = OutputTokenizer(sizes)

    def forward(self, images, seen=None):
        tokens = self.input_tokenizer(images)
        outputs = self.latent_graphs[0](tokens, seen)
        logits = self.output_tokenizer(outputs)
        if seen is not None:
            seen.update({"tokens": tokens, "logits": logits})
        return logits
