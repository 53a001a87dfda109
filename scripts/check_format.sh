#!/usr/bin/env bash
# Checks that the C++ and CUDA sources are formatted as .clang-format says, and that the shell
# scripts are clean under shellcheck. With --fix, formats the sources instead.
# shellcheck source-path=SCRIPTDIR source=prelude.sh
source "$(dirname "${BASH_SOURCE[0]}")/prelude.sh"

case ${1:-} in -h | --help) usage; exit 0 ;; esac

# Releases of clang-format differ in what they find well formatted; 14 is the one of Debian 12.
clang_format=$(command -v clang-format-14 || command -v clang-format) ||
  fail "clang-format is not installed" "run scripts/setup.sh --checks"
mapfile -t sources < <(python3 scripts/source_files.py .cpp .h .cu .cuh)
if [ "${1:-}" = --fix ]; then
  "$clang_format" -i "${sources[@]}"
  exit
fi

status=0
for source in "${sources[@]}"; do
  findings=$("$clang_format" --dry-run "$source" 2>&1 | grep -c 'warning:' || true)
  if [ "$findings" != 0 ]; then
    say "$source: $findings places not formatted; run scripts/check_format.sh --fix"
    status=1
  fi
done
if command -v shellcheck >/dev/null; then
  shellcheck --external-sources --format=gcc scripts/*.sh .ci/run || status=1
fi
say "format: ${#sources[@]} sources looked at"
exit $status
