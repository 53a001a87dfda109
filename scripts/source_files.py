#!/usr/bin/env python3
"""Lists the tree's own files, as paths from its root, one a line: source_files.py [SUFFIX...]

New files count before git knows them. Without git (an unpacked archive), the folders of builds are
left out.
"""
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SKIPPED_FOLDERS = {".git", ".deps", "build", "runs", "data"}


def own_files(*suffixes):
    """Paths relative to ROOT with one of the suffixes (all without any), sorted."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if listing.returncode == 0:
        paths = [Path(line) for line in listing.stdout.splitlines()]
    else:
        paths = list(walk())
    return sorted(p for p in paths
                  if (not suffixes or p.suffix in suffixes) and (ROOT / p).is_file())


def walk():
    for folder, folders, names in os.walk(ROOT):
        at = Path(folder).relative_to(ROOT)
        if at == Path("."):
            folders[:] = [f for f in folders if f not in SKIPPED_FOLDERS]
        yield from (at / name for name in names)


def report(check, messages):
    """Prints the messages and a summary; exits with status 1 if there were any."""
    for message in messages:
        print(message)
    print(f"{check}: {len(messages)} findings")
    sys.exit(1 if messages else 0)


if __name__ == "__main__":
    print("\n".join(map(str, own_files(*sys.argv[1:]))))
