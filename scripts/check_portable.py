#!/usr/bin/env python3
"""Checks that no file names a folder of one particular machine, and that sources are ASCII."""
import re

from source_files import ROOT, own_files, report

# Put together here so that this file does not find itself.
FOLDERS = "|".join(["work", "tmp", "home", "root", "mnt"])
MACHINE_PATH = re.compile(r"(?<![\w.$}{@>)-])/(" + FOLDERS + r")/")
SOURCES = {".cpp", ".h", ".cu", ".cuh", ".cmake", ".sh", ".py", ".yaml"}


def check(path):
    try:
        text = (ROOT / path).read_text()
    except UnicodeDecodeError:
        return  # binary
    for number, line in enumerate(text.splitlines(), 1):
        match = MACHINE_PATH.search(line)
        if match:
            yield f"{path}:{number}: names a folder of one machine: {match[0]}"
        if path.suffix in SOURCES and not line.isascii():
            yield f"{path}:{number}: not ASCII"


report("portable", [message for path in own_files() for message in check(path)])
