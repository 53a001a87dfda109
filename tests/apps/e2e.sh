# Sourced by the end-to-end tests, each called as TEST.sh BIN_DIR WORK_DIR: an empty work folder to
# run in, and expectations. A command's output lands in the files out and err there.
# shellcheck shell=bash
set -euo pipefail

BIN=$(realpath "$1")
SOURCE=$(realpath "$(dirname "${BASH_SOURCE[0]}")")
CONFIG=$SOURCE/tiny.yaml
TRAIN=("$BIN/vim_train" --config "$CONFIG")
if [ -n "$(ls -A "$2" 2>/dev/null)" ] && ! [ -e "$2/.e2e" ]; then
  printf 'error: %s: is not empty; give another work folder\n' "$2" >&2
  exit 2
fi
rm -rf "$2"
mkdir -p "$2"
cd "$2"
touch .e2e # this folder may be emptied again
export TRAIN OMP_NUM_THREADS=1

# fail TEXT: ends the test, showing what the last command printed.
fail() {
  printf 'FAIL: %s\n' "$*" >&2
  tail -n 20 out err >&2 2>/dev/null || true
  exit 1
}

# The 200 training and 50 test images of tiny.yaml.
make_images() {
  expect_exit 0 "$BIN/vim_data" make-shapes images --train-per-class 20 --test-per-class 5
}

# expect_exit CODE COMMAND...: runs the command and compares its exit status.
expect_exit() {
  local expected=$1 code=0
  shift
  "$@" >out 2>err || code=$?
  if [ "$code" != "$expected" ]; then fail "$*: exit status $code, expected $expected"; fi
}

# expect_line FILE REGEX: some line matches. expect_no_line: none does.
expect_line() { grep -qE -e "$2" "$1" || fail "$1: no line matches $2"; }
expect_no_line() { if grep -qE -e "$2" "$1"; then fail "$1: a line matches $2"; fi; }

# expect_error REGEX COMMAND...: the command ends with status 2, one message that begins with
# "error: " and matches, and nothing on standard output. expect_errors COUNT REGEX COMMAND...: the
# same with COUNT messages, one of which matches.
expect_error() { expect_errors 1 "$@"; }
expect_errors() {
  local count=$1 regex=$2
  shift 2
  expect_exit 2 "$@"
  expect_line err "$regex"
  expect_equal "$(grep -c '^error: ' err)" "$count" "messages of $*"
  if [ -s out ]; then fail "$*: a mistake must leave standard output empty"; fi
}

expect_equal() { if [ "$1" != "$2" ]; then fail "expected '$2', got '$1' ${3:-}"; fi; }
expect_file() { [ -e "$1" ] || fail "$1: is not there"; }
expect_no_file() { if [ -e "$1" ]; then fail "$1: must not be there"; fi; }

# metrics.csv without what depends on the clock.
timeless_metrics() { cut -d, -f1-5,8 "$1/metrics.csv"; }

# expect_same_run A B: two run folders agree in every byte, times left out.
expect_same_run() {
  diff -r "$1/checkpoints" "$2/checkpoints" >&2 || fail "checkpoints of $1 and $2 differ"
  diff "$1/log.txt" "$2/log.txt" >&2 || fail "log.txt of $1 and $2 differ"
  diff <(timeless_metrics "$1") <(timeless_metrics "$2") >&2 || fail "metrics.csv differ"
}

# start COMMAND...: runs it in the background, as process $RUN, with its output in out and err.
start() {
  "$@" >out 2>err &
  RUN=$!
}

# wait_until COMMAND...: until it succeeds. Fails if the process $RUN ends before.
wait_until() {
  while ! "$@" 2>/dev/null; do
    kill -0 "$RUN" 2>/dev/null || "$@" 2>/dev/null || fail "the run ended before: $*"
    sleep 0.01
  done
}

# has_step DIR STEP: the run has done that step or a later one.
has_step() { [ -e "$1/metrics.csv" ] && (($(logged_step "$1") >= $2)); }

# stop SIGNAL: sends it to the process $RUN and sets CODE to its exit status.
stop() {
  kill "-$1" "$RUN" 2>/dev/null || true
  CODE=0
  wait "$RUN" 2>/dev/null || CODE=$?
}

# interrupt SIGNAL DIR COMMAND...: resumes the run in DIR and sends the signal as soon as the
# command succeeds; CODE is its exit status. If the run was done before the signal came, DIR is put
# back as it was for another try.
interrupt() {
  local signal=$1 dir=$2
  shift 2
  mkdir -p "$dir"
  rm -rf before
  cp -r "$dir" before
  for _ in 1 2 3 4 5; do
    start "${TRAIN[@]}" --output "$dir" --resume auto
    wait_until "$@"
    stop "$signal"
    if [ "$CODE" != 0 ]; then return; fi
    rm -rf "$dir"
    cp -r before "$dir"
  done
  fail "five runs in a row were done before SIG$signal came"
}

newest_checkpoint() { find "$1/checkpoints" -name 'step_*.safetensors' | sort | tail -n 1; }

# Steps done according to the newest checkpoint, and to metrics.csv; 0 if there is none.
saved_step() {
  local name
  name=$(basename "$(newest_checkpoint "$1")" .safetensors)
  printf '%d\n' "$((10#${name#step_}))"
}
logged_step() { awk -F, '$1 + 0 > step { step = $1 + 0 } END { print step + 0 }' "$1/metrics.csv"; }
