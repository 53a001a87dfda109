#!/usr/bin/env python3
"""Prints the rows of tests/data/pillow_digests.inc: digests of what Pillow 10.1.0 makes of images.

    python3 tests/peers/augment_digests.py > tests/data/pillow_digests.inc

The image counts i = 0, 1, ... over its bytes: value (i * i * 7 + i * 13 + i / 64) % 251.
"""
import hashlib
import sys

import numpy as np
import PIL
from PIL import Image

from augment_ops import FILL, OPS, RESAMPLE

SIZES = [(33, 47), (64, 64), (1, 9), (8, 1), (1, 1)]
AMOUNTS = {
    "autocontrast": [0], "equalize": [0], "invert": [0], "greyscale": [0],
    "posterize": [0, 1, 4], "solarize": [26, 128, 256], "solarize_add": [99],
    "color": [0.19, 1.81], "contrast": [0.19, 1.81], "brightness": [0.19, 1.81],
    "sharpness": [0.19, 1.81], "gaussian_blur": [0.1, 0.7, 2.0],
    "shear_x": [0.27, -0.165], "shear_y": [0.27, -0.165],
    "translate_x_rel": [0.405, -0.2475], "translate_y_rel": [0.405, -0.2475],
    "rotate": [27.0, -16.5, 90.0, 180.0, 270.0],
}
RESIZED = [(20, 31), (64, 9), (100, 130), (1, 1)]


def counting_image(height, width):
    i = np.arange(height * width * 3, dtype=np.int64)
    values = (i * i * 7 + i * 13 + i // 64) % 251
    return values.astype(np.uint8).reshape(height, width, 3)


def row(name, amount, resample, size, out_size, result):
    digest = hashlib.sha256(np.asarray(result).tobytes()).hexdigest()
    print(f'{{"{name}", {float(amount)}, "{resample}", {{{size[0]}, {size[1]}}}, '
          f'{{{out_size[0]}, {out_size[1]}}},\n "{digest}"}},')


def main():
    if PIL.__version__ != "10.1.0":
        sys.exit(f"error: Pillow {PIL.__version__} is installed; the reference is 10.1.0")
    print("// Made by tests/peers/augment_digests.py with Pillow 10.1.0: operation, amount,")
    print("// filter, height and width before and after, SHA-256 of the bytes.")
    print(f"// Fill colour {FILL}.")
    for name, amounts in AMOUNTS.items():
        is_geometric = name.startswith(("shear", "translate", "rotate"))
        for resample in ("nearest", "bilinear", "bicubic") if is_geometric else ("bicubic",):
            for amount in amounts:
                for size in SIZES[:2] if is_geometric else SIZES:
                    image = Image.fromarray(counting_image(*size))
                    row(name, amount, resample, size, size, OPS[name](image, amount, resample))
    for resample, number in RESAMPLE.items():
        for out in RESIZED:
            image = Image.fromarray(counting_image(33, 47))
            row("resize", 0, resample, (33, 47), out, image.resize(out[::-1], number))


if __name__ == "__main__":
    main()
