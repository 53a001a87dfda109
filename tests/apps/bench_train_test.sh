#!/usr/bin/env bash
# vim_bench train runs the loop of a configuration across epochs and leaves nothing behind.
# shellcheck source-path=SCRIPTDIR source=e2e.sh
source "$(dirname "${BASH_SOURCE[0]}")/e2e.sh"

BENCH=("$BIN/vim_bench" train --config "$CONFIG")

number() { sed -nE "s/^ *\"$2\": ([0-9.e+-]+),?\$/\1/p" "$1"; }

# 12 steps an epoch: the measured steps reach into the second one.
figures() {
  local key
  find . | sort >before
  expect_exit 0 "${BENCH[@]}" --steps 14 --warmup 1 --set train.log_interval=5 --json figures.json
  expect_line out "^$CONFIG on 1 threads: 14 steps of 16 images, micro-batch 8\$"
  expect_line out '^step alone +[0-9.]+ img/s'
  expect_line out '^loader alone +[0-9.]+ img/s'
  expect_line out '^whole loop +[0-9.]+ img/s +[0-9.]+ of the lower limit, data wait [0-9]+ %'
  for key in loop_img_s step_img_s loader_img_s limit_img_s ratio data_wait_share \
    peak_memory_mib; do
    expect_line figures.json "^ *\"$key\": [0-9.e+-]+,?\$"
  done
  awk -v loop="$(number figures.json loop_img_s)" -v step="$(number figures.json step_img_s)" \
    -v loader="$(number figures.json loader_img_s)" -v ratio="$(number figures.json ratio)" \
    'BEGIN { limit = step < loader ? step : loader; off = ratio * limit / loop - 1
      exit !(loop > 0 && off < 1e-6 && off > -1e-6) }' || fail "ratio is not loop / lower limit"
  find . ! -name figures.json ! -name out ! -name err | sort >after
  diff <(grep -vxE './(out|err|before)' before) <(grep -vxE './(before|after)' after) ||
    fail "the benchmark has left files behind"
}

mistakes() {
  expect_error '^error: --config is required; see vim_bench --help' "$BIN/vim_bench" train
  expect_error '^error: .*--warmup.*; see vim_bench --help' "${BENCH[@]}" --warmup 0
  expect_error '^error: train.global_batch: 1000 is more than the 200 training images; lower it' \
    "${BENCH[@]}" --set train.global_batch=1000 --set train.micro_batch=8
  expect_error '^error: no/such: no such folder' "${BENCH[@]}" --set data.path=no/such
}

make_images
figures
mistakes
