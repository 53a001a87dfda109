#!/usr/bin/env bash
# Runs that start from weights trained before, by us or by the official program, and the losses and
# freezing that such runs use.
# shellcheck source-path=SCRIPTDIR source=e2e.sh
source "$(dirname "${BASH_SOURCE[0]}")/e2e.sh"

PTH=$SOURCE/../golden/pth
OFFICIAL=$SOURCE/official.yaml

# The images of five of the ten classes, as five/train and five/test.
keep_five_classes() {
  local part
  for part in train test; do
    mkdir -p "five/$part"
    find "images/$part" -mindepth 1 -maxdepth 1 -type d | sort | head -n 5 |
      xargs -I{} cp -r {} "five/$part"
  done
}

# tune OUTPUT SETTING...: one epoch from the weights of the first run.
tune() {
  local output=$1 setting arguments=()
  shift
  for setting in "finetune.weights=$WEIGHTS" schedule.warmup_epochs=0 train.epochs=1 "$@"; do
    arguments+=(--set "$setting")
  done
  "${TRAIN[@]}" --output "$output" "${arguments[@]}"
}

other_grid_and_head() {
  expect_exit 0 tune larger model.img_size=48
  expect_line err 'pos_embed: resized from 17 rows to 37'
  expect_line err "starting from the model weights of $WEIGHTS"
  local five=(data.path=five/train data.val_path=five/test)
  expect_error '^error: .*ask for a new head' tune five "${five[@]}"
  expect_line err '^  misshapen: head.weight is \[10, 16\] in the file, \[5, 16\] in the model$'
  expect_exit 0 tune five "${five[@]}" finetune.new_head=true finetune.which=ema
  expect_line err 'head.weight: \[10, 16\] in the file, the model keeps its own \[5, 16\]'
}

# Once there is a checkpoint of its own, a run does without the file that it began from.
resumes_without_the_file() {
  cp "$WEIGHTS" gone.safetensors
  expect_exit 0 tune own "finetune.weights=gone.safetensors"
  rm gone.safetensors
  expect_exit 0 "${TRAIN[@]}" --output own --resume auto --set finetune.weights=gone.safetensors \
    --set schedule.warmup_epochs=0 --set train.epochs=2
  expect_error 'gone.safetensors: cannot read' tune fresh finetune.weights=gone.safetensors
}

frozen_and_layer_wise() {
  expect_exit 0 tune probe 'optim.freeze=["*"]' 'optim.freeze_except=["head.*"]'
  expect_exit 0 "${TRAIN[@]}" --dry-run \
    --set 'optim.freeze=["layers.0.*"]' --set optim.layer_decay=0.5
  expect_line out '^group [0-9]+: frozen, 17 tensors'
  expect_line out 'learning rate x 0.125'
  expect_error "^error: .*optim.freeze: no parameter is called 'blocks.\*'" \
    tune none 'optim.freeze=["blocks.*"]'
}

other_losses() {
  local setting
  for setting in loss.kind=binary loss.cosub=true augment.repeated=true; do
    if [ "$setting" = augment.repeated=true ]; then
      expect_error 'needs at least 256 training images, there are 200' tune "$setting" "$setting"
    else
      expect_exit 0 tune "$setting" "$setting"
    fi
  done
  expect_exit 0 tune soft distillation.kind=soft "distillation.teacher=$WEIGHTS"
  expect_error 'distillation.kind asks for a teacher' tune hard distillation.kind=hard
}

official_files() {
  local name
  for name in checkpoint.pth model_only.pth checkpoint_legacy.pth; do
    expect_exit 0 "$BIN/vim_eval" --weights "$PTH/$name" --config "$OFFICIAL" --json "$name.json"
  done
  expect_equal "$(grep -c '"which": "ema"' checkpoint.pth.json)" 1 "sets of weights"
  expect_equal "$(grep -c '"which": "model"' model_only.pth.json)" 1 "sets of weights"
  expect_error 'broken_truncated.pth' \
    "$BIN/vim_eval" --weights "$PTH/broken_truncated.pth" --config "$OFFICIAL"
  local resume=("$BIN/vim_train" --config "$OFFICIAL" --output official)
  resume+=(--resume "$PTH/checkpoint.pth")
  expect_error 'was trained with another recipe' "${resume[@]}" --set train.epochs=100
  expect_line err '^  train.epochs: 300 officially, 100 here$'
  start "${resume[@]}"
  wait_until has_step official $((9 * 6)) # six steps an epoch
  stop TERM
  expect_equal "$CODE" 75 "from an official run that was stopped"
  expect_line err 'resuming from .*checkpoint.pth: epoch 8/300, step 0/6'
  expect_line official/log.txt '"epoch":7,'
  expect_no_line official/log.txt '"epoch":6,'
}

make_images
keep_five_classes
expect_exit 0 "${TRAIN[@]}" --output base --set train.epochs=2
WEIGHTS=$(newest_checkpoint base)
other_grid_and_head
resumes_without_the_file
frozen_and_layer_wise
other_losses
official_files
