"""Networks, start weights and images of the comparison with PyTorch, from a rule instead of a random generator (needs NumPy only).

Names are those of timm and of the published Python; a chain's tensors are called stages.<i>.<stage-local name>.
"""
import json
import math
import os

import numpy as np

IMAGE, CHANNELS, PATCH, CLASSES, IMAGES = 32, 3, 8, 10, 80
NETWORKS = {  # the student's blocks have experts; its stages are distilled with stitches to the meta's width
    "meta": {"width": 32, "heads": 4, "depths": (1, 1, 1), "experts": 0},
    "teacher": {"width": 32, "heads": 4, "depths": (2, 2, 2), "experts": 0},
    "student": {"width": 24, "heads": 3, "depths": (2, 2, 2), "experts": 4},
}
STAGES = 3


def noise(name, count):
    """`count` numbers from [-1, 1): FNV-1a of the name, then splitmix64 of every element's number."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = (seed ^ byte) * 0x100000001B3 % 2**64
    z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ z >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ z >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    z = z ^ z >> np.uint64(31)
    return 2 * (z >> np.uint64(11)).astype(np.float64) * 2.0**-53 - 1


def fill(name, shape):
    """Start value of a tensor, float32."""
    r = noise(name, math.prod(shape))
    norm = "norm" in name or ".ln." in name
    if name.endswith("weight"):
        r = 1 + 0.1 * r if norm else 0.2 * r
    else:
        r = 0.05 * r
    return r.astype(np.float32).reshape(shape)


def block_shapes(width, experts):
    def linear(name, rows, columns):
        return {name + ".weight": (rows, columns), name + ".bias": (rows,)}

    shapes = {}
    for norm in ("norm1", "norm2"):
        shapes |= {norm + ".weight": (width,), norm + ".bias": (width,)}
    shapes |= linear("attn.qkv", 3 * width, width) | linear("attn.proj", width, width)
    if experts == 0:
        return shapes | linear("mlp.fc1", 4 * width, width) | linear("mlp.fc2", width, 4 * width)
    shapes |= linear("moe.gate.gate", experts, width)
    for e in range(experts):
        for name, rows, columns in (("htoh4", 4 * width, width), ("h4toh", width, 4 * width)):
            prefix = f"moe.experts.{e}.{name}"
            shapes |= {prefix + ".weight": (1, rows, columns), prefix + ".bias": (1, rows)}
    return shapes


def stitch_shapes(name, columns, rows):
    return {
        name + ".ln.weight": (columns,), name + ".ln.bias": (columns,),
        name + ".fc.weight": (rows, columns), name + ".fc.bias": (rows,),
    }  # fmt: skip


def stage_shapes(network, index, outer=0):
    """Stage-local name → shape. `outer`: width that stitches lead to, 0 for none."""
    width, depth = network["width"], network["depths"][index]
    shapes = {}
    if index == 0:
        tokens = (IMAGE // PATCH) ** 2 + 1
        shapes |= {"pos_embed": (1, tokens, width), "cls_token": (1, 1, width)}
        shapes |= {"patch_embed.proj.weight": (width, CHANNELS, PATCH, PATCH), "patch_embed.proj.bias": (width,)}
    for j in range(depth):
        block = block_shapes(width, network["experts"])
        if outer and j == 0 and index > 0:
            block |= stitch_shapes("pre_stitch", outer, width)
        if outer and j == depth - 1 and index < STAGES - 1:
            block |= stitch_shapes("post_stitch", width, outer)
        shapes |= {f"blocks.{j}.{name}": shape for name, shape in block.items()}
    if index == STAGES - 1:
        shapes |= {"norm.weight": (width,), "norm.bias": (width,)}
        shapes |= {"head.weight": (CLASSES, width), "head.bias": (CLASSES,)}
    return shapes


def weights(role, outer=0):
    """A network's start: chain name → array."""
    chain = {}
    for i in range(STAGES):
        for name, shape in stage_shapes(NETWORKS[role], i, outer).items():
            chain[f"stages.{i}.{name}"] = fill(f"{role}.stages.{i}.{name}", shape)
    return chain


def flat(role, chain):
    """timm's names: blocks counted through the whole network."""
    depths, result = NETWORKS[role]["depths"], {}
    for name, array in chain.items():
        _, stage, local = name.split(".", 2)
        if local.startswith("blocks."):
            _, block, rest = local.split(".", 2)
            local = f"blocks.{sum(depths[: int(stage)]) + int(block)}.{rest}"
        result[local] = array
    return result


def images():
    """(images (N, C, H, W) float32, labels (N) int64)"""
    pixels = noise("input", IMAGES * CHANNELS * IMAGE * IMAGE).astype(np.float32)
    labels = np.floor((noise("labels", IMAGES) + 1) / 2 * CLASSES).astype(np.int64)
    return pixels.reshape(IMAGES, CHANNELS, IMAGE, IMAGE), labels


def write_safetensors(path, tensors):
    """8 bytes length of the header, the header as JSON, then the data."""
    header, offset = {}, 0
    for name, array in tensors.items():
        end = offset + array.nbytes
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in tensors.values():
            file.write(np.ascontiguousarray(array, "<f4").tobytes())


def write_start(folder):
    """What the program reads: networks under both forms of names, images, labels."""
    os.makedirs(folder, exist_ok=True)
    files = {
        "meta": flat("meta", weights("meta")),
        "teacher": flat("teacher", weights("teacher")),
        "student": weights("student"),
        "student_with_stitches": weights("student", NETWORKS["meta"]["width"]),
    }
    for name, tensors in files.items():
        write_safetensors(os.path.join(folder, name + ".safetensors"), tensors)
    pixels, labels = images()
    np.save(os.path.join(folder, "images.npy"), pixels)
    np.save(os.path.join(folder, "labels.npy"), labels)
