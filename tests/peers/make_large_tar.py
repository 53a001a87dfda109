#!/usr/bin/env python3
"""Writes a tar file of many tiny entries under ImageNet's names, to time the index:
make_large_tar.py OUT.tar [--images N] [--classes N] [--nested]

--nested: one tar file a class inside, as in ILSVRC2012_img_train.tar; else <class>/<image>. The
entries hold a few bytes and are no images. Entries are written in a shuffled order of classes.
"""
import argparse
import random

BLOCK = 512


def header(name, size):
    fields = f"{name:\0<100}0000644\0" + "0000000\0" * 2 + f"{size:011o}\0" + "0" * 11 + "\0"
    tail = "0" + "\0" * 100 + "ustar\0" + "00"
    total = sum(fields.encode()) + 8 * ord(" ") + sum(tail.encode())
    return f"{fields}{total:06o}\0 {tail}".encode().ljust(BLOCK, b"\0")


def member(name, data):
    return header(name, len(data)) + data + bytes(-len(data) % BLOCK)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--images", type=int, default=1_300_000)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--nested", action="store_true")
    args = parser.parse_args()
    classes = [f"n{1440764 + 1237 * i:08d}" for i in range(args.classes)]
    random.Random(0).shuffle(classes)
    end = bytes(2 * BLOCK)
    with open(args.out, "wb") as out:
        for i, name in enumerate(classes):
            count = args.images * (i + 1) // args.classes - args.images * i // args.classes
            front = "" if args.nested else name + "/"
            images = b"".join(
                member(f"{front}{name}_{j}.JPEG", b"%d" % j) for j in range(count))
            out.write(member(name + ".tar", images + end) if args.nested else images)
        out.write(end)


main()
