#!/usr/bin/env python3
"""Measures the image pipeline of the Python training stack, and vim_bench loader beside it.

Pillow decodes, torchvision and timm transform: one process, one thread, no worker processes, the
recipes of vim_bench loader on the same files. With --against both programs take turns, the fastest
run of each counts, and the ratios are printed as a Markdown table.

Needs a Python environment of its own:

    python3 -m venv peers
    peers/bin/pip install torch==2.11.0 torchvision==0.26.0 timm==1.0.31 pillow==10.1.0
    peers/bin/python tests/peers/image_pipeline.py DIR --against build/release/bin/vim_bench

The training recipe is timm's own call, which also turns images into tensors, normalises and erases;
evaluation here normalises too. In our pipeline the device does that for the whole batch.
"""
import argparse
import json
import pathlib
import subprocess
import tempfile
import time

import timm.data
import torch
from PIL import Image
from torchvision import transforms
from torchvision.transforms import InterpolationMode

IMG_SIZE = 224
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
# Figures that vim_bench calls otherwise.
VIM_KEYS = {"pillow_decode_img_s": "decode_full_img_s"}


def recipes():
    plain = transforms.Compose([
        transforms.RandomResizedCrop(IMG_SIZE, (0.08, 1), interpolation=InterpolationMode.BICUBIC),
        transforms.RandomHorizontalFlip(),
        transforms.PILToTensor()])
    recipe = timm.data.create_transform(
        IMG_SIZE, is_training=True, color_jitter=0.3, auto_augment="rand-m9-mstd0.5-inc1",
        interpolation="bicubic", re_prob=0.25, re_mode="pixel", re_count=1)
    evaluation = transforms.Compose([
        transforms.Resize(256, interpolation=InterpolationMode.BICUBIC),
        transforms.CenterCrop(IMG_SIZE),
        transforms.ToTensor(),
        transforms.Normalize(MEAN, STD)])
    return {"pillow_decode_img_s": lambda image: image, "train_plain_img_s": plain,
            "train_recipe_img_s": recipe, "eval_img_s": evaluation}


def images_per_second(files, transform):
    start = time.perf_counter()
    for path in files:
        with open(path, "rb") as file:
            transform(Image.open(file).convert("RGB"))
    return len(files) / (time.perf_counter() - start)


def measure_vim(program, folder):
    """The figures of one run, by way of decoding."""
    with tempfile.TemporaryDirectory() as out:
        path = pathlib.Path(out, "loader.json")
        subprocess.run([program, "loader", "--data", folder, "--threads", "1", "--repeats", "1",
                        "--json", path], check=True, stdout=subprocess.DEVNULL)
        return {result["decode"]: result for result in json.loads(path.read_text())["results"]}


def keep_best(best, figures):
    for key, value in figures.items():
        if key.endswith("_img_s"):
            best[key] = max(best.get(key, 0.0), value)


def measure(files, arguments):
    """The best figures by program: "python", and ours by way of decoding."""
    best = {"python": {}}
    for _ in range(arguments.repeats):
        keep_best(best["python"], {key: images_per_second(files, transform)
                                   for key, transform in recipes().items()})
        if arguments.against:
            for decode, figures in measure_vim(arguments.against, arguments.folder).items():
                keep_best(best.setdefault(decode, {}), figures)
    return best


def print_table(best):
    ours = [program for program in best if program != "python"]
    print("| images a second, one thread | Python |" + "".join(f" {name} | ratio |"
                                                              for name in ours))
    print("|---|---|" + "---|---|" * len(ours))
    for key, value in best["python"].items():
        cells = [f"`{key}`", f"{value:.1f}"]
        for name in ours:
            figure = best[name][VIM_KEYS.get(key, key)]
            cells += [f"{figure:.1f}", f"{figure / value:.2f}"]
        print("| " + " | ".join(cells) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="image folder: DIR/CLASS/IMAGE")
    parser.add_argument("--against", metavar="VIM_BENCH", help="the program of a build")
    parser.add_argument("--repeats", type=int, default=5, help="of which the fastest counts")
    parser.add_argument("--json", help="write the figures to this file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    files = sorted(path for path in pathlib.Path(arguments.folder).rglob("*") if path.is_file())
    images_per_second(files, lambda image: image)  # brings the files into memory
    best = measure(files, arguments)
    print_table(best)
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(best, indent=2) + "\n")


if __name__ == "__main__":
    main()
