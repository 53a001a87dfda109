#!/usr/bin/env python3
"""Compares image operations and resizing with Pillow itself on random images and arguments.

Needs Pillow 10.1.0 and numpy, and the program image_op_server of a build:

    python3 tests/peers/augment_ops.py build/release/bin/image_op_server --cases 20000

Prints one line per operation with the number of cases, of cases that differ, and the largest
difference of a value; exits 1 if anything differs.
"""
import argparse
import collections
import random
import subprocess
import sys

import numpy as np
import PIL
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

FILL = (124, 116, 104)
RESAMPLE = {"nearest": Image.Resampling.NEAREST, "bilinear": Image.Resampling.BILINEAR,
            "bicubic": Image.Resampling.BICUBIC, "lanczos": Image.Resampling.LANCZOS}


def affine(matrix_of):
    def apply(image, amount, resample):
        matrix = matrix_of(amount, image.width, image.height)
        return image.transform(image.size, Image.Transform.AFFINE, matrix, RESAMPLE[resample],
                               fillcolor=FILL)
    return apply


def enhance(kind):
    return lambda image, amount, _: kind(image).enhance(amount)


def solarize_add(image, amount, _):
    table = [min(255, value + amount) if value < 128 else value for value in range(256)]
    return image.point(table * 3)


OPS = {
    "autocontrast": lambda image, *_: ImageOps.autocontrast(image),
    "equalize": lambda image, *_: ImageOps.equalize(image),
    "invert": lambda image, *_: ImageOps.invert(image),
    "greyscale": lambda image, *_: image.convert("L").convert("RGB"),
    "posterize": lambda image, amount, _: ImageOps.posterize(image, amount),
    "solarize": lambda image, amount, _: ImageOps.solarize(image, amount),
    "solarize_add": solarize_add,
    "color": enhance(ImageEnhance.Color),
    "contrast": enhance(ImageEnhance.Contrast),
    "brightness": enhance(ImageEnhance.Brightness),
    "sharpness": enhance(ImageEnhance.Sharpness),
    "gaussian_blur": lambda image, amount, _: image.filter(ImageFilter.GaussianBlur(amount)),
    "shear_x": affine(lambda v, w, h: (1, v, 0, 0, 1, 0)),
    "shear_y": affine(lambda v, w, h: (1, 0, 0, v, 1, 0)),
    "translate_x_rel": affine(lambda v, w, h: (1, 0, v * w, 0, 1, 0)),
    "translate_y_rel": affine(lambda v, w, h: (1, 0, 0, 0, 1, v * h)),
    "rotate": lambda image, amount, resample: image.rotate(
        amount, resample=RESAMPLE[resample], fillcolor=FILL),
}

AMOUNTS = {  # (usual, extreme)
    "posterize": (lambda r: r.randint(0, 4), lambda r: r.randint(0, 8)),
    "solarize": (lambda r: r.randint(0, 256), lambda r: r.choice([0, 1, 128, 255, 256, 300])),
    "solarize_add": (lambda r: r.randint(0, 110), lambda r: r.choice([0, 1, 127, 128, 255])),
    "gaussian_blur": (lambda r: r.uniform(0.1, 2), lambda r: r.choice([0, 0.01, 5, 30, 200])),
    "rotate": (lambda r: r.uniform(-30, 30),
               lambda r: r.choice([0, -0.0, 1e-9, 45, 90, 180, 270, -90, 360, 359.9, 1234.5])),
}
FACTOR = (lambda r: r.uniform(0.1, 1.9), lambda r: r.choice([0, 1, -1, 0.5, 2, 1e-6, 100]))
SHIFT = (lambda r: r.uniform(-0.45, 0.45), lambda r: r.choice([0, 0.5, 1, -1, 0.25, 3, 1e-12]))


def draw_amount(name, rng):
    if name in ("color", "contrast", "brightness", "sharpness"):
        usual, extreme = FACTOR
    elif name.startswith(("shear", "translate")):
        usual, extreme = SHIFT
    else:
        usual, extreme = AMOUNTS.get(name, (lambda r: 0, lambda r: 0))
    return (extreme if rng.random() < 0.2 else usual)(rng)


