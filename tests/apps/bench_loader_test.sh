#!/usr/bin/env bash
# vim_bench loader measures the data pipeline on an image folder and writes what it printed as JSON.
# shellcheck source-path=SCRIPTDIR source=e2e.sh
source "$(dirname "${BASH_SOURCE[0]}")/e2e.sh"

LOADER=("$BIN/vim_bench" loader --repeats 1)
KEYS='threads decode decode_full_img_s train_plain_img_s train_recipe_img_s eval_img_s
  plain_ratio recipe_ratio eval_ratio'

# entry FILE PLACE KEY: a value of that place in the results.
entry() {
  cat >entry.cmake <<'CMAKE'
file(READ "${FILE}" text)
string(JSON value GET "${text}" results "${PLACE}" "${KEY}")
message("${value}")
CMAKE
  cmake -D FILE="$1" -D PLACE="$2" -D KEY="$3" -P entry.cmake 2>&1
}

all_figures() {
  local key
  find . | sort >before
  expect_exit 0 "${LOADER[@]}" --data images/test --threads 1,3 --json both.json
  expect_line out '^50 images on [0-9]+ cores, .*; images a second'
  for key in '1  exact' '1  fast' '3  exact' '3  fast'; do
    expect_equal "$(grep -cE "^ +$key +[0-9.]+( +[0-9.]+ [0-9.]+){3}$" out)" 1 "lines of $key"
  done
  for key in $KEYS; do
    expect_equal "$(grep -c "^ *\"$key\": " both.json)" 4 "results with $key"
  done
  expect_line both.json '"images": 50,'
  expect_line both.json '"device": "[0-9]+ cores, '
  expect_equal "$(entry both.json 2 threads) $(entry both.json 2 decode)" '3 exact'
  awk -v bare="$(entry both.json 0 decode_full_img_s)" -v eval="$(entry both.json 0 eval_img_s)" \
    -v ratio="$(entry both.json 0 eval_ratio)" \
    'BEGIN { off = ratio * bare / eval - 1; exit !(eval > 0 && off < 1e-6 && off > -1e-6) }' ||
    fail "eval_ratio is not evaluation / bare decoder"
  find . ! -name both.json ! -name out ! -name err ! -name entry.cmake | sort >after
  diff <(grep -vxE './(out|err|before)' before) <(grep -vxE './(before|after)' after) ||
    fail "the benchmark has left files behind"
}

one_way_of_decoding() {
  expect_exit 0 "${LOADER[@]}" --data images/test --threads 2 --decode fast --json fast.json
  expect_equal "$(grep -c '"decode": "fast"' fast.json)" 1 "results with decode: fast"
  expect_no_line fast.json '"exact"'
}

mistakes() {
  expect_error '^error: --data is required; see vim_bench --help' "$BIN/vim_bench" loader
  expect_error '^error: no/such: no such folder' "${LOADER[@]}" --data no/such
  expect_error '^error: .*--threads.*; see vim_bench --help' \
    "${LOADER[@]}" --data images/test --threads 1,0
  expect_error '^error: .*--decode.*; see vim_bench --help' \
    "${LOADER[@]}" --data images/test --decode quick
  mkdir -p bad/class
  head -c 300 "$(find images/test -name '*.jpg' | sort | head -n 1)" >bad/class/cut.jpg
  expect_error '^error: bad/class/cut.jpg: cannot be decoded; replace or remove it' \
    "${LOADER[@]}" --data bad
}

make_images
all_figures
one_way_of_decoding
mistakes
