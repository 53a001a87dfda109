#!/usr/bin/env bash
# Runs image_pipeline.py once over four small images beside vim_bench, given as VIM_BENCH, where a
# Python with its packages is found, and says so where none is: exit status 77 means skipped.
# Environment: VIM_PEERS_PYTHON, the Python to use; default: python3.
set -euo pipefail
python=${VIM_PEERS_PYTHON:-python3}
if ! "$python" -c 'import timm, torch, torchvision, PIL' 2>/dev/null; then
  printf 'SKIPPED: %s lacks torch, torchvision, timm or Pillow; set VIM_PEERS_PYTHON\n' "$python"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" - "$work/images" <<'PYTHON'
import pathlib
import sys

from PIL import Image

for number in range(4):
    folder = pathlib.Path(sys.argv[1], f"class{number % 2}")
    folder.mkdir(parents=True, exist_ok=True)
    Image.effect_noise((90 + number, 70), 64).convert("RGB").save(folder / f"{number}.jpg")
PYTHON
"$python" "$(dirname "${BASH_SOURCE[0]}")/image_pipeline.py" "$work/images" \
  --against "$1" --repeats 1 --json "$work/figures.json" | tee "$work/table"
for key in pillow_decode_img_s train_plain_img_s train_recipe_img_s eval_img_s; do
  grep -qE "^\| \`$key\` \| [0-9.]+ \| [0-9.]+ \| [0-9.]+ \| [0-9.]+ \| [0-9.]+ \|$" "$work/table"
  grep -q "\"$key\": " "$work/figures.json"
done
