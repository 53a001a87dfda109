#!/usr/bin/env python3
"""Checks who includes whom: the table of folders, and where LibTorch and yaml-cpp headers may be.

A folder of the left column includes itself and what its row names, directly. No header of LibTorch
may be reached, not even through other headers of ours, from a folder in WITHOUT_LIBTORCH or a CUDA
source.
"""
import re

from source_files import ROOT, own_files, report

SUFFIXES = (".cpp", ".h", ".cu", ".cuh")
BELOW_TRAIN = ["kernels", "core", "cuda", "ops", "nn", "models", "weights", "data", "optim", "dist"]
MAY_INCLUDE = {
    "kernels": [],
    "core": [],
    "cuda": ["core"],
    "ops": ["kernels", "cuda", "core"],
    "nn": ["ops", "core"],
    "models": ["nn", "ops", "core"],
    "weights": ["core"],
    "data": ["kernels", "core"],
    "optim": ["ops", "cuda", "core"],
    "dist": ["core"],
    "train": BELOW_TRAIN,
    "config": ["core"],  # and OPTIONS
    "apps": BELOW_TRAIN + ["train", "config"],
}
# Parts of one folder: from the rest of it, a part includes only what its row names, and OPTIONS.
PARTS = {"src/data/image": [], "src/data/source": ["src/data/image"]}
OPTIONS = ("_options.h", "/presets.h")  # option structs, and the presets that fill them
WITHOUT_LIBTORCH = {"kernels", "core", "weights", "data", "config"}
LIBTORCH_CUDA = re.compile(r"(c10/cuda|ATen/cuda|torch/csrc/cuda)/|cuda_runtime")
KNOW_CUDA = ("cuda", "kernels", "tests")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]')
LIBTORCH = re.compile(r"(torch|ATen|c10|caffe2)/")


def folder_of(path):
    parts = path.split("/")
    return parts[1] if parts[0] == "src" and len(parts) > 2 else parts[0]


def includes_of(path):
    """Yields (line number, whether quoted, header) of each include."""
    text = (ROOT / path).read_text(errors="replace")
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match[1] == '"', match[2]


def reaches_libtorch(path, files, known):
    """Whether the file includes LibTorch, directly or through headers of ours."""
    if path not in known:
        known[path] = False  # a cycle adds nothing
        known[path] = any(
            LIBTORCH.match(header) or (header in files and reaches_libtorch(header, files, known))
            for _, _, header in includes_of(path))
    return known[path]


def allowed(folder, header):
    target = folder_of(header)
    if target == folder or target in MAY_INCLUDE[folder]:
        return True
    return folder == "config" and header.endswith(OPTIONS)


def allowed_in_part(path, header):
    part, target = path.rpartition("/")[0], header.rpartition("/")[0]
    if part not in PARTS or folder_of(path) != folder_of(header) or header.endswith(OPTIONS):
        return True
    return target == part or target in PARTS[part]


def check_own(path, where, header, files):
    folder = folder_of(path)
    if header not in files and ((ROOT / path).parent / header).is_file():
        yield f'{where}: "{header}" is relative; write its path from the root'
    elif header in files and folder in MAY_INCLUDE and not allowed(folder, header):
        rows = ", ".join(MAY_INCLUDE[folder]) or "nothing of ours"
        yield f"{where}: {folder}/ may not include {header} (allowed: {rows})"
    elif header in files and not allowed_in_part(path, header):
        yield f"{where}: this part of {folder}/ may not include {header}"


def check_file(path, files, known):
    folder = folder_of(path)
    bare = folder in WITHOUT_LIBTORCH or path.endswith((".cu", ".cuh"))
    for number, quoted, header in includes_of(path):
        where = f"{path}:{number}"
        if quoted:
            yield from check_own(path, where, header, files)
        if header.startswith("yaml-cpp/") and folder not in ("config", "tests"):
            yield f"{where}: only config/ knows yaml-cpp"
        is_probe = path.startswith("apps/bench_")  # the CUDA runtime, to time bare kernels
        if LIBTORCH_CUDA.match(header) and not is_probe and folder not in KNOW_CUDA:
            yield f"{where}: only src/cuda/ and kernels/cuda/ know the CUDA libraries"
        through = header in files and reaches_libtorch(header, files, known)
        if bare and (through or LIBTORCH.match(header)):
            yield f"{where}: {header} brings LibTorch into {folder}/, which does without it"


def main():
    files = {str(p) for p in own_files(*SUFFIXES)}
    known = {}
    messages = []
    for path in sorted(files):
        if not path.startswith("cmake/"):  # stand-ins for headers of others
            messages += check_file(path, files, known)
    report("layering", messages)


main()
