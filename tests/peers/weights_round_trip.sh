#!/usr/bin/env bash
# Runs weights_round_trip.py where a Python with torch and safetensors is found, and says so where
# none is: exit status 77 means skipped. Arguments as weights_round_trip.py. Environment:
# VIM_PEERS_PYTHON, the Python to use; default: python3.
set -euo pipefail
python=${VIM_PEERS_PYTHON:-python3}
if ! "$python" -c 'import torch, safetensors.torch' 2>/dev/null; then
  printf 'SKIPPED: %s lacks torch or safetensors; set VIM_PEERS_PYTHON to one that has them\n' \
    "$python"
  exit 77
fi
exec "$python" "$(dirname "${BASH_SOURCE[0]}")/weights_round_trip.py" "$@"
