#!/usr/bin/env bash
# vim_eval gives the figures that training logged, from a checkpoint alone, and says what is wrong
# with weights that do not fit.
# shellcheck source-path=SCRIPTDIR source=e2e.sh
source "$(dirname "${BASH_SOURCE[0]}")/e2e.sh"

# Same batches as in training, so that every figure agrees to the last digit.
EVAL=("$BIN/vim_eval" --set train.eval_batch=8)

# field FILE KEY: a number in a JSON file; with several lines, the last one.
field() { grep -oE "\"$2\": ?[0-9.e+-]+" "$1" | tail -n 1 | sed 's/.*: *//;s/.*://'; }

# figures_agree WHICH PREFIX: of one set of weights, with the last line of log.txt.
figures_agree() {
  expect_exit 0 "${EVAL[@]}" --weights "$WEIGHTS" --which "$1" --json "$1.json"
  expect_line out "^$1 weights on 50 images: top-1 [0-9.]+ %, top-5 [0-9.]+ %, loss [0-9.]+, "
  expect_equal "$(field "$1.json" top1)" "$(field run/log.txt "$2_acc1")" "as top-1 of $1"
  expect_equal "$(field "$1.json" top5)" "$(field run/log.txt "$2_acc5")" "as top-5 of $1"
  expect_equal "$(field "$1.json" loss)" "$(field run/log.txt "$2_loss")" "as loss of $1"
  expect_equal "$(field "$1.json" count)" 50 "images"
  expect_line "$1.json" "\"which\": \"$1\""
  expect_line "$1.json" '"img_s": [0-9.]+'
}

# The averaged weights are the default; a configuration file says the same as the checkpoint's own.
defaults() {
  expect_exit 0 "${EVAL[@]}" --weights "$WEIGHTS" --json default.json
  diff <(grep -v img_s default.json) <(grep -v img_s ema.json) || fail "ema is not the default"
  expect_exit 0 "${EVAL[@]}" --weights "$WEIGHTS" --config "$CONFIG" --json named.json
  diff <(grep -v img_s named.json) <(grep -v img_s ema.json) || fail "--config changes the figures"
  expect_exit 0 "$BIN/vim_eval" --weights "$WEIGHTS" --json large_batch.json # of 64: one batch
  expect_equal "$(field large_batch.json count)" 50 "images in one batch"
}

# A safetensors file: the header's length as a little-endian integer, then JSON, then the numbers.
logits() {
  local length
  expect_exit 0 "${EVAL[@]}" --weights "$WEIGHTS" --which model --dump-logits logits.safetensors
  length=$(od -An -tu8 -N8 logits.safetensors | tr -d ' ')
  head -c $((8 + length)) logits.safetensors | tail -c "$length" >header.json
  expect_line header.json '^\{.*\} *$'
  expect_line header.json '"logits":\{[^}]*"shape":\[50,10\]'
  expect_line header.json '"logits":\{[^}]*"dtype":"F32"|"dtype":"F32"[^}]*"shape":\[50,10\]'
  expect_line header.json '"labels":\{[^}]*"shape":\[50\]'
  expect_line header.json 'images/test/star/00004.jpg'
  expect_equal "$(stat -c %s logits.safetensors)" $((8 + length + 50 * 10 * 4 + 50 * 8)) "bytes"
}

wrong_weights() {
  expect_error "^error: $WEIGHTS: its ema weights do not fit the configured model" \
    "${EVAL[@]}" --weights "$WEIGHTS" --set model.depth=3
  expect_line err '^  missing: layers.2.mixer.in_proj.weight$'
  expect_line err '^  missing: layers.2.norm.weight$'
  expect_error '^error: none.safetensors: cannot read' "${EVAL[@]}" --weights none.safetensors
  expect_error "^error: .*tiny.yaml: " "${EVAL[@]}" --weights "$CONFIG"
  expect_error '^error: logits.safetensors: carries no configuration, and .* no preset' \
    "${EVAL[@]}" --weights logits.safetensors
  expect_error '^error: .*--which' "${EVAL[@]}" --weights "$WEIGHTS" --which best
  expect_error '^error: no/such/folder: no such folder' \
    "${EVAL[@]}" --weights "$WEIGHTS" --set data.val_path=no/such/folder
}

# An image that cannot be read would change the figures, so it ends the evaluation.
bad_image() {
  cp -r images/test damaged
  truncate -s 100 damaged/star/00000.jpg
  expect_error '^error: damaged/star/00000.jpg: cannot be decoded' \
    "${EVAL[@]}" --weights "$WEIGHTS" --set data.val_path=damaged --json damaged.json \
    --set data.on_bad_image=substitute
  expect_no_file damaged.json
}

make_images
expect_exit 0 "${TRAIN[@]}" --output run --set train.epochs=2
WEIGHTS=$(newest_checkpoint run)
figures_agree model test
figures_agree ema ema_test
defaults
logits
wrong_weights
bad_image
