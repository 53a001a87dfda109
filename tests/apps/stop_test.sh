#!/usr/bin/env bash
# A run that is asked to stop saves and ends with 75; --resume none, auto and PATH do what they say.
# shellcheck source-path=SCRIPTDIR source=e2e.sh
source "$(dirname "${BASH_SOURCE[0]}")/e2e.sh"

# Stopped by each signal in turn; what it saves is the last step that it did.
stop_by_each_signal() {
  local step=0 signal
  for signal in TERM INT USR1; do
    interrupt "$signal" stopped has_step stopped $((step + 2))
    expect_equal "$CODE" 75 "from a run stopped by SIG$signal"
    expect_equal "$(saved_step stopped)" "$(logged_step stopped)" "as the step of the checkpoint"
    step=$(logged_step stopped)
  done
}

# What is asked for is refused in one line, and nothing changes.
refusals() {
  cp -r stopped before
  expect_error '^error: stopped: holds checkpoints of an earlier run; continue it with --resume' \
    "${TRAIN[@]}" --output stopped
  expect_equal "$(wc -l <err)" 1 "lines of message"
  expect_error 'train.seed 0, this run has 1; resume with the same' \
    "${TRAIN[@]}" --output stopped --resume auto --set train.seed=1
  expect_error 'does not fit the configured model' \
    "${TRAIN[@]}" --output stopped --resume auto --set model.depth=3
  expect_line err '^  missing: model.layers.2.norm.weight$'
  expect_error 'holds no checkpoint to resume from' "${TRAIN[@]}" --output other --resume images
  expect_error 'nowhere' "${TRAIN[@]}" --output other --resume nowhere
  expect_no_file other
  diff -r stopped before || fail "a refused run has changed its folder"
}

# A finished run has nothing left to do, and stays as it is.
resume_finished() {
  rm -rf before
  cp -r stopped before
  expect_exit 0 "${TRAIN[@]}" --output stopped --resume auto
  expect_line err 'all 10 epochs are done'
  diff -r stopped before || fail "a finished run has changed its folder"
}

make_images
mkdir whole
expect_exit 0 "${TRAIN[@]}" --output whole --resume auto # starts fresh in an empty folder
expect_no_line err 'resuming'
stop_by_each_signal
rm -rf before
refusals
cp "$(newest_checkpoint stopped)" named.safetensors
expect_exit 0 "${TRAIN[@]}" --output elsewhere --resume named.safetensors
expect_line err 'resuming from named.safetensors'
expect_exit 0 "${TRAIN[@]}" --output stopped --resume stopped
expect_equal "$(sha256sum <"$(newest_checkpoint elsewhere)")" \
  "$(sha256sum <"$(newest_checkpoint whole)")" "as the sum of the last checkpoint"
cmp "$(newest_checkpoint stopped)" "$(newest_checkpoint whole)" || fail "resumed runs differ"
resume_finished
