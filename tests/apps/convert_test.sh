#!/usr/bin/env bash
# vim_convert shows every kind of weight file and carries weights between the formats without
# changing a bit; what it writes is evaluated like what it read.
# shellcheck source-path=SCRIPTDIR source=e2e.sh
source "$(dirname "${BASH_SOURCE[0]}")/e2e.sh"
GOLDEN=$SOURCE/../golden/pth

# convert ARGUMENT...: vim_convert convert, which must succeed.
convert() { expect_exit 0 "$BIN/vim_convert" convert "$@"; }

# An official checkpoint: both sets, state and arguments, for people and as JSON.
inspect_official() {
  expect_exit 0 "$BIN/vim_convert" inspect "$GOLDEN/checkpoint_amp.pth" --json report.json
  expect_line out 'checkpoint_amp.pth: torch.save \(zip\)$'
  expect_line out '^model: 41 tensors, [0-9]+ elements$'
  expect_line out '^ema: 41 tensors'
  # Near its start: the logarithms of 1 to 4.
  expect_line out '^  layers.0.mixer.A_log +F32 \[16, 4\] +-?[0-9.e-]+ +1.38[0-9]+ +0.79'
  expect_line out '^  epoch: 6$'
  expect_line out '^  scaler: .*65536'
  expect_line out '^  model: vim_tiny_patch16_224_bimambav2'
  expect_line report.json '"format": "torch.save \(zip\)"'
  expect_line report.json '"weight_decay": 0.1'
  expect_line report.json '"nan": 0'
}

inspect_others() {
  expect_exit 0 "$BIN/vim_convert" inspect "$GOLDEN/wrapped_prefix.pth"
  expect_line out '^model: 41 tensors, [0-9]+ elements, "module." cut off every name$'
  expect_exit 0 "$BIN/vim_convert" inspect "$GOLDEN/checkpoint_legacy.pth"
  expect_line out 'torch.save \(legacy\)$'
  expect_exit 0 "$BIN/vim_convert" inspect "$GOLDEN/mixed_dtypes.pth"
  expect_line out '^  bf16 +BF16 \[4, 2\]'
  expect_line out '^  empty +F32 \[0, 4\]'
}

# There and back again: equal bytes after the first step, whatever the form it came from.
round_trips() {
  local name
  for name in checkpoint checkpoint_legacy bare_state_dict shared_strided mixed_dtypes_legacy; do
    convert "$GOLDEN/$name.pth" first.safetensors --which model
    convert first.safetensors second.pth
    convert second.pth third.safetensors
    cmp first.safetensors third.safetensors || fail "$name changed on its way"
  done
  convert "$GOLDEN/checkpoint.pth" all.safetensors --which all
  expect_equal "$(wc -l <out)" 2 "lines"
  convert all.safetensors all.pth --which all
  convert all.pth again.safetensors --which all
  cmp all.safetensors again.safetensors || fail "both sets changed on their way"
  convert "$GOLDEN/checkpoint.pth" ema.safetensors
  convert all.pth ema_again.safetensors --which ema
  cmp ema.safetensors ema_again.safetensors || fail "ema is not the default, or changed"
  expect_exit 0 "$BIN/vim_convert" export "$GOLDEN/checkpoint.pth" exported.safetensors
  cmp ema.safetensors exported.safetensors || fail "export is not convert"
}

# Our own checkpoint keeps its texts, and gives the same logits in any format.
own_checkpoint() {
  local weights
  make_images
  expect_exit 0 "${TRAIN[@]}" --output run --set train.epochs=2
  weights=$(newest_checkpoint run)
  expect_exit 0 "$BIN/vim_eval" --weights "$weights" --which model --dump-logits logits.safetensors
  convert "$weights" own.safetensors --which model
  convert own.safetensors own.pth
  expect_exit 0 "$BIN/vim_convert" inspect own.pth
  expect_line out '^  config: '
  expect_no_line out '^  checksums: '
  expect_exit 0 "$BIN/vim_eval" --weights own.safetensors --config "$CONFIG" \
    --dump-logits own_logits.safetensors
  cmp logits.safetensors own_logits.safetensors || fail "converted weights give other logits"
}

mistakes() {
  local good=$GOLDEN/model_only.pth
  expect_error '^error: .*broken_text.pth: neither safetensors nor a file of torch.save; check' \
    "$BIN/vim_convert" inspect "$GOLDEN/broken_text.pth"
  expect_error '^error: .*broken_missing_storage.pth: the storage data/[0-9]+ that tensors need' \
    "$BIN/vim_convert" convert "$GOLDEN/broken_missing_storage.pth" x.safetensors
  expect_error '^error: none.pth: cannot read' "$BIN/vim_convert" inspect none.pth
  expect_error '^error: x.onnx: cannot write the format ".onnx"; give a name ending' \
    "$BIN/vim_convert" export "$good" x.onnx
  expect_error '^error: .*model_only.pth: holds no ema weights; drop --which' \
    "$BIN/vim_convert" convert "$good" x.safetensors --which ema
  expect_error '^error: .*--which.*; see vim_convert --help' \
    "$BIN/vim_convert" convert "$good" x.safetensors --which best
  expect_error '^error: A subcommand is required; see vim_convert --help' "$BIN/vim_convert"
  expect_no_file x.safetensors
  expect_no_file x.onnx
}

inspect_official
inspect_others
round_trips
own_checkpoint
mistakes
