#!/usr/bin/env bash
# Sets up, builds everything and runs the tests: those of the release build, and those of the
# folders without LibTorch once more under the address and undefined-behaviour sanitizers.
#
#   scripts/test.sh [--profile auto|cpu|cuda]
#   scripts/test.sh --golden DIR      only the golden runner, over the reference values in DIR
#
# Environment: what scripts/setup.sh and scripts/build.sh read; VIM_GOLDEN_IMAGES, the folder that
# holds imagenet_sample/, for the golden cases about real images.
# shellcheck source-path=SCRIPTDIR source=prelude.sh
source "$(dirname "${BASH_SOURCE[0]}")/prelude.sh"

golden=
setup=()
while [ $# -gt 0 ]; do
  case $1 in
    --golden) golden=$(absolute "${2:?--golden needs a folder}"); shift ;;
    --profile) setup=(--profile "${2:?--profile needs a value}"); shift ;;
    -h | --help) usage; exit 0 ;;
    *) fail "unknown argument '$1'" "see scripts/test.sh --help" ;;
  esac
  shift
done

scripts/setup.sh "${setup[@]}"
if [ -n "$golden" ]; then
  scripts/build.sh release golden_test
  VIM_GOLDEN_DIR=$golden exec "$BIN/golden_test"
fi
scripts/build.sh release
scripts/build.sh asan
# One ctest run over both builds, so that its summary at the end counts every test.
printf 'subdirs(release asan)\n' >build/CTestTestfile.cmake
ctest --test-dir build --output-on-failure --parallel "$(jobs_here)"
