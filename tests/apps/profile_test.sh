#!/usr/bin/env bash
# vim_train --profile writes a trace of some steps in Chrome's format, whatever ends the run.
# shellcheck source-path=SCRIPTDIR source=e2e.sh
source "$(dirname "${BASH_SOURCE[0]}")/e2e.sh"

# num_events FILE: of a trace that must be JSON.
num_events() {
  cat >parse.cmake <<'CMAKE'
file(READ "${FILE}" text)
string(JSON count LENGTH "${text}" traceEvents)
message("${count}")
CMAKE
  cmake -D FILE="$1" -P parse.cmake 2>&1
}

# Two micro-batches a step.
traced_run() {
  local name
  expect_exit 0 "${TRAIN[@]}" --output run --set train.epochs=2 --set train.eval_interval=0 \
    --profile trace.json --profile-steps 3
  expect_line err 'trace.json: trace of 3 steps$'
  (($(num_events trace.json) > 100)) || fail "trace.json: hardly any events"
  for name in "wait for data" forward loss backward; do
    expect_equal "$(grep -c "\"name\": \"$name\"" trace.json)" 6 "ranges $name"
  done
  for name in clip optimizer ema; do
    expect_equal "$(grep -c "\"name\": \"$name\"" trace.json)" 3 "ranges $name"
  done
  expect_line trace.json '"name": "aten::'
}

mistakes() {
  expect_error '^error: images: ' "${TRAIN[@]}" --output other --profile images
  expect_error '^error: .*--profile-steps.*; see vim_train --help' \
    "${TRAIN[@]}" --output other --profile trace.json --profile-steps 0
  expect_no_file other
}

# A run that has nothing to do says that there is nothing to see.
nothing_to_trace() {
  expect_exit 0 "${TRAIN[@]}" --output run --set train.epochs=2 --resume auto --profile empty.json
  expect_line err 'empty.json: holds no steps: the run ended before the trace began'
  expect_equal "$(num_events empty.json)" 0 "events"
}

make_images
traced_run
mistakes
nothing_to_trace
