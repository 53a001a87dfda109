#!/usr/bin/env bash
# vim_bench ops runs every kernel on the CPU and writes what it printed as JSON.
# shellcheck source-path=SCRIPTDIR source=e2e.sh
source "$(dirname "${BASH_SOURCE[0]}")/e2e.sh"

OPS=("$BIN/vim_bench" ops --device cpu --batch 1 --seqlen 5 --embed-dim 8 --repeats 1)

# parses FILE COUNT: it is JSON with that many ops.
parses() {
  cat >parse.cmake <<'CMAKE'
file(READ "${FILE}" text)
string(JSON count LENGTH "${text}" ops)
message("ops: ${count}")
CMAKE
  expect_exit 0 cmake -D FILE="$1" -P parse.cmake
  expect_line err "^ops: $2\$"
}

all_ops() {
  local name
  expect_exit 0 "${OPS[@]}" --json all.json
  expect_line out '^cpu, 1 threads, .*: copy [0-9.]+ GB/s'
  cp out printed
  parses all.json 15
  for name in \
    selective_scan_forward selective_scan_backward \
    selective_scan_forward_long selective_scan_backward_long \
    causal_conv1d_forward causal_conv1d_backward \
    add_norm_forward add_norm_backward image_batch image_batch_erased \
    token_sequence token_sequence_backward cross_entropy gradient_summary adamw; do
    expect_line all.json "\"name\": \"$name\""
    expect_line printed "^$name +[0-9.]+ us .* limit +[0-9.]+ us"
  done
  for name in name us bytes gb_s limit_us fraction; do
    expect_equal "$(grep -c "^ *\"$name\":" all.json)" 15 "ops with $name"
  done
  expect_line all.json '"device": "cpu, 1 threads, '
  expect_line all.json '"copy_gb_s": [0-9.]+'
  expect_line all.json '"exp_per_s": ([0-9.e+]+|null)'
}

# A scan of 1 x 5 tokens, 16 channels and 16 states in both directions has 2560 exponentials.
chosen_ops() {
  expect_exit 0 "${OPS[@]}" --op selective_scan_forward --dtype bf16 --json scan.json
  parses scan.json 2
  expect_line scan.json '"exponentials": 2560'
  expect_line scan.json '"dtype": "bf16"'
}

# The optimizer's op has the parameters of Vim-tiny; 36 bytes each, 2 more for a copy in bf16.
optimizer() {
  local parameters
  expect_exit 0 "$BIN/vim_train" --config "$SOURCE/../../configs/vim_tiny_imagenet.yaml" \
    --set data.num_classes=1000 --dry-run
  parameters=$(awk '/^parameters/ { print $2 }' out)
  expect_exit 0 "${OPS[@]}" --op adamw --json fp32.json
  expect_line fp32.json "\"parameters\": $parameters,"
  expect_line fp32.json "\"bytes\": $((parameters * 36))\.0,"
  expect_exit 0 "${OPS[@]}" --op adamw --dtype bf16 --json bf16.json
  expect_line bf16.json "\"bytes\": $((parameters * 38))\.0,"
}

mistakes() {
  expect_error '^error: --op scan: no op of this device begins so; they are selective_scan' \
    "${OPS[@]}" --op scan
  expect_error '^error: .*--dtype.*; see vim_bench --help' "${OPS[@]}" --dtype fp64
  expect_no_line out '.'
}

all_ops
chosen_ops
optimizer
mistakes
