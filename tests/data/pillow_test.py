#!/usr/bin/env python3
"""Pixel operations against Pillow, byte by byte.    pillow_test.py TOOL [--cases N] [--seed S]

Draws random images, sizes and parameters, applies Pillow and our own functions (by way of the
program TOOL, tests/support/pixel_tool.cpp), and compares all bytes. Exits 77 without Pillow.
"""
import argparse
import collections
import io
import math
import subprocess
import sys

try:
    import numpy as np
    import PIL
    from PIL import Image, ImageEnhance, ImageOps
except ImportError as error:
    print(f"skipped: {error} (Debian: python3-pil, python3-numpy)")
    sys.exit(77)

FILL = (124, 116, 104)
BICUBIC = Image.BICUBIC


# ---- what Pillow makes of it

def fill_of(image):
    """The fill colour in the image's mode; for grey its luma."""
    return FILL if image.mode == "RGB" else Image.new("RGB", (1, 1), FILL).convert("L").getpixel((0, 0))


def affine(image, *matrix):
    return image.transform(image.size, Image.AFFINE, matrix, resample=BICUBIC, fillcolor=fill_of(image))


def rotate(image, degrees):
    return image.rotate(degrees, resample=BICUBIC, fillcolor=fill_of(image))


def solarize_add(image, amount, threshold=128):
    table = [min(255, v + amount) if v < threshold else v for v in range(256)]
    return image.point(table * len(image.getbands()))


def resize(image, top, left, height, width, new_height, new_width):
    return image.crop((left, top, left + width, top + height)).resize((new_width, new_height), BICUBIC)


def evaluation(image, size, share):
    """Shorter side to floor(size / share), central window, its corner rounded half to even."""
    short = math.floor(size / share)
    w, h = image.size
    w, h = (short, int(short * h / w)) if w <= h else (int(short * w / h), short)
    image = image.resize((w, h), BICUBIC)
    left, top = round((w - size) / 2), round((h - size) / 2)
    return image.crop((left, top, left + size, top + size))


def posterize(image, bits):
    return image if bits >= 8 else ImageOps.posterize(image, bits)


def enhance(kind):
    return lambda image, factor: kind(image).enhance(factor)


PILLOW = {
    "crop": lambda image, top, left, h, w: image.crop((left, top, left + w, top + h)),
    "flip": ImageOps.mirror, "resize": resize, "eval": evaluation, "affine": affine, "rotate": rotate,
    "autocontrast": ImageOps.autocontrast, "equalize": ImageOps.equalize, "invert": ImageOps.invert,
    "posterize": posterize, "solarize": ImageOps.solarize, "solarize_add": solarize_add,
    "color": enhance(ImageEnhance.Color), "contrast": enhance(ImageEnhance.Contrast),
    "brightness": enhance(ImageEnhance.Brightness), "sharpness": enhance(ImageEnhance.Sharpness),
}

# RandAugment's operations, numbered as in AugmentOp, and the parameter of each at a magnitude m:
# (m, sign, increasing) -> number for the function.
AUGMENT = [
    (ImageOps.autocontrast, None), (ImageOps.equalize, None), (ImageOps.invert, None),
    (rotate, lambda m, sign, inc: sign * (m / 10 * 30)),
    (posterize, lambda m, sign, inc: 4 - int(m / 10 * 4) if inc else int(m / 10 * 4)),
    (ImageOps.solarize, lambda m, sign, inc: 256 - int(m / 10 * 256) if inc else int(m / 10 * 256)),
    (solarize_add, lambda m, sign, inc: int(m / 10 * 110)),
    *((PILLOW[name], lambda m, sign, inc: 1 + sign * (m / 10 * 0.9) if inc else m / 10 * 1.8 + 0.1)
      for name in ("color", "contrast", "brightness", "sharpness")),
    (lambda image, f: affine(image, 1, f, 0, 0, 1, 0), lambda m, sign, inc: sign * (m / 10 * 0.3)),
    (lambda image, f: affine(image, 1, 0, 0, f, 1, 0), lambda m, sign, inc: sign * (m / 10 * 0.3)),
    (lambda image, f: affine(image, 1, 0, f * image.width, 0, 1, 0), lambda m, sign, inc: sign * (m / 10 * 0.45)),
    (lambda image, f: affine(image, 1, 0, 0, 0, 1, f * image.height), lambda m, sign, inc: sign * (m / 10 * 0.45)),
]


def augment(image, op, magnitude, negative, increasing):
    function, parameter = AUGMENT[op]
    return function(image, *([parameter(magnitude, -1 if negative else 1, increasing)] if parameter else []))


