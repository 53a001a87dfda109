#!/usr/bin/env bash
# vim_data verify finds what is wrong with a folder of images, stats gives the mean and deviation of
# its colours, both going on after an interruption; preview draws what the loader makes of them.
# shellcheck source-path=SCRIPTDIR source=e2e.sh
source "$(dirname "${BASH_SOURCE[0]}")/e2e.sh"

DATA=$BIN/vim_data

# value FILE KEY...: a value of a JSON file.
value() {
  local file=$1
  shift
  cat >value.cmake <<'CMAKE'
file(READ "${FILE}" text)
string(JSON value GET "${text}" ${KEYS})
message("${value}")
CMAKE
  cmake -D FILE="$file" -D KEYS="$(printf '%s;' "$@" | sed 's/;$//')" -P value.cmake 2>&1
}

# 20 sound images, two of them the same under two labels, and five that are not.
make_odd_images() {
  local first second
  cp -r images/test odd
  mapfile -t files < <(find odd -name '*.jpg' | sort)
  rm "${files[@]:20}"
  find odd -type d -empty -delete
  first=${files[0]}
  second=${files[19]}
  cp "$first" "$(dirname "$second")/same.jpg"
  head -c 600 "$first" >odd/circle/cut.jpg
  head -c 20 "$first" >odd/circle/short.jpg
  : >odd/circle/empty.jpg
  : >odd/circle/void.jpg
  printf 'no image, but a text' >odd/circle/text.JPEG
  printf 'P6\n2 1\n255\nabcdef' >odd/circle/other_format.JPEG
}

finds_bad_images() {
  expect_exit 0 "$DATA" verify images/test --json clean.json
  expect_line out '^bad +0$'
  expect_line out '^50 images in [0-9.]+ s, [0-9.]+ img/s$'
  expect_equal "$(value clean.json images) $(value clean.json formats jpeg)" '50 50'
  expect_equal "$(value clean.json bad)" '[]'
  expect_exit 2 "$DATA" verify odd --threads 1 --json odd.json
  expect_line err '^error: odd: 5 of 27 images are bad; replace or remove them, or train with '
  expect_line out '^bad +5$'
  expect_line out '^  odd/circle/cut.jpg: Premature end of JPEG file$'
  expect_line out '^  odd/circle/short.jpg: Premature end of JPEG file$'
  expect_line out '^  odd/circle/empty.jpg: the file is empty$'
  expect_line out '^  odd/circle/text.JPEG: not an image'
  expect_equal "$(value odd.json bad 3 name)" odd/circle/text.JPEG
  expect_equal "$(value odd.json formats netpbm) $(value odd.json formats unknown)" '1 3'
  expect_equal "$(value odd.json smallest name)" odd/circle/other_format.JPEG
  expect_equal "$(value odd.json smallest height) $(value odd.json smallest width)" '1 2'
  expect_line out '^duplicates +1 groups$'
  expect_line out '^  [0-9a-f]{16} under different labels$'
  expect_equal "$(value odd.json duplicates 0 several_labels)" ON
  expect_equal "$(value odd.json duplicates 0 images 1 name)" "$(find odd -name same.jpg)"
  cp out one_thread
  expect_exit 2 "$DATA" verify odd --threads 3 --json three.json
  cmp odd.json three.json || fail "the findings depend on the number of threads"
  diff <(head -n -1 one_thread) <(head -n -1 out) || fail "the text depends on the threads"
  expect_no_file verify.odd.state
}

# 3000 links to ten images larger than those of other tests: enough to be interrupted.
make_many_images() {
  local class
  expect_exit 0 "$DATA" make-shapes large --size 128 --train-per-class 1 --test-per-class 1
  mkdir many
  for ((class = 0; class < 300; ++class)); do cp -rl large/train "many/$class"; done
}

# goes_on COMMAND: stopped by a signal and run again, it finds what it finds in one go.
goes_on() {
  local visited
  rm -f parts.json
  expect_exit 0 "$DATA" "$1" many --json whole.json
  expect_no_file "$1.many.state"
  start "$DATA" "$1" many --json parts.json
  wait_until test -e "$1.many.state"
  stop INT
  expect_equal "$CODE" 75 "exit status after SIGINT"
  visited=$(sed -nE 's/^.*stopped after ([0-9]+) of 3000 images; run this again to go on$/\1/p' err)
  [ "$visited" -gt 0 ] || fail "no image was done before the signal came"
  expect_file "$1.many.state"
  expect_no_file parts.json
  expect_error "^error: $1.many.state: was left by $1[0-9 ]* over other images" \
    "$DATA" "$1" images/test --state "$1.many.state"
  expect_exit 0 "$DATA" "$1" many --json parts.json
  expect_line err "$1.many.state: going on after $visited images"
  expect_line out "^$((3000 - visited)) images in "
  cmp whole.json parts.json || fail "$1: other findings after an interruption"
  expect_no_file "$1.many.state"
}

