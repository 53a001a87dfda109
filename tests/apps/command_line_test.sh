#!/usr/bin/env bash
# What every program says about itself, wrong arguments, and what vim_train prints without training.
# Further arguments after BIN_DIR WORK_DIR: the programs' names.
# shellcheck source-path=SCRIPTDIR source=e2e.sh
source "$(dirname "${BASH_SOURCE[0]}")/e2e.sh"
PROGRAMS=("${@:3}")

about_itself() {
  local program
  for program in "${PROGRAMS[@]}"; do
    expect_exit 0 "$BIN/$program" --help
    expect_line out "^Usage: $program "
    expect_line out '^ +--version '
    expect_exit 0 "$BIN/$program" --version
    expect_line out "^$program [0-9]+\.[0-9]+\.[0-9]+ \(commit [0-9a-z-]+\)"
    expect_line out 'LibTorch [0-9]+\.[0-9]+.*, CUDA .+, SIMD .+'
  done
}

wrong_arguments() {
  expect_error '^error: --config is required; see vim_train --help' "$BIN/vim_train"
  expect_error '^error: --weights is required; see vim_eval --help' "$BIN/vim_eval"
  expect_error '^error: .*required; see vim_predict --help' "$BIN/vim_predict"
  expect_error '^error: A subcommand is required; see vim_data --help' "$BIN/vim_data"
  expect_error '^error: .*--config.*; see vim_train --help' "$BIN/vim_train" --config
  expect_error '^error: .*--misspelt; see vim_train --help' "${TRAIN[@]}" --misspelt
  expect_error '^error: .*see vim_data --help' "$BIN/vim_data" make-it
}

# The head counts 10 classes only where the images are there to count them.
dry_run() {
  local without_head with_head
  expect_exit 0 "${TRAIN[@]}" --dry-run --output run
  expect_line err 'data.path \(images/train\) is not there'
  without_head=$(awk '/^parameters/ { print $2 }' out)
  make_images
  expect_exit 0 "${TRAIN[@]}" --dry-run --output run
  with_head=$(awk '/^parameters/ { print $2 }' out)
  expect_equal $((with_head - without_head)) $((16 * 10 + 10)) "parameters in the head"
  expect_line out '^flops +[0-9.]+ G per image'
  expect_line out '^group 0: weight decay 0, [0-9]+ tensors, [0-9]+ elements$'
  expect_line out '^group 1: weight decay 0.05, [0-9]+ tensors, [0-9]+ elements$'
  expect_equal "$(awk '/^group/ { sum += $(NF - 1) } END { print sum }' out)" "$with_head" \
    "elements in the groups"
  expect_no_file run
}

# Every key is printed, and what is printed says the same again.
print_config() {
  expect_exit 0 "${TRAIN[@]}" --print-config --set optim.lr=0.3 --output run
  cp out printed.yaml
  expect_line printed.yaml '^  lr: 0.3 '
  expect_line printed.yaml '^  depth: 2 '
  expect_exit 0 "$BIN/vim_train" --config printed.yaml --print-config
  cmp out printed.yaml || fail "--print-config does not reproduce itself"
  expect_no_file run
}

about_itself
wrong_arguments
dry_run
print_config