PILLOW["augment"] = augment


# ---- random cases

def random_side(rng, most):
    return int(rng.integers(1, 6) if rng.random() < 0.2 else rng.integers(1, most + 1))


def random_image(rng, channels=None):
    scale = 8 if rng.random() < 0.02 else 1  # some as large as photographs
    h, w = random_side(rng, 70 * scale), random_side(rng, 90 * scale)
    c = channels or int(rng.choice([1, 3]))
    kind = rng.integers(7)
    if kind == 0:
        pixels = np.broadcast_to(rng.integers(0, 256, c), (h, w, c))
    elif kind == 1:  # a gradient
        y, x = np.mgrid[0:h, 0:w][..., None].astype(float)
        pixels = rng.uniform(0, 255, c) + x * rng.normal(0, 4, c) + y * rng.normal(0, 4, c)
    elif kind == 2:  # two colours
        pixels = np.where(rng.random((h, w, 1)) < rng.random(), rng.integers(0, 256, c), rng.integers(0, 256, c))
    elif kind == 3:  # a narrow range
        low, high = np.sort(rng.integers(0, 257, 2))
        pixels = rng.integers(low, max(high, low + 1), (h, w, c))
    elif kind == 4:  # smooth shapes with a little noise, like a photograph
        small = Image.fromarray(rng.integers(0, 256, (4, 5, 3)).astype(np.uint8)).resize((w, h), BICUBIC)
        pixels = np.asarray(small)[..., :c] + rng.normal(0, 5, (h, w, c))
    elif kind == 5:  # black and white, the hardest edges
        pixels = 255 * rng.integers(0, 2, (h, w, c))
    else:
        pixels = rng.integers(0, 256, (h, w, c))
    pixels = np.clip(pixels, 0, 255).astype(np.uint8)
    return Image.fromarray(pixels[..., 0] if c == 1 else pixels)


def random_factor(rng):
    return float(rng.choice([rng.uniform(-0.5, 3), rng.uniform(-20, 20), rng.choice([0.0, 1.0, 0.1, 1.9])]))


def random_matrix(rng):
    spread = rng.choice([0.3, 2, 30])
    return [float(v) for v in np.array([1, 0, 0, 0, 1, 0]) * rng.integers(0, 2) +
            rng.normal(0, spread, 6) * rng.integers(0, 2, 6) * np.array([1, 1, 20, 1, 1, 20])]


def random_resize(rng, image):
    w, h = image.size
    top, left = int(rng.integers(h)), int(rng.integers(w))
    box = [top, left, int(rng.integers(1, h - top + 1)), int(rng.integers(1, w - left + 1))]
    if rng.random() < 0.4:
        box = [0, 0, h, w]
    new = box[2:] if rng.random() < 0.1 else [random_side(rng, 90), random_side(rng, 90)]
    if rng.random() < 0.2:  # one axis stays
        new[rng.integers(2)] = box[2 + rng.integers(2)]
    return box + new


def random_eval(rng, image):
    size = int(rng.integers(1, 65))
    w, h = image.size
    if max(w, h) > 40 * min(w, h):
        size = min(size, 8)
    return [size, float(rng.choice([0.875, 1.0, rng.uniform(0.5, 1)]))]


def random_crop(rng, image):
    return [int(v) for v in (rng.integers(-9, 80), rng.integers(-9, 80), rng.integers(1, 60), rng.integers(1, 60))]


def random_magnitude(rng):
    return float(rng.choice([rng.uniform(0, 10), np.clip(rng.normal(9, 0.5), 0, 10), rng.integers(0, 11)]))


PARAMETERS = {
    "crop": random_crop, "resize": random_resize, "eval": random_eval,
    "affine": lambda rng, image: random_matrix(rng),
    "rotate": lambda rng, image: [float(rng.choice([rng.uniform(-30, 30), rng.uniform(-720, 720), 45.0 * rng.integers(-8, 9)]))],
    "posterize": lambda rng, image: [int(rng.integers(0, 9))],
    "solarize": lambda rng, image: [int(rng.integers(0, 257))],
    "solarize_add": lambda rng, image: [int(rng.integers(0, 256))],
    **{name: lambda rng, image: [random_factor(rng)] for name in ("color", "contrast", "brightness", "sharpness")},
    "augment": lambda rng, image: [int(rng.integers(len(AUGMENT))), random_magnitude(rng), int(rng.integers(2)), int(rng.integers(2))],
}


# ---- JPEG

