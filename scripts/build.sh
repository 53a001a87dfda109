#!/usr/bin/env bash
# Configures and builds one preset with what setup.sh recorded.
#
#   scripts/build.sh [PRESET] [TARGET...]      PRESET: release (default), dev, asan, fuzz
#
# Environment: VIM_JOBS (default: one job per core, at most one per 1.5 GB of free memory),
#              VIM_CMAKE_ARGS (further configure arguments, split at spaces)
# shellcheck source-path=SCRIPTDIR source=prelude.sh
source "$(dirname "${BASH_SOURCE[0]}")/prelude.sh"

case ${1:-} in -h | --help) usage; exit 0 ;; esac
[ -f "$TOOLCHAIN" ] || fail "this tree is not set up" "run scripts/setup.sh first"
preset=${1:-release}
shift || true
read -ra extra <<<"${VIM_CMAKE_ARGS:-}"
targets=()
if [ $# -gt 0 ]; then targets=(--target "$@"); fi

# The cache keeps old answers; where setup.sh found something new, it is dropped.
fresh=()
if [ "$TOOLCHAIN" -nt "build/$preset/CMakeCache.txt" ]; then fresh=(--fresh); fi
jobs=$(jobs_here)
say "building preset $preset with $jobs jobs in build/$preset"
cmake "${fresh[@]}" --preset "$preset" --log-level=NOTICE "${extra[@]}"
cmake --build "build/$preset" --parallel "$jobs" "${targets[@]}"
