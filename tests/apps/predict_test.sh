#!/usr/bin/env bash
# vim_predict names the classes that vim_eval counts, from a checkpoint alone; a bad image is an
# error, and the others are predicted all the same.
# shellcheck source-path=SCRIPTDIR source=e2e.sh
source "$(dirname "${BASH_SOURCE[0]}")/e2e.sh"

# query FILE PATH...: prints the JSON value at that path.
query() {
  cat >query.cmake <<'CMAKE'
file(READ "${FILE}" text)
separate_arguments(path UNIX_COMMAND "${KEYS}")
string(JSON value ERROR_VARIABLE error GET "${text}" ${path})
message("${value}")
CMAKE
  cmake -D FILE="$1" -D KEYS="${*:2}" -P query.cmake 2>&1
}

# As many images are named after their folder as vim_eval finds right, for each set of weights.
agrees_with_evaluation() {
  local which images right
  images=(images/test/*/*.jpg)
  for which in ema model; do
    expect_exit 0 "$BIN/vim_eval" --weights "$WEIGHTS" --which "$which" --json eval.json
    expect_exit 0 "$BIN/vim_predict" --weights "$WEIGHTS" --which "$which" --json "$which.json" \
      "${images[@]}"
    expect_equal "$(wc -l <out)" 50 "lines"
    right=$(sed -E 's|^images/test/([a-z_]+)/[0-9]+.jpg: ([a-z_]+) .*|\1 \2|' out |
      awk '$1 == $2' | wc -l)
    expect_equal "$((2 * right))" "$(query eval.json top1 | sed 's/[.].*//')" "% top-1 of $which"
    expect_equal "$(query "$which.json" which)" "$which"
  done
  expect_exit 0 "$BIN/vim_predict" --weights "$WEIGHTS" --json default.json "${images[@]}"
  cmp default.json ema.json || fail "ema is not the default"
}

# One line an image, the classes by falling probability; JSON says the same.
line_and_json() {
  local image=images/test/star/00004.jpg name classes
  classes=(images/train/*)
  expect_exit 0 "$BIN/vim_predict" --weights "$WEIGHTS" --top 100 --json all.json "$image"
  expect_line out "^$image: ([a-z_]+ [01][.][0-9]{4}, ){9}[a-z_]+ 0[.][0-9]{4}\$"
  tr -d , <out | awk '{ for (i = 3; i <= NF; i += 2) { sum += $i; if ($i > last && i > 3) exit 1;
    last = $i } if (sum < 0.9995 || sum > 1.0005) exit 1 }' ||
    fail "probabilities do not fall, or do not sum up to 1"
  expect_equal "$(query all.json images 0 image)" "$image"
  name=$(awk '{ print $2 }' out)
  expect_equal "$(query all.json images 0 top 0 name)" "$name"
  expect_equal "${classes[$(query all.json images 0 top 0 class)]}" "images/train/$name" \
    "as the class of that number"
  expect_equal "$(printf '%.4f' "$(query all.json images 0 top 0 probability)")" \
    "$(awk '{ sub(",", "", $3); print $3 }' out)"
  expect_exit 0 "$BIN/vim_predict" --weights "$WEIGHTS" "$image" --top 2
  expect_line out "^$image: $name [01][.][0-9]{4}, [a-z_]+ 0[.][0-9]{4}\$"
}

# The size of a batch and the precision change no more than rounding.
batches_and_precision() {
  local images=(images/test/star/*.jpg images/test/ring/*.jpg)
  expect_exit 0 "$BIN/vim_predict" --weights "$WEIGHTS" --top 1 "${images[@]}"
  sed 's/ [01][.][0-9]*$//' out >together
  expect_exit 0 "$BIN/vim_predict" --weights "$WEIGHTS" --top 1 --batch 1 "${images[@]}"
  diff together <(sed 's/ [01][.][0-9]*$//' out) || fail "single images get other classes"
  expect_exit 0 "$BIN/vim_predict" --weights "$WEIGHTS" --precision bf16 --device cpu \
    --json bf16.json "${images[0]}"
  expect_exit 0 "$BIN/vim_predict" --weights "$WEIGHTS" --set train.precision=bf16 \
    --json set.json "${images[0]}"
  cmp bf16.json set.json || fail "--precision bf16 is not train.precision=bf16"
}

bad_images() {
  head -c 300 images/test/star/00000.jpg >cut.jpg
  expect_exit 2 "$BIN/vim_predict" --weights "$WEIGHTS" --json bad.json \
    images/test/star/00000.jpg none.jpg images/test/star/00001.jpg cut.jpg images
  expect_equal "$(wc -l <err)" 3 "lines of errors"
  expect_line err '^error: none.jpg: cannot be read: No such file or directory; check the file'
  expect_line err '^error: cut.jpg: cannot be decoded: .+; give a whole JPEG or PNG file'
  expect_line err '^error: images: cannot be read: Is a directory; check'
  expect_equal "$(wc -l <out)" 2 "lines of predictions"
  expect_line out '^images/test/star/00001.jpg: [a-z]'
  expect_line bad.json '"error": "none.jpg: cannot be read'
  expect_equal "$(query bad.json images 2 image)" images/test/star/00001.jpg
}

mistakes() {
  local image=images/test/star/00004.jpg
  expect_error '^error: none.safetensors: cannot read' \
    "$BIN/vim_predict" --weights none.safetensors "$image"
  expect_error '^error: .*--top.*; see vim_predict --help' \
    "$BIN/vim_predict" --weights "$WEIGHTS" --top 0 "$image"
  expect_error '^error: .*IMAGE.*; see vim_predict --help' "$BIN/vim_predict" --weights "$WEIGHTS"
  expect_exit 0 "$BIN/vim_eval" --weights "$WEIGHTS" --dump-logits bare.safetensors
  expect_error '^error: bare.safetensors: carries no configuration, and .* no preset' \
    "$BIN/vim_predict" --weights bare.safetensors "$image"
  expect_error '^error: data.num_classes: auto, but the weights carry no class names' \
    "$BIN/vim_predict" --weights bare.safetensors --config "$CONFIG" "$image"
}

make_images
expect_exit 0 "${TRAIN[@]}" --output run --set train.epochs=2
WEIGHTS=$(newest_checkpoint run)
agrees_with_evaluation
line_and_json
batches_and_precision
bad_images
mistakes