def random_jpeg(rng):
    """A file of a random kind: grey, YCbCr, RGB (by an Adobe marker), CMYK, YCCK; whole, cut, or scratched."""
    kind = rng.choice(["grey", "colour", "rgb", "cmyk", "ycck"])
    image = random_image(rng, 1 if kind == "grey" else 3)
    if kind in ("cmyk", "ycck"):
        more = random_image(rng, 1).resize(image.size)
        image = Image.merge("CMYK", (*image.split(), more))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=int(rng.integers(1, 101)), subsampling=int(rng.integers(3)),
               progressive=bool(rng.integers(2)), optimize=bool(rng.integers(2)))
    data = bytearray(file.getvalue())
    if kind == "rgb":  # an Adobe marker that says "no transform" stands in for the JFIF marker
        length = int.from_bytes(data[4:6], "big")
        data[2:4 + length] = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"
    if kind == "ycck":
        data[data.index(b"Adobe") + 11] = 2
    damage = rng.choice(["none"] * 8 + ["cut", "cut a little", "scratch"])
    if damage == "cut":
        del data[int(rng.integers(3, len(data))):]
    elif damage == "cut a little":
        del data[-int(rng.integers(1, 8)):]
    elif damage == "scratch":  # behind the first scan's header
        scan = data.index(b"\xff\xda")
        begin = scan + 2 + int.from_bytes(data[scan + 2:scan + 4], "big")
        for _ in range(int(rng.integers(1, 4))):
            data[int(rng.integers(begin, len(data)))] = int(rng.integers(256))
    return bytes(data), f"{kind}, {damage}"


def pillow_decodes(data):
    """RGB, or None where Pillow refuses the file."""
    try:
        return Image.open(io.BytesIO(data)).convert("RGB")
    except Exception:
        return None


# ---- our side

class Tool:
    def __init__(self, path):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, operation, data, shape, parameters):
        """An (H, W, C) array, or the error's text."""
        words = [operation, len(data), *shape, *(repr(p) for p in parameters)]
        self.process.stdin.write(" ".join(map(str, words)).encode() + b"\n" + data)
        self.process.stdin.flush()
        line = self.process.stdout.readline().decode()
        if not line or line.startswith("error: "):
            return line or "error: the tool has died"
        h, w, c = map(int, line.split())
        return np.frombuffer(self.process.stdout.read(h * w * c), np.uint8).reshape(h, w, c)


def array(image):
    pixels = np.asarray(image)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def difference(ours, theirs):
    """None where equal; else words."""
    if isinstance(ours, str) or theirs is None:
        if isinstance(ours, str) and theirs is None:
            return None
        return f"we say {ours if isinstance(ours, str) else 'fine'!r}, Pillow {'refuses' if theirs is None else 'does not'}"
    theirs = array(theirs)
    if ours.shape != theirs.shape:
        return f"shape {ours.shape}, Pillow's {theirs.shape}"
    places = np.argwhere(ours != theirs)
    if not len(places):
        return None
    at = tuple(places[0])
    return f"{len(places)} of {ours.size} bytes, first at {at}: {ours[at]}, Pillow's {theirs[at]}"


def one_case(rng, tool):
    """(operation, words about the difference or None)"""
    operation = rng.choice(["jpeg"] * 5 + ["resize"] * 3 + ["eval"] * 2 + ["augment"] * 8 + sorted(PILLOW))
    if operation == "jpeg":
        data, what = random_jpeg(rng)
        theirs = pillow_decodes(data)
        kind = f"jpeg ({what}{', refused' if theirs is None else ''})"
        return kind, difference(tool.ask("jpeg", data, (0, 0, 0), []), theirs)
    image = random_image(rng)
    parameters = PARAMETERS[operation](rng, image) if operation in PARAMETERS else []
    pixels = array(image)
    ours = tool.ask(operation, pixels.tobytes(), pixels.shape, parameters)
    found = difference(ours, PILLOW[operation](image, *parameters))
    return operation, found and f"{pixels.shape} {parameters}: {found}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool")
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    tool = Tool(args.tool)
    counts, wrong = collections.Counter(), 0
    for case in range(args.cases):
        operation, found = one_case(np.random.default_rng([args.seed, case]), tool)
        counts[operation] += 1
        if found:
            wrong += 1
            print(f"seed {args.seed}, case {case}, {operation}: {found}")
            if wrong == 20:
                break
    for operation, count in sorted(counts.items()):
        print(f"{count:7} {operation}")
    print(f"{sum(counts.values())} cases of seed {args.seed} against Pillow {PIL.__version__}: {wrong} differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
