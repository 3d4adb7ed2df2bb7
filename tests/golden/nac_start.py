"""Sizes of a NAC, the shapes of its tensors, and start weights from a rule (needs NumPy only).

Names: the published ones, of the full model and of the student modules (reference/nac §1.11, §3.5).
"""
import math
import os
from dataclasses import dataclass

import numpy as np

import start


@dataclass
class Sizes:
    width: int = 384
    heads: int = 6
    hidden: int = 768
    code_width: int = 384
    signature_width: int = 64
    input_latents: int = 64
    mediator_latents: int = 256
    output_latents: int = 64
    propagators: int = 8
    tokenizer_depths: tuple = (3, 3)
    position_width: int = 64
    patch: int = 4
    grid: int = 8
    channels: int = 3
    classes: int = 200
    truncation: float = 0.9

    @property
    def token_width(self):
        return self.width // 2 + self.position_width

    @property
    def level_widths(self):
        levels = len(self.tokenizer_depths)
        return [self.width // 2 ** (levels - i) for i in range(levels)]


SMALL = Sizes(width=24, heads=3, hidden=36, code_width=16, signature_width=8, input_latents=5, mediator_latents=9, output_latents=4,
              propagators=1, tokenizer_depths=(1, 1), position_width=8, grid=start.IMAGE // 8, classes=start.CLASSES)  # fmt: skip


def noise(name, shape):
    return start.noise(name, math.prod(shape)).reshape(shape)


def fill(name, shape):
    """Start value of a tensor (reference/nac §8); states are seeded without noise."""
    u = noise(name, shape)
    if name.endswith(("codes_", "signatures_", "grid", "codes", "states")):
        return math.sqrt(3) * u
    if name.endswith("scale_gain"):
        return 0.1 + 0.05 * u
    if name.endswith("code_to_state_logvar.bias"):
        return np.full_like(u, -2000)
    if name.endswith("bandwidth"):
        return 1 + 0.1 * u
    if len(shape) >= 2:
        return u / math.sqrt(math.prod(shape[1:]))
    if name.endswith(("gamma", "norm.weight", "downsample_layers.0.1.weight", "downsample_layers.1.0.weight")):
        return 1 + 0.1 * u
    return 0.1 * u


def under(**parts):
    """Shapes of parts under their names; `_` in a name is a dot where it is doubled."""
    return {f"{part.replace('__', '.')}.{name}": shape for part, shapes in parts.items() for name, shape in shapes.items()}


def norm(width):
    return {"weight": (width,), "bias": (width,)}


def linear(columns, rows):
    return {"weight": (rows, columns), "bias": (rows,)}


def conv(columns, rows, side):
    return {"weight": (rows, columns, side, side), "bias": (rows,)}


def mod_fc(s, columns, rows, bias=False):
    shapes = {"native_weight": (rows, columns), "scale_gain": (), "scale.weight": (columns, s.code_width)}
    return shapes | ({"native_bias": (rows,)} if bias else {})


def ffn(s):
    return under(layernorm=norm(s.width), ffn__0=mod_fc(s, s.width, 2 * s.hidden, True), ffn__2=mod_fc(s, s.hidden, s.width, True),
                 layer_scale={"gamma": (s.width,)})  # fmt: skip


def attention(s, sender_width, sender_norm=False, kernel=False):
    shapes = under(receiver_layernorm=norm(s.width), query_compiler=mod_fc(s, s.width, s.width),
                   key_compiler=mod_fc(s, sender_width, s.width), value_compiler=mod_fc(s, sender_width, s.width),
                   exit_layer=mod_fc(s, s.width, s.width, True), layer_scale={"gamma": (s.width,)})  # fmt: skip
    if sender_norm:
        shapes |= under(sender_layernorm=norm(sender_width))
    return shapes | ({"kernel.bandwidth": ()} if kernel else {})


def input_tokenizer(s):
    shapes, before = {"positional_grid.grid": (s.position_width, s.grid, s.grid)}, s.channels
    for i, (width, depth) in enumerate(zip(s.level_widths, s.tokenizer_depths)):
        down = [conv(before, width, 2 if i else s.patch), norm(before if i else width)]
        for j, part in enumerate(reversed(down) if i else down):
            shapes |= {f"backbone.downsample_layers.{i}.{j}.{name}": shape for name, shape in part.items()}
        for j in range(depth):
            block = {"gamma": (width,)} | under(dwconv=conv(1, width, 7), norm=norm(width), pwconv1=linear(width, 4 * width),
                                                pwconv2=linear(4 * width, width))  # fmt: skip
            shapes |= {f"backbone.stages.{i}.{j}.{name}": shape for name, shape in block.items()}
        before = width
    return shapes


def output_tokenizer(s):
    return under(confidence_scorer=linear(s.width, 1), to_logits=linear(s.width, s.classes))


def read_in(s):
    return under(read_in_attention=attention(s, s.token_width, sender_norm=True), ffn=ffn(s))


def propagator(s, **options):
    return under(latent_attention=attention(s, s.width, **options), ffn=ffn(s))


def network_shapes(s):
    """Of the full model, by stage; the last entry is what the stages share."""
    stages = [under(input_tokenizer=input_tokenizer(s), latent_graphs__0__read_in=read_in(s))]
    for i in range(s.propagators):
        stages.append(under(**{f"latent_graphs__0__propagators__{i}": propagator(s, kernel=True)}))
    stages.append(under(latent_graphs__0__read_out=propagator(s, kernel=True, sender_norm=True), output_tokenizer=output_tokenizer(s)))
    shared = {}
    for group, count in (("input", s.input_latents), ("mediator", s.mediator_latents), ("output", s.output_latents)):
        latents = {"codes_": (count, s.code_width), "signatures_": (count, s.signature_width)}
        shared |= under(**{f"latent_graphs__0__{group}_latents": latents})
    seeder = under(layernorm=norm(s.code_width), code_to_state_mu=linear(s.code_width, s.width),
                   code_to_state_logvar=linear(s.code_width, s.width))  # fmt: skip
    return stages + [shared | under(latent_graphs__0__latent_seeder=seeder)]


def student_shapes(s, outer, tokens):
    """Of the student modules in a network of this width and number of tokens: (shapes, shapes of the random tensors) by stage."""
    pre, post = under(pre_stitch=linear(outer, s.width)), under(post_stitch=linear(s.width, outer))
    mediator = propagator(s) | pre | post, {"codes": (tokens, s.code_width)}
    first = under(tokenizer=input_tokenizer(s), read_in=read_in(s)) | post
    last = propagator(s, sender_norm=True) | under(tokenizer=output_tokenizer(s)) | pre
    return [
        (first, {"codes": (s.input_latents, s.code_width), "states": (s.input_latents, s.width)}),
        *[mediator] * s.propagators,
        (last, {"codes": (tokens, s.code_width), "latent_codes": (s.output_latents, s.code_width), "states": (s.output_latents, s.width)}),
    ]  # fmt: skip


def filled(role, stage, shapes):
    """Stage-local name → float32."""
    return {name: fill(f"{role}.stages.{stage}.{name}", shape).astype(np.float32) for name, shape in shapes.items()}


def network_weights():
    """The small NAC under its published names."""
    parts = [filled("nac", i, shapes) for i, shapes in enumerate(network_shapes(SMALL))]
    return {name: array for part in parts for name, array in part.items()}


def student_weights():
    """By stage: the small NAC's student modules inside the meta, with their random tensors."""
    tokens = (start.IMAGE // start.PATCH) ** 2 + 1
    stages = student_shapes(SMALL, start.NETWORKS["meta"]["width"], tokens)
    return [filled("nac.student", i, shapes | random) for i, (shapes, random) in enumerate(stages)]


def write(folder):
    """What the program reads: the network under flat names, the student modules by stage."""
    start.write_safetensors(os.path.join(folder, "nac.safetensors"), network_weights())
    students = {f"stages.{i}.{name}": array for i, stage in enumerate(student_weights()) for name, array in stage.items()}
    start.write_safetensors(os.path.join(folder, "nac_students.safetensors"), students)
