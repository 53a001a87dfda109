#!/usr/bin/env bash
# Shows that resuming is exact: a run of some minutes with mixup, cutmix, drop-path, averaged
# weights, accumulation and two workers, killed with SIGKILL at five points (within epochs, saves
# and an evaluation) and resumed after each, against the same run left alone. Prints the checksums
# of both final checkpoints and PASS or FAIL.
#
#   tests/apps/resume_stress.sh BIN_DIR WORK_DIR [EPOCHS]
# shellcheck source-path=SCRIPTDIR source=e2e.sh
source "$(dirname "${BASH_SOURCE[0]}")/e2e.sh"

EPOCHS=${3:-130}
STEPS_PER_EPOCH=62 # 1000 images in batches of 16
STEPS=$((EPOCHS * STEPS_PER_EPOCH))
TRAIN+=(
  --set model.depth=6 --set model.embed_dim=64 --set "train.epochs=$EPOCHS"
  --set "train.threads=$(nproc)" --set train.log_interval=1 --set checkpoint.interval_steps=10)

say() { printf '%s\n' "$*"; }

# At a share of the run, given in percent, and not at a step that is saved.
step_at() {
  local step=$(($1 * STEPS / 100))
  say $((step - step % 10 + 5))
}

begin_part() {
  start "${TRAIN[@]}" --output killed --resume auto
  wait_until has_step killed "$1"
}

end_part() {
  stop KILL
  if [ "$CODE" != 137 ]; then fail "the run ended before it was killed; give more EPOCHS"; fi
  say "killed within $1: $(logged_step killed) steps done, resuming from $(saved_step killed)"
}

kill_within_epoch() {
  begin_part "$(step_at "$1")"
  end_part "an epoch"
}

# kill_within WHAT CONDITION PERCENT: what the condition sees may have ended before the signal came;
# then it is tried again.
kill_within() {
  begin_part "$(step_at "$3")"
  while true; do
    while kill -0 "$RUN" 2>/dev/null && ! "$2"; do :; done
    stop KILL
    if "$2"; then break; fi
    start "${TRAIN[@]}" --output killed --resume auto
    wait_until grep -q ' loss ' err
  done
  end_part "$1"
}

# A file under its temporary name is one being written.
is_within_save() { compgen -G 'killed/checkpoints/*.unfinished' >saving; }

# The checkpoint of an epoch's end is there, its line in log.txt is not.
is_within_evaluation() {
  local step
  step=$(saved_step killed)
  ((step > 0 && step == STEPS_PER_EPOCH * ($(wc -l <killed/log.txt) + 1)))
}

sum_of() { sha256sum <"$(newest_checkpoint "$1")" | cut -d ' ' -f 1; }

expect_exit 0 "$BIN/vim_data" make-shapes images --train-per-class 100 --test-per-class 20
say "$STEPS steps in $EPOCHS epochs"
if ((EPOCHS < 8)); then fail "EPOCHS must be at least 8, so that no two points coincide"; fi
SECONDS=0
expect_exit 0 "${TRAIN[@]}" --output whole
say "left alone: $SECONDS s"
SECONDS=0
kill_within_epoch 15
kill_within "a save" is_within_save 30
kill_within "an evaluation" is_within_evaluation 50
kill_within "a save" is_within_save 65
kill_within_epoch 85
expect_exit 0 "${TRAIN[@]}" --output killed --resume auto
say "killed 5 times: $SECONDS s"
say "left alone    $(sum_of whole)  $(basename "$(newest_checkpoint whole)")"
say "killed        $(sum_of killed)  $(basename "$(newest_checkpoint killed)")"
expect_same_run whole killed
say "PASS: checkpoints, log.txt and metrics.csv are equal, byte for byte, times left out"