# Two pictures of four pixels as netpbm files: red 0, 255, 51, 102, green 10, 10, 10, 110 and blue
# 255, 255, 255, 0 make means of 0.4, 35 / 255 and 3 / 4.
colours() {
  mkdir -p tiny/a tiny/b
  printf 'P3\n2 1\n255\n0 10 255 255 10 255\n' >tiny/a/1.ppm
  printf 'P3\n1 2\n255\n51 10 255 102 110 0\n' >tiny/b/2.ppm
  expect_exit 0 "$DATA" stats tiny --img-size 16 --json tiny.json
  expect_line out '^#   mean: \[0.400000, 0.137255, 0.750000\]$'
  expect_line out '^#   std: \[0.374166, 0.169809, 0.433013\]$'
  expect_line out '^augment:$'
  expect_line out '^  mean: \[0\.[0-9]{6}, 0\.[0-9]{6}, 0\.[0-9]{6}\]$'
  expect_equal "$(value tiny.json whole pixels) $(value tiny.json view pixels)" '4 512'
  : >tiny/b/empty.ppm
  expect_exit 0 "$DATA" stats tiny --img-size 16 --json left_out.json
  expect_line err 'tiny/b/empty.ppm: left out: the file is empty$'
  expect_line out '^# without 1 bad images$'
  expect_line out '^#   mean: \[0.400000, 0.137255, 0.750000\]$'
  expect_equal "$(value left_out.json bad)" 1
}

# What stats prints of the views is a configuration that vim_train takes.
colours_of_a_recipe() {
  local mean_of_red
  expect_exit 0 "$DATA" stats images/train --img-size 32 --threads 1 --json one.json
  sed -n '/^augment:/,/^  std:/p' out >colours.yaml
  mean_of_red=$(sed -nE 's/^  mean: (\[0\.[0-9]+[1-9])0*, .*/\1/p' colours.yaml)
  expect_exit 0 "$DATA" stats images/train --img-size 32 --threads 5 --json five.json
  cmp one.json five.json || fail "stats depend on the number of threads"
  expect_exit 0 "$BIN/vim_train" --config colours.yaml --print-config
  # The configuration is printed with as many digits as its numbers need.
  expect_line out "^  mean: \\$mean_of_red, "
}

# The sheet is the same for any number of workers, and another one for another epoch.
sheet() {
  local preview=("$DATA" preview --config "$CONFIG")
  expect_exit 0 "${preview[@]}" sheet.png --count 20
  expect_line out '^sheet.png: epoch 0, 20 images$'
  expect_exit 0 "${preview[@]}" workers.png --count 20 --set data.workers=3
  cmp sheet.png workers.png || fail "the sheet depends on the number of workers"
  expect_exit 0 "${preview[@]}" epoch.png --count 20 --epoch 1
  if cmp -s sheet.png epoch.png; then fail "epochs 0 and 1 give the same sheet"; fi
  # What training does to a batch is on the sheet: its erasing, its mixing, in groups of mix_group.
  local key
  for key in erase_prob=0 erase_mode=const mix_prob=0 mix_switch_prob=1 mix_group=8; do
    expect_exit 0 "${preview[@]}" other.png --count 20 --set "augment.$key"
    if cmp -s sheet.png other.png; then fail "augment.$key leaves the sheet as it was"; fi
  done
  mkdir -p sheets/one
  cp sheet.png sheets/one
  # Rows of five tiles of 32 x 32 pixels, four times enlarged, 8 pixels apart.
  expect_exit 0 "$DATA" verify sheets --json sheets.json
  expect_equal "$(value sheets.json smallest width)" $((8 + 5 * (4 * 32 + 8)))
  # 200 images are 12 batches of 16; the rest of the epoch is left out.
  expect_exit 0 "${preview[@]}" all.png --count 4096
  expect_line out '^all.png: epoch 0, 192 images$'
  expect_error '^error: sheet.jpg: is not the name of a PNG file; let it end in .png' \
    "${preview[@]}" sheet.jpg
  expect_error '^error: --config is required; see vim_data --help' "$DATA" preview sheet.png
  expect_error '^error: no/such: no such folder' "${preview[@]}" x.png --set data.path=no/such
  expect_no_file x.png
}

shows_progress_on_a_terminal() {
  script -qec "$DATA verify images/test" typescript </dev/null >/dev/null
  tr '\r' '\n' <typescript >lines
  expect_line lines '^verify: 50 of 50 img \(100 %\), [0-9.]+ img/s, 0 s left'
}

mistakes() {
  expect_error '^error: PATH is required; see vim_data --help' "$DATA" verify
  expect_error '^error: no/such: no such folder' "$DATA" verify no/such
  expect_error '^error: --format zip: is unknown; use ' "$DATA" verify odd --format zip
}

make_images
make_odd_images
finds_bad_images
make_many_images
goes_on verify
goes_on stats
colours
colours_of_a_recipe
sheet
shows_progress_on_a_terminal
mistakes
