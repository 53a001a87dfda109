#!/usr/bin/env bash
# A trained model at other image sizes, its position embedding resized on request, and maps of
# features from inside it.
# shellcheck source-path=SCRIPTDIR source=e2e.sh
source "$(dirname "${BASH_SOURCE[0]}")/e2e.sh"

field() { grep -oE "\"$2\": ?[0-9.e+-]+" "$1" | sed 's/.*: *//'; }

# header FILE: the JSON header of a safetensors file.
header() {
  local length
  length=$(od -An -tu8 -N8 "$1" | tr -d ' ')
  head -c $((8 + length)) "$1" | tail -c "$length"
}

other_sizes() {
  local eval=("$BIN/vim_eval" --weights "$WEIGHTS")
  expect_exit 0 "${eval[@]}" --json plain.json
  expect_exit 0 "${eval[@]}" --resize-pos-embed correct --json same.json
  expect_equal "$(field same.json loss)" "$(field plain.json loss)" "as the loss at the own size"
  expect_error '^error: .*: was made for 4 x 4 patches, the configuration has 6 x 6 patches; pass' \
    "${eval[@]}" --img-size 48
  expect_line err ' --resize-pos-embed correct '
  expect_exit 0 "${eval[@]}" --img-size 48 --resize-pos-embed correct --json correct.json
  expect_exit 0 "${eval[@]}" --set model.img_size=48 --resize-pos-embed correct --json set.json
  expect_equal "$(field set.json loss)" "$(field correct.json loss)" "as with --img-size"
  expect_exit 0 "${eval[@]}" --img-size 48 --resize-pos-embed upstream --json upstream.json
  if [ "$(field upstream.json loss)" = "$(field correct.json loss)" ]; then
    fail "both methods give the same"
  fi
  expect_exit 0 "${eval[@]}" --set 'model.img_size=[32, 64]' --resize-pos-embed correct
  expect_error '^error: pos_embed: 32 rows of patches are not a square map' \
    "${eval[@]}" --set 'model.img_size=[32, 64]' --resize-pos-embed upstream
  expect_error '^error: .*: was made for 4 x 4 patches, the configuration has 2 x 8 patches' \
    "${eval[@]}" --set 'model.img_size=[16, 64]' # as many rows
  expect_error '^error: .*--resize-pos-embed' "${eval[@]}" --resize-pos-embed sometimes
  expect_exit 0 "${eval[@]}" --img-size 48 --crop-ratio 1 --resize-pos-embed correct --json one.json
  expect_exit 0 "${eval[@]}" --img-size 48 --set augment.eval_crop_ratio=1 \
    --resize-pos-embed correct --json set.json
  expect_equal "$(field set.json loss)" "$(field one.json loss)" "as with --crop-ratio"
}

features() {
  local predict=("$BIN/vim_predict" --weights "$WEIGHTS") images=(images/test/star/*.jpg)
  expect_exit 0 "${predict[@]}" --top 1 "${images[@]}"
  cp out plain
  expect_exit 0 "${predict[@]}" --top 1 --features maps.safetensors "${images[@]}"
  cmp plain out || fail "features change the predictions"
  header maps.safetensors >maps.json
  expect_line maps.json '"layer_0":\{[^}]*"shape":\[5,16,4,4\]'
  expect_line maps.json '"layer_1":\{[^}]*"shape":\[5,16,4,4\]'
  expect_line maps.json '"kind":"hidden"'
  expect_line maps.json 'images/test/star/00004.jpg'
  expect_equal "$(stat -c %s maps.safetensors)" \
    $((8 + $(wc -c <maps.json) + 2 * 5 * 16 * 4 * 4 * 4)) "bytes"
  expect_exit 0 "${predict[@]}" --features one.safetensors --layers 1 --feature-kind residual \
    --last-feature norm --img-size 64 --resize-pos-embed correct --batch 2 "${images[@]}"
  header one.safetensors >one.json
  expect_line one.json '"layer_1":\{[^}]*"shape":\[5,16,8,8\]'
  expect_line one.json '"last":"norm"'
  expect_no_line one.json 'layer_0'
  expect_error '^error: --layers: there is no layer 2; name layers from 0 to 1' \
    "${predict[@]}" --features none.safetensors --layers 0,2 "${images[@]}"
  expect_error '^error: .*--features' "${predict[@]}" --layers 0 "${images[@]}"
  expect_no_file none.safetensors
  expect_exit 2 "${predict[@]}" --features bad.safetensors "${images[0]}" none.jpg
  expect_file bad.safetensors
}

make_images
expect_exit 0 "${TRAIN[@]}" --output run --set train.epochs=2
WEIGHTS=$(newest_checkpoint run)
other_sizes
features
