#!/usr/bin/env python3
"""Writes the seeds of the mat fuzz target: make_mat_seeds.py SEEDS_DIR/mat.

Needs Python's standard library only. The files follow MathWorks, "MAT-File Format", level 5.
"""
import struct
import sys
import zlib
from pathlib import Path


def element(kind, data, small=False):
    if small:
        return struct.pack("<HH", kind, len(data)) + data.ljust(4, b"\0")
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def matrix(array_class, *parts, name=b"", shape=(1, 1)):
    head = element(6, struct.pack("<II", array_class, 0)) + \
        element(5, struct.pack(f"<{len(shape)}i", *shape)) + element(1, name, small=len(name) < 5)
    return element(14, head + b"".join(parts))


def synsets(*records, names=("ILSVRC2012_ID", "WNID"), array=b"synsets"):
    """A struct array of one record after the other."""
    fields = element(5, struct.pack("<i", 16), small=True) + \
        element(1, b"".join(name.encode().ljust(16, b"\0") for name in names))
    values = [value for record in records for value in record]
    return matrix(2, fields, *values, name=array, shape=(len(records), 1))


def mat_files(out):
    """Tables whose numbers and texts are stored in every type that the reader knows."""
    def number(kind, form, value):
        return matrix(6, element(kind, struct.pack(form, value), small=kind < 9))

    def word(kind, value, width="utf-8"):
        return matrix(4, element(kind, value.encode(width)), shape=(1, len(value)))

    numbers = [number(1, "<b", 1), number(2, "<B", 2), number(3, "<h", 300), number(4, "<H", 4),
               number(5, "<i", 5), number(6, "<I", 6), number(9, "<d", 7.0)]
    table = synsets(*((value, word(16, f"n{i}")) for i, value in enumerate(numbers)))
    other = matrix(6, element(9, struct.pack("<dd", 1, 2)), name=b"other", shape=(1, 2))
    packed_table = zlib.compress(table)
    seeds = {
        "numbers": table,
        "wide": synsets((numbers[0], word(4, "n01", "utf-16-le"))),
        "more": synsets((word(16, "fox"), numbers[1], word(1, "n1")),
                        names=("words", "ILSVRC2012_ID", "WNID")),
        "second": other + synsets((numbers[2], word(16, "n3"))),
        "compressed": struct.pack("<II", 15, len(packed_table)) + packed_table + other,
        "empty": synsets(),
    }
    for key, data in seeds.items():
        header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM"
        (out / (key + ".mat")).write_bytes(header + data)


mat_files(Path(sys.argv[1]))
