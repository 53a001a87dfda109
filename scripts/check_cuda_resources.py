#!/usr/bin/env python3
"""Holds registers, spills, stack and static shared memory of every CUDA kernel against a table.

check_cuda_resources.py TABLE ARCHITECTURE FOLDER

FOLDER is searched for the *.ptxas logs of a build (scripts/keep_ptxas_log.sh). A line of TABLE is a
pattern of kernel names, as in a shell, then the most registers and optionally the most bytes of
spills (stores and loads together) and of stack, 0 if left out. A line that begins with an
architecture, as in "sm_80 NAME 64", is for that one alone. The first pattern that matches counts;
every kernel must match one and every pattern a kernel. Names are without namespaces and spaces:
add_norm_forward_kernel<float,BFloat16,4>. Static shared memory must be 0: kernels take theirs from
block_shared. --print lists what was found, as table lines.
"""
import argparse
import fnmatch
import re
import subprocess
import sys
from pathlib import Path

ENTRY = re.compile(r"Compiling entry function '(\S+)' for '(\w+)'")
STACK = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
REGISTERS = re.compile(r"Used (\d+) registers")
SHARED = re.compile(r"(\d+) bytes smem")


def read_log(path, architecture):
    """Yields (mangled name, registers, spill bytes, stack bytes, shared bytes) of each kernel."""
    name, stack, spills = None, 0, 0
    for line in path.read_text().splitlines():
        if match := ENTRY.search(line):
            name = match[1] if match[2] == architecture else None
        elif match := STACK.search(line):
            stack, spills = int(match[1]), int(match[2]) + int(match[3])
        elif name and (match := REGISTERS.search(line)):
            shared = SHARED.search(line)
            yield name, int(match[1]), spills, stack, int(shared[1]) if shared else 0
            name = None


def readable(names):
    """Demangled names without result, namespaces, parameters and spaces."""
    listing = subprocess.run(["c++filt"], input="\n".join(names), capture_output=True, text=True,
                             check=True)
    return [shorten(line) for line in listing.stdout.splitlines()]


def shorten(name):
    # The parameter list is the last pair of parentheses; casts of enumerators may stand before it.
    name = name.replace("(anonymous namespace)::", "")
    name = re.sub(r"\b\w+::", "", name).removeprefix("void ")
    depth = 0
    for at, char in enumerate(name):
        depth += (char == "<") - (char == ">")
        if char == "(" and depth == 0:
            return name[:at].replace(" ", "")
    return name.replace(" ", "")


def read_table(path, architecture):
    """The architecture's rows: (is for all, pattern, most registers, spill bytes, stack bytes)."""
    rows = []
    for line in path.read_text().splitlines():
        fields = line.partition("#")[0].split()
        is_for_all = not fields or not fields[0].startswith("sm_")
        if not is_for_all and fields.pop(0) != architecture:
            continue
        if fields:
            limits = [int(field) for field in fields[1:]] + [0, 0]
            rows.append((is_for_all, fields[0], *limits[:3]))
    return rows


def check_kernel(name, found, row):
    limits = (*row[2:], 0)
    for what, value, limit in zip(("registers", "bytes of spills", "bytes of stack",
                                   "bytes of static shared memory"), found, limits):
        if value > limit:
            yield f"{name}: {value} {what}, the limit is {limit}"


def check(kernels, rows):
    used = set()
    for name, *found in kernels:
        matching = [row for row in rows if fnmatch.fnmatchcase(name, row[1])]
        if not matching:
            yield f"{name}: no line of the table matches; it has {found[0]} registers"
            continue
        used.add(matching[0])
        # What an architecture's own line takes over still needs the line for the others.
        used.update([row for row in matching if row[0]][:1])
        yield from check_kernel(name, found, matching[0])
    for row in rows:
        if row not in used:
            yield f"{row[1]}: no kernel matches this line of the table"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("architecture", help="such as sm_90")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--print", action="store_true", help="only list what was found")
    args = parser.parse_args()
    found = [kernel for log in sorted(args.folder.rglob("*.ptxas"))
             for kernel in read_log(log, args.architecture)]
    if not found:
        sys.exit(f"no kernel for {args.architecture} in the logs below {args.folder}")
    kernels = [(name, *row[1:]) for name, row in zip(readable([row[0] for row in found]), found)]
    if args.print:
        for name, *row in sorted(kernels):
            print(name, *row)
        return
    messages = list(check(kernels, read_table(args.table, args.architecture)))
    summary = f"{args.architecture}: {len(kernels)} kernels, {len(messages)} findings"
    print("\n".join(messages + [summary]))
    sys.exit(1 if messages else 0)


main()
