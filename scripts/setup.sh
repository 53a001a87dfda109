#!/usr/bin/env bash
# Installs what a build needs and records where it lies. Safe to run again: what is there is kept.
#
#   scripts/setup.sh [--profile auto|cpu|cuda] [--checks]
#
#   --profile   cpu:  LibTorch for the CPU; CUDA kernels are compiled but no program needs a driver
#               cuda: LibTorch with CUDA
#               auto: cuda where an NVIDIA device is present, else cpu
#               Left out: what this tree was set up with before, else auto.
#   --checks    also install what the repository checks use (clang-format, shellcheck)
#
# Environment:
#   VIM_DEPS_DIR   where downloads are unpacked (default: .deps in this tree); clones may share it
#   VIM_TORCH_DIR  your own LibTorch (the folder holding include/ and lib/) instead of a download;
#                  remembered, until it is given empty
#   CUDACXX        the nvcc to use instead of the one that is found
# shellcheck source-path=SCRIPTDIR source=prelude.sh
source "$(dirname "${BASH_SOURCE[0]}")/prelude.sh"
# shellcheck source-path=SCRIPTDIR source=versions.env
source "$ROOT/scripts/versions.env"
# shellcheck source-path=SCRIPTDIR source=setup_wheels.sh
source "$ROOT/scripts/setup_wheels.sh"

deps=${VIM_DEPS_DIR:-$(recorded deps)}
deps=$(absolute "${deps:-$ROOT/.deps}")
profile=
packages=$VIM_APT_PACKAGES

step() { say "[$1/5] $2"; }

parse_arguments() {
  while [ $# -gt 0 ]; do
    case $1 in
      --profile) profile=${2:-}; shift ;;
      --profile=*) profile=${1#*=} ;;
      --checks) packages="$packages $VIM_APT_CHECKS" ;;
      -h | --help) usage; exit 0 ;;
      *) fail "unknown argument '$1'" "see scripts/setup.sh --help" ;;
    esac
    shift
  done
}

choose_profile() {
  if [ -z "$profile" ]; then profile=$(recorded profile); fi
  case ${profile:-auto} in
    auto)
      profile=cpu
      if [ -e /dev/nvidiactl ] || [ -e /dev/nvidia0 ]; then profile=cuda; fi
      ;;
    cpu | cuda) ;;
    *) fail "unknown profile '$profile'" "choose auto, cpu or cuda" ;;
  esac
  step 1 "profile $profile, dependencies in $deps"
}

missing_packages() {
  local package
  for package in $packages; do
    dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
      say "$package"
  done
}

install_packages() {
  step 2 "system packages"
  if ! command -v dpkg-query >/dev/null; then
    say "  no dpkg here; the build needs the equivalents of: ${packages//$'\n'/ }"
    return
  fi
  local missing as_root=()
  mapfile -t missing < <(missing_packages)
  if [ ${#missing[@]} -eq 0 ]; then say "  all there"; return; fi
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null ||
      fail "these packages are missing and there is no sudo" \
        "as root: apt-get update && apt-get install --no-install-recommends ${missing[*]}"
    as_root=(sudo)
  fi
  say "  installing (a minute or two): ${missing[*]}"
  "${as_root[@]}" apt-get -qq update
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq -o Dpkg::Use-Pty=0 install -y --no-install-recommends "${missing[@]}" >/dev/null
}

# usable_nvcc PATH: an nvcc new enough, with the headers and libraries of its toolkit around it.
usable_nvcc() {
  [ -x "$1" ] || return 1
  local version oldest
  version=$("$1" --version | sed -n 's/.*release \([0-9.]*\),.*/\1/p')
  oldest=$(printf '%s\n' "$VIM_NVCC_MINIMUM" "$version" | sort -V | head -n 1)
  [ "$oldest" = "$VIM_NVCC_MINIMUM" ] &&
    [ -e "$(dirname "$(realpath "$1")")/../include/cuda_runtime.h" ]
}

find_nvcc() {
  step 3 "CUDA compiler"
  local candidate
  for candidate in "${CUDACXX:-}" "$(command -v nvcc || true)" /usr/local/cuda/bin/nvcc; do
    if usable_nvcc "$candidate"; then
      nvcc=$candidate
      say "  $nvcc"
      return
    fi
  done
  install_wheels "$deps/nvcc-$VIM_NVCC_VERSION" nvidia/cu13/bin/nvcc 1 "$VIM_NVCC_WHEELS" link_nvcc
  nvcc=$deps/nvcc-$VIM_NVCC_VERSION/nvidia/cu13/bin/nvcc
}

find_torch() {
  step 4 "LibTorch $VIM_TORCH_VERSION ($profile)"
  own_torch=${VIM_TORCH_DIR-$(recorded own_torch)}
  torch=${own_torch:+$(absolute "$own_torch")}
  if [ -n "$torch" ]; then
    [ -e "$torch/lib/libtorch_cpu.so" ] ||
      fail "VIM_TORCH_DIR='$torch' holds no lib/libtorch_cpu.so" \
        "name the right folder, or give it empty: VIM_TORCH_DIR= scripts/setup.sh"
    own_torch=$torch
    say "  your own: $torch"
    return
  fi
  local folder=$deps/torch-$VIM_TORCH_VERSION-$profile
  case $profile in
    cpu) install_wheels "$folder" torch/lib/libtorch_cpu.so 3 "$VIM_CPU_WHEELS" ;;
    cuda) install_wheels "$folder" torch/lib/libtorch_cuda.so 8 "$VIM_CUDA_WHEELS" ;;
  esac
  torch=$folder/torch
}

record() {
  step 5 "writing $TOOLCHAIN"
  mkdir -p "$(dirname "$TOOLCHAIN")"
  write_toolchain >"$TOOLCHAIN.new"
  # An unchanged file keeps its date, so that nothing is configured again.
  cmp -s "$TOOLCHAIN.new" "$TOOLCHAIN" || cp "$TOOLCHAIN.new" "$TOOLCHAIN"
  rm "$TOOLCHAIN.new"
  say "Set up. Configure arguments, which CMakeLists.txt takes from that file by itself:"
  say "  -DVIM_TORCH_DIR=$torch -DCMAKE_CUDA_COMPILER=$nvcc -DVIM_CUDA=$(cuda_mode)"
  say "Next: scripts/build.sh, or by hand: cmake --preset release && cmake --build --preset release"
}

parse_arguments "$@"
trap 'say "setup.sh stopped; mend what is named above and run it again (it goes on from there)"' ERR
choose_profile
install_packages
find_nvcc
find_torch
record
