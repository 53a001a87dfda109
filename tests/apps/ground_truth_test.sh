#!/usr/bin/env bash
# vim_eval's tables and other ground truths: per-class accuracy and confusion add up to the top-1,
# label files count as their lines say, folders of numbers are class numbers.
# shellcheck source-path=SCRIPTDIR source=e2e.sh
source "$(dirname "${BASH_SOURCE[0]}")/e2e.sh"

# field FILE KEY: the value of a key in a JSON file.
field() { sed -nE "s/^ *\"$2\": (.*[^,]),?\$/\1/p" "$1"; }

# evaluate NAME ARGUMENT...: writes NAME.json.
evaluate() { expect_exit 0 "$BIN/vim_eval" --weights "$WEIGHTS" --json "$1.json" "${@:2}"; }

# expect_same_figures A B: two JSON files agree, except for time and the ground truth's name.
expect_same_figures() {
  diff <(grep -vE 'img_s|ground_truth' "$1") <(grep -vE 'img_s|ground_truth' "$2") >&2 ||
    fail "$1 and $2 differ"
}

tables() {
  local right diagonal
  evaluate folders --per-class classes.csv --confusion confusion.csv
  expect_equal "$(field folders.json ground_truth)" '"folders"'
  expect_equal "$(field folders.json counted)" 50
  expect_equal "$(head -n 1 classes.csv)" "class,name,images,right1,right5,acc1,acc5"
  expect_equal "$(cut -d, -f2 classes.csv | tail -n +2)" "$(ls images/test)" "as class names"
  right=$(awk -F, 'NR > 1 { sum += $4 } END { print sum + 0 }' classes.csv)
  diagonal=$(awk -F, 'NR > 1 { sum += $NR } END { print sum + 0 }' confusion.csv)
  expect_equal "$diagonal" "$right" "right images in the confusion matrix"
  expect_equal "$(awk -F, 'NR > 1 { for (i = 2; i <= NF; ++i) sum += $i } END { print sum }' \
    confusion.csv)" 50 "images in the confusion matrix"
  expect_equal "$(field folders.json top1 | sed 's/[.].*//')" "$((2 * right))" "top-1 in percent"
  for batch in 1 7 64; do
    evaluate "batch_$batch" --set "train.eval_batch=$batch" --per-class "batch_$batch.csv"
    cmp classes.csv "batch_$batch.csv" || fail "another batch size, other counts"
  done
}

# Lines that say what the folders say, by name and by number; then less.
label_file() {
  local image number=0
  for folder in images/test/*; do
    for image in "$folder"/*; do
      printf '%s %s\n' "${image#images/test/}" "$(basename "$folder")" >>names.txt
      printf '%s,%s\n' "${image#images/}" "$number" >>numbers.csv
      printf '[%s],' "$number" >>list
    done
    number=$((number + 1))
  done
  evaluate by_name --labels names.txt --per-class by_name.csv
  cmp classes.csv by_name.csv || fail "lines that repeat the folders give other counts"
  expect_line out '^ema weights on 50 images, 50 counted by names.txt: top-1 [0-9.]+ %, top-5 '
  expect_equal "$(field by_name.json loss)" null
  expect_equal "$(field by_name.json top1)" "$(field folders.json top1)" "as top-1"
  expect_equal "$(field by_name.json ground_truth)" '"names.txt"'
  evaluate by_number --labels numbers.csv
  expect_same_figures by_name.json by_number.json

  sed 's/$/ 0 1 2 3 4 5 6 7 8 9/' names.txt >any.txt
  evaluate any --labels any.txt
  expect_equal "$(field any.json top1)" 100.0 "top-1 where every class is right"
  sed '1,20s/ .*//' names.txt >fewer.txt
  evaluate fewer --labels fewer.txt
  expect_equal "$(field fewer.json counted)" 30 "images with a label"
  expect_equal "$(field fewer.json count)" 50
}

# As ImageNet-ReaL: entry i belongs to the validation image of number i + 1.
validation_list() {
  local number=0 image
  mkdir -p flat/images
  for image in images/test/*/*; do
    number=$((number + 1))
    cp "$image" "flat/images/ILSVRC2012_val_$(printf %08d "$number").JPEG"
  done
  printf '[%s]' "$(sed 's/,$//' list)" >real.json
  evaluate list --labels real.json --set data.val_path=flat
  expect_same_figures by_name.json list.json
  sed 's/^\[\[0\]/[[]/' real.json >empty.json
  evaluate list --labels empty.json --set data.val_path=flat
  expect_equal "$(field list.json counted)" 49 "images whose list is not empty"
}

# Folder names that are no class names but numbers mean class numbers.
numeric_folders() {
  local number=9 folder
  for folder in $(find images/test -mindepth 1 -type d | sort -r); do
    mkdir -p numbers
    cp -r "$folder" "numbers/$number"
    number=$((number - 1))
  done
  evaluate numeric --set data.val_path=numbers
  expect_same_figures folders.json numeric.json
  mkdir -p wide
  cp -r numbers/2 wide/2
  cp -r numbers/3 wide/03
  evaluate wide --set data.val_path=wide --class-order numeric --per-class wide.csv
  expect_equal "$(awk -F, '$3 == 5 { print $1 }' wide.csv | tr '\n' ' ')" "2 3 "
  mv wide/2 wide/10
  expect_error '^error: wide: its class 10 is no number from 0 to 9' \
    "$BIN/vim_eval" --weights "$WEIGHTS" --set data.val_path=wide
  mv wide/10 wide/moon
  expect_error '^error: wide: its class 03 is none of the 10 that the weights know' \
    "$BIN/vim_eval" --weights "$WEIGHTS" --set data.val_path=wide
  evaluate text --set data.val_path=wide --class-order text
}

mistakes() {
  local eval=("$BIN/vim_eval" --weights "$WEIGHTS")
  { cat names.txt; echo "moon/1.jpg 0"; } >unknown.txt
  expect_error '^error: unknown.txt:51: there is no image moon/1.jpg' \
    "${eval[@]}" --labels unknown.txt
  sed '7s/ .*/ moon/' names.txt >class.txt
  expect_error '^error: class.txt:7: there is no class moon' "${eval[@]}" --labels class.txt
  sed 7d names.txt >missing.txt
  expect_error '^error: missing.txt: has no line for images/test/' "${eval[@]}" --labels missing.txt
  expect_error '^error: none.txt: cannot be read' "${eval[@]}" --labels none.txt
}

make_images
expect_exit 0 "${TRAIN[@]}" --output run --set train.epochs=3
WEIGHTS=$(newest_checkpoint run)
tables
label_file
validation_list
numeric_folders
mistakes
