# Sourced by the scripts beside it: the tree's root, messages, the number of parallel jobs.
# shellcheck shell=bash
set -euo pipefail

CALLED_FROM=$PWD
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
SCRIPT=$(basename "$0")
TOOLCHAIN=$ROOT/build/toolchain.cmake  # written by setup.sh, read by CMakeLists.txt
BIN=$ROOT/build/release/bin
export ROOT TOOLCHAIN BIN
cd "$ROOT"

# absolute PATH: seen from where the user called the script, not from the root.
absolute() { (cd "$CALLED_FROM" && realpath -m "$1"); }

say() { printf '%s\n' "$*"; }

# fail WHAT [WHAT-TO-DO]: the user's mistake or a missing thing; ends the script with status 2.
fail() {
  printf 'error: %s: %s\n' "$SCRIPT" "$1" >&2
  if [ $# -gt 1 ]; then printf '  %s\n' "$2" >&2; fi
  exit 2
}

# usage: the comment block at the head of the calling script is its help text.
usage() {
  awk 'NR > 1 && !/^#/ { exit } NR > 1 && !/shellcheck/ { sub(/^# ?/, ""); print }' "$0"
}

# memory_mb: what is available, within the limit of the container if there is one.
memory_mb() {
  local available limit
  available=$(awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo)
  limit=$(cat /sys/fs/cgroup/memory.max 2>/dev/null || echo max)
  if [[ $limit =~ ^[0-9]+$ ]] && ((limit / 1048576 < available)); then
    available=$((limit / 1048576))
  fi
  say "$available"
}

# jobs: one per core, but 1.5 GB of memory for each, which is what a LibTorch source takes to
# compile.
jobs_here() {
  local jobs
  jobs=$(nproc)
  local by_memory=$(($(memory_mb) / 1536))
  if ((by_memory < jobs)); then jobs=$by_memory; fi
  if ((jobs < 1)); then jobs=1; fi
  say "${VIM_JOBS:-$jobs}"
}

# recorded NAME: the value that setup.sh wrote as "# NAME: value" into the toolchain file, or
# nothing.
recorded() {
  if [ -f "$TOOLCHAIN" ]; then sed -n "s/^# $1: //p" "$TOOLCHAIN"; fi
}
