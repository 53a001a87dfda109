#!/usr/bin/env bash
# A run that is killed without warning and resumed, again and again, ends with the same bytes as one
# that was left alone: within an epoch, within a save, within an evaluation, at random moments.
# shellcheck source-path=SCRIPTDIR source=e2e.sh
source "$(dirname "${BASH_SOURCE[0]}")/e2e.sh"

STEPS_PER_EPOCH=12

# Between two checkpoints: the steps since the last one are done again.
kill_within_epoch() {
  interrupt KILL killed has_step killed 8
  expect_equal "$CODE" 137 "from a run killed within an epoch"
}

# The limit on file sizes, in KiB, ends the process in the middle of writing a checkpoint.
die_within_save() {
  local code=0 before
  before=$(newest_checkpoint killed)
  (
    ulimit -c 0 -f 64
    "${TRAIN[@]}" --output killed --resume auto
  ) >out 2>err || code=$?
  expect_equal "$code" 153 "from a run over its limit on file sizes (SIGXFSZ)"
  expect_equal "$(find killed/checkpoints -name '*.unfinished' | wc -l)" 1 "unfinished files"
  expect_equal "$(newest_checkpoint killed)" "$before" "as the newest checkpoint"
}

# The newest checkpoint was made at the end of an epoch whose evaluation has not ended.
is_within_evaluation() {
  local step
  step=$(saved_step killed)
  ((step % STEPS_PER_EPOCH == 0 && step / STEPS_PER_EPOCH == $(wc -l <killed/log.txt) + 1))
}

# One of the images becomes a pipe after they were listed, so that an evaluation waits for it. An
# evaluation that was under way before may be what is seen; then it is tried once more.
kill_within_evaluation() {
  local image=images/test/star/00000.jpg
  while true; do
    start "${TRAIN[@]}" --output killed --resume auto
    wait_until grep -q 'resuming from' err
    cp "$image" image.jpg
    mkfifo pipe
    mv -f pipe "$image"
    wait_until is_within_evaluation
    stop KILL
    mv -f image.jpg "$image"
    expect_equal "$CODE" 137 "from a run killed within an evaluation"
    if is_within_evaluation; then break; fi
  done
}

# Each time some hundredths of a second after it got any further, until it is done.
kill_at_random() {
  local last=0 kills=0
  RANDOM=1
  while true; do
    start "${TRAIN[@]}" --output random --resume auto --set checkpoint.interval_steps=1
    while kill -0 "$RUN" 2>/dev/null && ! has_step random $((last + 1)); do sleep 0.01; done
    sleep "0.$((RANDOM % 3))$((RANDOM % 10))"
    stop KILL
    if [ "$CODE" = 0 ]; then break; fi
    expect_equal "$CODE" 137 "from a run killed at random"
    kills=$((kills + 1))
    last=$(logged_step random)
  done
  printf 'killed %d times at random\n' "$kills"
}

make_images
expect_exit 0 "${TRAIN[@]}" --output whole
kill_within_epoch
die_within_save
kill_within_evaluation
expect_exit 0 "${TRAIN[@]}" --output killed --resume auto
expect_line err "resuming from .*: epoch [0-9]+/10, step $STEPS_PER_EPOCH/$STEPS_PER_EPOCH"
expect_same_run whole killed

expect_exit 0 "${TRAIN[@]}" --output whole_each --set checkpoint.interval_steps=1
kill_at_random
expect_same_run whole_each random
