#!/usr/bin/env bash
# A damaged checkpoint is named and the one before it used, with the same bytes at the end; the last
# ones and the best are kept.
# shellcheck source-path=SCRIPTDIR source=e2e.sh
source "$(dirname "${BASH_SOURCE[0]}")/e2e.sh"

KEEP=3
ARGS=(--set "checkpoint.keep=$KEEP" --set train.epochs=4)

# flip_byte FILE OFFSET: turns all of its bits.
flip_byte() {
  local byte
  byte=$(od -An -tu1 -j "$2" -N1 "$1")
  # shellcheck disable=SC2059 # the octal escape is the format
  printf "\\$(printf '%03o' $((byte ^ 255)))" |
    dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

flip_tensor_byte() { flip_byte "$1" $(($(stat -c %s "$1") - 1000)); }
flip_header_byte() { flip_byte "$1" 100; }
flip_length_byte() { flip_byte "$1" 0; }
cut_in_half() { truncate -s $(($(stat -c %s "$1") / 2)) "$1"; }
empty() { truncate -s 0 "$1"; }

# The runs below go on with the second newest checkpoint.
damage_newest() {
  local damage newest second
  for damage in flip_tensor_byte flip_header_byte flip_length_byte cut_in_half empty; do
    rm -rf damaged
    cp -r whole damaged
    newest=$(newest_checkpoint damaged)
    second=$(find damaged/checkpoints -type f | sort | tail -n 2 | head -n 1)
    "$damage" "$newest"
    expect_exit 0 "${TRAIN[@]}" "${ARGS[@]}" --output damaged --resume auto
    expect_line err "warning $newest: .*; trying the one before"
    expect_line err "resuming from $second"
    expect_same_run whole damaged
  done
}

damage_all() {
  local file newest
  rm -rf damaged
  cp -r whole damaged
  newest=$(newest_checkpoint damaged)
  for file in damaged/checkpoints/*; do flip_tensor_byte "$file"; done
  expect_error 'damaged/checkpoints: none of its checkpoints can be read' \
    "${TRAIN[@]}" "${ARGS[@]}" --output damaged --resume auto
  expect_error "^error: $newest: .*the file is damaged" \
    "${TRAIN[@]}" "${ARGS[@]}" --output other --resume "$newest"
  expect_error "^error: $newest: .*the file is damaged" "$BIN/vim_eval" --weights "$newest"
}

# The epochs' accuracies in log.txt say which checkpoint is the best: that of the first epoch with
# the highest one.
kept_as_told() {
  local best
  best=$(grep -oE '"test_acc1":[0-9.]+' whole/log.txt |
    awk -F: '$2 > highest || NR == 1 { highest = $2; epoch = NR } END { print 12 * epoch }')
  {
    printf 'step_%08d.safetensors\n' 40 45 48 | tail -n "$KEEP"
    printf 'step_%08d.safetensors\n' "$best"
  } | sort -u >expected
  diff <(ls whole/checkpoints) expected || fail "other checkpoints kept than the last and the best"
}

make_images
expect_exit 0 "${TRAIN[@]}" "${ARGS[@]}" --output whole
kept_as_told
damage_newest
damage_all
