# Sourced by setup.sh: unpacks Python wheels as plain archives, and writes down what was installed.
# shellcheck shell=bash disable=SC2154  # setup.sh sets deps, profile, torch and nvcc

# install_wheels FOLDER PROBE GIGABYTES WHEELS [FINISH]: unpacks WHEELS into FOLDER unless
# FOLDER/PROBE is there. The folder gets its name only when it is complete, so a broken-off download
# starts afresh; one set-up at a time works in a shared VIM_DEPS_DIR.
install_wheels() {
  local folder=$1 probe=$2 gigabytes=$3 wheels=$4 finish=${5:-true}
  if [ -e "$folder/$probe" ]; then say "  $folder"; return; fi
  mkdir -p "$deps"
  exec 9>"$deps/.lock"
  flock -n 9 || { say "  waiting for another set-up in $deps"; flock 9; }
  if [ ! -e "$folder/$probe" ]; then
    download_wheels "$folder" "$gigabytes" "$wheels" "$finish"
  fi
  exec 9>&-
}

download_wheels() {
  local folder=$1 gigabytes=$2 wheels=$3 finish=$4 partial=$1.partial
  check_disk "$gigabytes"
  [ ! -e "$folder" ] || fail "$folder is there but incomplete" "remove it and run this again"
  rm -rf "$partial"
  mkdir -p "$partial/tmp"
  make_venv
  say "  downloading into $folder:"
  say "$wheels" | sed '/[^ ]/!d; s/^ */    /'
  # Unpacked beside its goal: /tmp may be small, and a rename is quicker than a copy.
  # shellcheck disable=SC2086  # the list is meant to be split
  TMPDIR=$partial/tmp "$deps/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    --no-deps --no-cache-dir --no-compile --only-binary=:all: --target "$partial/files" $wheels ||
    fail "pip could not download the wheels" \
      "check the network (pip honours PIP_INDEX_URL, PIP_CERT and https_proxy) and run this again"
  "$finish" "$partial/files"
  mv "$partial/files" "$folder"
  rm -rf "$partial"
}

check_disk() {
  local free
  free=$(($(df -Pk "$deps" | awk 'NR == 2 { print $4 }') / 1048576))
  ((free >= $1)) || fail "$deps has $free GB free, $1 GB are needed" \
    "make room, or set VIM_DEPS_DIR to a folder on another disk"
}

make_venv() {
  if "$deps/venv/bin/python" -m pip --version >/dev/null 2>&1; then return; fi
  local python=/usr/bin/python3
  [ -x "$python" ] || python=python3
  "$python" -m venv --clear "$deps/venv" ||
    fail "python3 cannot make a virtual environment" "install python3-venv and run this again"
}

# link_nvcc FILES: the wheels name libraries libX.so.N in lib/; the linker looks for libX.so in
# lib64/.
link_nvcc() {
  local root=$1/nvidia/cu13 library
  ln -sfn lib "$root/lib64"
  for library in "$root"/lib/*.so.*; do
    ln -sf "$(basename "$library")" "${library%%.so.*}.so"
  done
}

cuda_mode() { if [ "$profile" = cuda ]; then say ON; else say KERNELS; fi; }

write_toolchain() {
  say "# Written by scripts/setup.sh and read by CMakeLists.txt; -D on the command line wins."
  say "# profile: $profile"
  say "# deps: $deps"
  say "# own_torch: $own_torch"
  say 'if(NOT DEFINED Torch_DIR)'
  say "  set(VIM_TORCH_DIR \"$torch\" CACHE PATH \"holds LibTorch's include/ and lib/\")"
  say 'endif()'
  say "set(CMAKE_CUDA_COMPILER \"$nvcc\" CACHE FILEPATH \"nvcc\")"
  say "set(VIM_CUDA $(cuda_mode) CACHE STRING \"OFF, KERNELS or ON\")"
  if [ "$profile" = cpu ]; then
    say '# No device here: one architecture is enough to see that the kernels compile.'
    say 'set(CMAKE_CUDA_ARCHITECTURES 90-real CACHE STRING "CUDA architectures")'
  fi
}
