#!/usr/bin/env python3
"""Compares weight files with PyTorch and the safetensors package, in both directions.

Needs torch and safetensors, and the program vim_convert of a build:

    python3 tests/peers/weights_round_trip.py build/release/bin/vim_convert tests/golden/pth

Every tensor must keep its type, shape and bytes: from files of torch.save (golden ones and new ones
in every pickle protocol and both forms) to safetensors, from there to .pth, and from files of the
safetensors package. What vim_convert writes is loaded with weights_only=True. Prints one line a
file; exits 1 if anything differs.
"""
import argparse
import json
import subprocess
import sys
import tempfile
from collections import OrderedDict
from pathlib import Path

import safetensors.torch
import torch

GOLDEN = ["bare_state_dict", "checkpoint", "checkpoint_amp", "checkpoint_legacy", "mixed_dtypes",
          "mixed_dtypes_legacy", "model_only", "shared_strided", "shared_strided_legacy",
          "wrapped_prefix"]
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32,
          torch.int16, torch.int8, torch.uint64, torch.uint32, torch.uint16, torch.uint8,
          torch.bool, torch.float8_e4m3fn, torch.float8_e5m2]


class Peers:
    def __init__(self, program, folder):
        self.program = program
        self.folder = Path(folder)
        self.failures = 0

    def convert(self, source, name, *options):
        target = self.folder / name
        subprocess.run([self.program, "convert", source, target, *options], check=True,
                       stdout=subprocess.DEVNULL)
        return target

    def compare(self, what, found, expected):
        differing = sorted(set(found) ^ set(expected))
        differing += [key for key in found if key in expected
                      and not same_tensor(found[key], expected[key])]
        self.failures += bool(differing)
        print(f"{what:<52} {len(expected):>4} tensors  "
              f"{'FAIL ' + ', '.join(differing[:5]) if differing else 'equal'}")

    def there_and_back(self, what, source, expected, *options):
        """From any file to safetensors, which their package reads, and on to .pth."""
        middle = self.convert(source, "middle.safetensors", *options)
        self.compare(f"{what} -> safetensors", safetensors.torch.load_file(middle), expected)
        last = self.convert(middle, "last.pth")
        loaded = torch.load(last, weights_only=True)
        self.compare(f"{what} -> safetensors -> pth", loaded["model"], expected)
        direct = torch.load(self.convert(source, "direct.pt", *options), weights_only=True)
        self.compare(f"{what} -> pt", direct["model"], expected)


def same_tensor(a, b):
    """Bits, so that NaN equals NaN."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    return bytes_of(a) == bytes_of(b)


def bytes_of(tensor):
    flat = tensor.detach().contiguous().reshape(-1)
    return bytes(flat.view(torch.uint8).tolist()) if flat.numel() else b""


def without_prefix(tensors):
    prefix = "module."
    wrapped = all(key.startswith(prefix) for key in tensors)
    return {key.removeprefix(prefix) if wrapped else key: value for key, value in tensors.items()}


def sample(dtype):
    values = torch.arange(12).reshape(3, 4) % 2 if dtype == torch.bool else torch.arange(12)
    return values.reshape(3, 4).to(torch.float32).to(dtype)


def samples():
    tensors = OrderedDict((str(dtype).removeprefix("torch."), sample(dtype)) for dtype in DTYPES)
    base = torch.randn(6, 8)
    base[0, 0] = float("nan")
    tensors["transposed"] = base.t()
    tensors["slice"] = base[1::2, 2:5]
    tensors["expanded"] = base[0].expand(3, 8)
    tensors["parameter"] = torch.nn.Parameter(torch.randn(2, 2))
    tensors["scalar"] = torch.tensor(1.5)
    tensors["empty"] = torch.zeros(0, 4)
    return tensors


def golden_files(peers, golden):
    for name in GOLDEN:
        path = golden / f"{name}.pth"
        with torch.serialization.safe_globals([argparse.Namespace]):
            loaded = torch.load(path, weights_only=True)
        peers.there_and_back(name, path, without_prefix(loaded.get("model", loaded)),
                             "--which", "model")
        if "model_ema" in loaded:
            peers.there_and_back(f"{name} (ema)", path, loaded["model_ema"])


def new_files(peers):
    tensors = samples()
    for protocol in range(1, 6):
        for form in ("zip", "legacy"):
            path = peers.folder / "new.pth"
            torch.save({"model": tensors, "epoch": protocol}, path, pickle_protocol=protocol,
                       _use_new_zipfile_serialization=form == "zip")
            peers.there_and_back(f"torch.save, protocol {protocol}, {form}", path, tensors)
    torch.serialization.set_crc32_options(False)
    torch.save(tensors, path)
    torch.serialization.set_crc32_options(True)
    peers.there_and_back("torch.save, no checksums", path, tensors)


def their_safetensors(peers):
    tensors = {key: value.detach().contiguous().clone() for key, value in samples().items()}
    path = peers.folder / "theirs.safetensors"
    safetensors.torch.save_file(tensors, path, metadata={"note": "h\u00e9"})
    peers.there_and_back("safetensors.save_file", path, tensors)
    with safetensors.safe_open(peers.folder / "middle.safetensors", "pt") as file:
        kept = file.metadata() == {"note": "h\u00e9"}
    kept = kept and torch.load(peers.folder / "last.pth", weights_only=True)["metadata"] == {
        "note": "h\u00e9"}
    peers.failures += not kept
    print(f"{'metadata':<52} {'kept' if kept else 'FAIL'}")


def reports(peers, golden):
    """What inspect says of an official checkpoint, against the checkpoint itself."""
    path = golden / "checkpoint_amp.pth"
    report = peers.folder / "report.json"
    subprocess.run([peers.program, "inspect", path, "--json", report], check=True,
                   stdout=subprocess.DEVNULL)
    found = json.loads(report.read_text())
    with torch.serialization.safe_globals([argparse.Namespace]):
        loaded = torch.load(path, weights_only=True)
    wrong = []
    for entry in found["sets"][0]["tensors"]:
        tensor = loaded["model"][entry["name"]].double()
        expected = (tensor.min(), tensor.max(), tensor.mean(), tensor.std(correction=0))
        values = [entry[key] for key in ("min", "max", "mean", "std")]
        if not torch.allclose(torch.tensor(values).double(), torch.stack(expected), rtol=1e-6,
                              atol=1e-12):
            wrong.append(entry["name"])
    if found["training_state"]["epoch"] != loaded["epoch"]:
        wrong.append("epoch")
    peers.failures += bool(wrong)
    print(f"{'inspect':<52} {'FAIL ' + ', '.join(wrong) if wrong else 'equal'}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("golden", type=Path)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        peers = Peers(arguments.program, folder)
        golden_files(peers, arguments.golden)
        new_files(peers)
        their_safetensors(peers)
        reports(peers, arguments.golden)
    print(f"torch {torch.__version__}, {peers.failures} failures")
    sys.exit(peers.failures > 0)


main()
