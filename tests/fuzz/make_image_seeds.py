#!/usr/bin/env python3
"""Writes the seeds of the image fuzz target: make_image_seeds.py SEEDS_DIR. Needs Pillow.

Small pictures, one of each kind of JPEG that is decoded in its own way, and one of each other
format, of which the target reads the header alone.
"""
import pathlib
import sys

from PIL import Image

OUT = pathlib.Path(sys.argv[1], "image")
QUARTER_TURN = 6
ORIENTATION = 0x0112


def picture(mode):
    image = Image.linear_gradient("L").resize((17, 11)).convert("RGB")
    red, green, blue = image.split()
    return Image.merge("RGB", (red, green.rotate(180), blue.point(lambda v: 99))).convert(mode)


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[ORIENTATION] = QUARTER_TURN
    rgb = picture("RGB")
    rgb.save(OUT / "baseline.jpg", subsampling=0, quality=60)
    rgb.save(OUT / "half_chroma.jpg", subsampling=1, optimize=True)
    rgb.save(OUT / "quarter_chroma.jpg", subsampling=2, quality=10)
    rgb.save(OUT / "progressive.jpg", progressive=True, quality=60)
    rgb.save(OUT / "oriented.jpg", exif=exif, quality=10)
    picture("L").save(OUT / "grey.jpg", quality=60)
    picture("CMYK").save(OUT / "cmyk.jpg", quality=60)
    picture("CMYK").save(OUT / "progressive_cmyk.jpg", progressive=True, quality=60)
    for ending in ("png", "bmp", "gif", "webp", "tiff", "ppm"):
        rgb.save(OUT / f"picture.{ending}")


if __name__ == "__main__":
    main()
