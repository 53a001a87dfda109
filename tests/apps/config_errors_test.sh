#!/usr/bin/env bash
# Mistakes in the configuration end a run before it has written anything, each with its place and
# what to do.
# shellcheck source-path=SCRIPTDIR source=e2e.sh
source "$(dirname "${BASH_SOURCE[0]}")/e2e.sh"

# expect_mistake REGEX ARGUMENT...: of vim_train. expect_mistakes COUNT REGEX ARGUMENT...: several.
expect_mistake() { expect_mistakes 1 "$@"; }
expect_mistakes() {
  local count=$1 regex=$2
  shift 2
  expect_errors "$count" "$regex" "$BIN/vim_train" --output run "$@"
  expect_no_file run
}

several_at_once() {
  cat >several.yaml <<'YAML'
model:
  dept: 3
  embed_dim: large
train:
  global_batch: 16
  micro_batch: 5
  epochs: -1
optmi:
  lr: 1
augment: {mix_prob: 0}
YAML
  expect_mistakes 5 '^error: several.yaml:2: model.dept: unknown key; did you mean depth\?$' \
    --config several.yaml
  expect_line err '^error: several.yaml:3: model.embed_dim: got large; use an integer'
  expect_line err \
    '^error: several.yaml:6: train.micro_batch: 5 does not divide train.global_batch 16'
  expect_line err '^error: several.yaml:7: train.epochs: got -1; use an integer'
  expect_line err '^error: several.yaml:8: optmi: unknown section; did you mean optim\?$'
  expect_equal "$(wc -l <err)" 5 "lines of message"
}

wrong_files() {
  printf 'model: {depth: 2\n' >unclosed.yaml
  printf 'model:\n  depth: &d 2\n  embed_dim: *d\n' >alias.yaml
  printf 'model:\n  depth: 2\n  depth: 3\n' >twice.yaml
  head -c 1100000 /dev/zero | tr '\0' '#' >large.yaml
  expect_mistake '^error: unclosed.yaml:[0-9]+: ' --config unclosed.yaml
  expect_mistake '^error: alias.yaml:[23]: ' --config alias.yaml
  expect_mistake '^error: twice.yaml:3: model.depth: ' --config twice.yaml
  expect_mistake '^error: large.yaml: ' --config large.yaml
  expect_mistake '^error: none.yaml: cannot read' --config none.yaml
  expect_mistake '^error: .: cannot read' --config .
}

wrong_overrides() {
  expect_mistake '^error: --set optim.lrr=3: unknown key; did you mean optim.lr\?$' \
    --config "$CONFIG" --set optim.lrr=3
  expect_mistake '^error: --set optim.lr: no value; write --set section.key=value$' \
    --config "$CONFIG" --set optim.lr
  expect_mistake '^error: --set optim.lr=abc: got abc; use a number' \
    --config "$CONFIG" --set optim.lr=abc
  expect_mistakes 2 '^error: --set train.epochs=0: ' \
    --config "$CONFIG" --set train.epochs=0 --set train.precision=fp33
  expect_line err '^error: --set train.precision=fp33: got fp33; did you mean fp32\?$'
}

wrong_data() {
  expect_mistake '^error: nowhere: no such folder; check data.path' \
    --config "$CONFIG" --set data.path=nowhere
  mkdir empty
  expect_mistake '^error: empty: no class folders found' --config "$CONFIG" --set data.path=empty
  expect_mistake '^error: nowhere: no such folder' --config "$CONFIG" --set data.val_path=nowhere
  cp -r images/test fewer
  rm -r fewer/star
  expect_mistake '^error: data.val_path: its classes differ' \
    --config "$CONFIG" --set data.val_path=fewer
  expect_mistake '^error: data.path: holds 10 classes, the model knows 3; set data.num_classes' \
    --config "$CONFIG" --set data.num_classes=3
  expect_mistake '^error: train.global_batch: 400 is more than the 200 training images' \
    --config "$CONFIG" --set train.global_batch=400 --set train.micro_batch=auto
}

# Without data.path there is nothing to train on.
no_data_path() {
  grep -v 'path:' "$CONFIG" >pathless.yaml
  expect_mistake 'data.path' --config pathless.yaml
}

make_images
several_at_once
wrong_files
wrong_overrides
wrong_data
no_data_path
