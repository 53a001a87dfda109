#!/usr/bin/env bash
# From a fresh clone to a trained and evaluated small Vision Mamba: sets up, builds the programs,
# draws the `shapes` images, trains on them and evaluates the result. Run again, it goes on where it
# stopped.
#
#   scripts/quickstart.sh [--profile auto|cpu|cuda]
#
# Environment: what scripts/setup.sh and scripts/build.sh read.
# shellcheck source-path=SCRIPTDIR source=prelude.sh
source "$(dirname "${BASH_SOURCE[0]}")/prelude.sh"

IMAGES=data/shapes
RUN=runs/shapes
PROGRAMS=(vim_data_program vim_train_program vim_eval_program)

# step TEXT COMMAND...: says what comes and shows the command, which can be typed as it stands.
step() {
  printf '\n== %s\n' "$1"
  shift
  say "\$ $*"
  "$@"
}

# The folder of images gets its name when it is complete.
draw_images() {
  if [ -d $IMAGES ]; then
    printf '\n== Images: %s is there\n' $IMAGES
    return
  fi
  rm -rf $IMAGES.partial
  step "Drawing the images" build/release/bin/vim_data make-shapes $IMAGES.partial
  mv $IMAGES.partial $IMAGES
}

newest_checkpoint() { find $RUN/checkpoints -name 'step_*.safetensors' | sort | tail -n 1; }

# result WHAT PATH: a line about a result that is there.
result() {
  if [ -e "$2" ]; then printf '%-34s %s\n' "$1:" "$2"; fi
}

show_results() {
  printf '\n== Done\n'
  result "Report, for any browser" $RUN/report.html
  result "Accuracy on the test images" $RUN/eval.json
  result "One line per epoch" $RUN/log.txt
  result "The same as a table" $RUN/metrics.csv
  result "Checkpoints" $RUN/checkpoints
  say "Next: configs/ for the recipes, docs/ for training on your own images."
}

case ${1:-} in -h | --help) usage; exit 0 ;; esac
step "Setting up" scripts/setup.sh "$@"
step "Building the programs" scripts/build.sh release "${PROGRAMS[@]}"
draw_images
step "Training; interrupt it if you like, this script goes on from the last checkpoint" \
  build/release/bin/vim_train --config configs/shapes.yaml --output $RUN --resume auto
step "Evaluating" build/release/bin/vim_eval --weights "$(newest_checkpoint)" --json $RUN/eval.json
show_results
