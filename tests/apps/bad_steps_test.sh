#!/usr/bin/env bash
# What a run does about images that cannot be read and steps that are not finite; and a run in bf16.
# shellcheck source-path=SCRIPTDIR source=e2e.sh
source "$(dirname "${BASH_SOURCE[0]}")/e2e.sh"

# An epoch leaves out 8 of the 200 images, so of ten that are cut short it meets two at least.
bad_images() {
  local file bad=()
  cp -r images/train damaged
  bad=(damaged/star/0000*.jpg)
  for file in "${bad[@]}"; do truncate -s $(($(stat -c %s "$file") / 2)) "$file"; done
  expect_equal "${#bad[@]}" 10 "images to damage"
  expect_error '^error: damaged/star/0000[0-9].jpg: cannot be decoded: .*on_bad_image: substitute' \
    "${TRAIN[@]}" --output error --set data.path=damaged
  expect_exit 0 "${TRAIN[@]}" --output substitute --set data.path=damaged \
    --set data.on_bad_image=substitute --set train.epochs=2
  expect_line err 'damaged/star/0000[0-9].jpg: cannot be decoded: .*; another image takes its place'
  expect_equal "$(grep -c 'takes its place' err)" "$(grep 'takes its place' err |
    grep -oE 'damaged/star/[0-9]+.jpg' | sort -u | wc -l)" "warnings, one for each image"
  expect_equal "$(wc -l <substitute/log.txt)" 2 "finished epochs"
}

# A rate of 1e30 spoils the weights in the first step; all further ones are skipped.
DIVERGE=(
  --set optim.lr=1e30 --set schedule.warmup_epochs=0 --set optim.clip_norm=none
  --set train.epochs=1)
diverging_run() {
  expect_error '^error: train: 4 steps in a row, up to step [0-9]+, were not finite' \
    "${TRAIN[@]}" --output diverged "${DIVERGE[@]}" --set train.max_skipped_steps=4 \
    --set checkpoint.interval_steps=1
  expect_line err 'lower optim.lr'
  expect_line err 'resume from the last checkpoint in diverged'
  expect_line err 'step skipped, 4 in a row'
  expect_line err ' step 3/12  loss nan '
  expect_equal "$(saved_step diverged)" "$(awk -F, 'NR > 1 && $8 == 0 { print $1 }' \
    diverged/metrics.csv | tail -n 1)" "as the last checkpoint: none while steps are skipped"
}

# Its evaluation gives no number, and its second epoch has no step that counts for the loss; the
# checkpoint can be read all the same.
diverged_evaluation() {
  local log
  DIVERGE+=(--set train.max_skipped_steps=100 --set train.epochs=2)
  expect_exit 0 "${TRAIN[@]}" --output spoilt "${DIVERGE[@]}"
  expect_line spoilt/log.txt '"train_loss":null,"test_loss":null.*"epoch":1'
  log=$(cat spoilt/log.txt)
  expect_exit 0 "${TRAIN[@]}" --output spoilt --resume auto "${DIVERGE[@]}"
  expect_equal "$(cat spoilt/log.txt)" "$log" "as log.txt of the resumed run"
}

# Rounding to 8 bits of mantissa moves the loss of the first steps by less than 1 in 100.
bf16_run() {
  expect_exit 0 "${TRAIN[@]}" --output fp32 --set train.epochs=2
  expect_exit 0 "${TRAIN[@]}" --output bf16 --set train.epochs=2 --set train.precision=bf16
  expect_no_line err 'skipped'
  paste -d, <(cut -d, -f3 fp32/metrics.csv) <(cut -d, -f3 bf16/metrics.csv) >losses
  awk -F, 'NR > 1 { d = $1 - $2; if (d < 0) d = -d; if (d > 0.01 * $1) bad = 1; if (d > 0) n++ }
           END { exit bad || n == 0 }' losses || fail "bf16 and fp32 losses: $(xargs <losses)"
  expect_exit 0 "${TRAIN[@]}" --output bf16 --set train.epochs=2 --set train.precision=bf16 \
    --resume auto
}

make_images
bad_images
diverging_run
diverged_evaluation
bf16_run