def draw_size(rng, largest):
    kind = rng.random()
    if kind < 0.1:
        return rng.choice([(1, 1), (1, 2), (2, 1), (2, 2), (3, 3), (1, 7), (7, 1)])
    if kind < 0.2:
        return rng.choice([(1, rng.randint(1, largest)), (rng.randint(1, largest), 1)])
    if kind < 0.3:
        return (rng.randint(1, largest),) * 2
    return rng.randint(1, largest), rng.randint(1, largest)


def draw_image(rng, largest):
    """Noise, few levels, a ramp, or a smooth picture; height x width x 3."""
    height, width = draw_size(rng, largest)
    noise = np.random.default_rng(rng.getrandbits(32))
    kind = rng.randrange(5)
    if kind == 0:
        pixels = noise.integers(0, 256, (height, width, 3))
    elif kind == 1:
        pixels = noise.integers(100, 100 + rng.randint(1, 30), (height, width, 3))
    elif kind == 2:
        pixels = noise.choice(noise.integers(0, 256, rng.randint(1, 4)), (height, width, 3))
    elif kind == 3:
        steps = noise.integers(-9, 10, 3)
        ramp = np.add.outer(np.arange(height) * rng.randint(-9, 9), np.arange(width))
        pixels = np.clip(ramp[..., None] * steps + noise.integers(0, 256, 3), 0, 255)
    else:
        small = Image.fromarray(noise.integers(0, 256, (5, 5, 3)).astype(np.uint8))
        pixels = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))
    return np.ascontiguousarray(pixels.astype(np.uint8))


class Server:
    def __init__(self, program, backend):
        self.process = subprocess.Popen([program] + ([backend] if backend else []),
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, words, pixels, shape):
        line = " ".join(str(word) for word in words) + "\n"
        self.process.stdin.write(line.encode() + pixels.tobytes())
        self.process.stdin.flush()
        answer = self.process.stdout.read(int(np.prod(shape)))
        return np.frombuffer(answer, np.uint8).reshape(shape)


def compare_op(server, name, rng, largest):
    pixels = draw_image(rng, largest)
    amount = draw_amount(name, rng)
    resample = rng.choice(["nearest", "bilinear", "bicubic"])
    expected = np.asarray(OPS[name](Image.fromarray(pixels), amount, resample))
    words = [name, *pixels.shape[:2], resample, repr(amount)]
    return words, expected, server.ask(words, pixels, pixels.shape)


def compare_resize(server, rng, largest):
    pixels = draw_image(rng, largest)
    height, width = draw_size(rng, largest)
    resample = rng.choice(sorted(RESAMPLE))
    expected = np.asarray(Image.fromarray(pixels).resize((width, height), RESAMPLE[resample]))
    words = ["resize", *pixels.shape[:2], resample, height, width]
    return words, expected, server.ask(words, pixels, (height, width, 3))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("server")
    parser.add_argument("--backend", help="a name of kernels/backend.h; default: the best")
    parser.add_argument("--cases", type=int, default=18000)
    parser.add_argument("--largest", type=int, default=90, help="longest side")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if PIL.__version__ != "10.1.0":
        sys.exit(f"error: Pillow {PIL.__version__} is installed; the reference is 10.1.0")
    rng = random.Random(options.seed)
    server = Server(options.server, options.backend)
    names = [*OPS, "resize"]
    tally = collections.defaultdict(lambda: [0, 0, 0])
    for case in range(options.cases):
        name = names[case % len(names)]
        words, expected, computed = (
            compare_resize(server, rng, options.largest) if name == "resize"
            else compare_op(server, name, rng, options.largest))
        error = int(np.abs(expected.astype(int) - computed.astype(int)).max())
        count = tally[name]
        count[0] += 1
        count[1] += error > 0
        count[2] = max(count[2], error)
        if error and count[1] <= 3:
            print("differs by", error, ":", *words)
    for name in names:
        print("{:<16} {:>6} cases {:>6} differ, by at most {}".format(name, *tally[name]))
    differing = sum(count[1] for count in tally.values())
    print(f"{options.cases} cases, {differing} differ")
    sys.exit(differing > 0)


if __name__ == "__main__":
    main()
