#!/usr/bin/env bash
# Builds the libFuzzer targets with clang and runs each for a number of inputs under the address and
# undefined-behaviour sanitizers; ends at the first finding. Then prints, for each target, how many
# inputs it ran and how many lines of its parsers they reached.
#
#   scripts/fuzz.sh [--runs N] [TARGET...]      default: 100000 inputs for every target
#
# Targets: safetensors, yaml, image, zip, pickle, weights, tar, mat, index. Inputs found are kept in
# build/fuzz/corpus and used again. A finding is written to build/fuzz/findings.
# shellcheck source-path=SCRIPTDIR source=prelude.sh
source "$(dirname "${BASH_SOURCE[0]}")/prelude.sh"

runs=100000
targets=()
while [ $# -gt 0 ]; do
  case $1 in
    --runs) runs=${2:?--runs needs a number}; shift ;;
    -h | --help) usage; exit 0 ;;
    -*) fail "unknown argument '$1'" "see scripts/fuzz.sh --help" ;;
    *) targets+=("$1") ;;
  esac
  shift
done
if [ ${#targets[@]} = 0 ]; then
  targets=(safetensors yaml image zip pickle weights tar mat index)
fi

BUILD=$ROOT/build/fuzz
PROFDATA=$(command -v llvm-profdata-14 || command -v llvm-profdata) || fail "no llvm-profdata"
COV=$(command -v llvm-cov-14 || command -v llvm-cov) || fail "no llvm-cov"

# seeds_of TARGET: the folders of its seeds, as in tests/fuzz/CMakeLists.txt.
seeds_of() {
  say "tests/fuzz/seeds/$1"
  case $1 in
    yaml) say configs ;;
    weights) say tests/fuzz/seeds/safetensors && say tests/golden/pth ;;
  esac
}

# sources_of TARGET: the parsers that its coverage is counted over; writers are left out.
sources_of() {
  case $1 in
    safetensors) say src/weights/{safetensors,safetensors_header}.cpp ;;
    yaml) say src/config/*.cpp ;;
    image)
      say src/data/image/{decode,declared_size,exif,image_format,jpeg_decoder,jpeg_huffman}.cpp ;;
    zip) say src/weights/{zip_archive,zip_directory,byte_cursor,crc32}.cpp ;;
    pickle) say src/weights/{unpickler*,pickle_*}.cpp ;;
    weights)
      say src/weights/{torch_{file,legacy,tensor,types,zip},weight_{file,sets}}.cpp \
        src/weights/{file_kind,official_checkpoint}.cpp ;;
    tar) say src/data/source/{tar_{header,images,reader,source},image_layout,indexed_build}.cpp ;;
    mat) say src/data/source/mat_file.cpp ;;
    index) say src/data/source/image_index{,_writer}.cpp ;;
    *) fail "unknown target '$1'" "see scripts/fuzz.sh --help" ;;
  esac
}

# fuzz TARGET: runs it over its seeds and corpus.
fuzz() {
  local seeds corpus=$BUILD/corpus/$1
  mapfile -t seeds < <(seeds_of "$1")
  mkdir -p "$corpus" "$BUILD/findings"
  LLVM_PROFILE_FILE=/dev/null "$BUILD/bin/$1_fuzz" -runs="$runs" -max_len=16384 -timeout=20 \
    -rss_limit_mb=3000 -print_final_stats=1 -verbosity=1 \
    -artifact_prefix="$BUILD/findings/$1-" "$corpus" "${seeds[@]}" >"$BUILD/$1.log" 2>&1 || {
    tail -n 40 "$BUILD/$1.log"
    fail "$1: a finding" "see $BUILD/$1.log and $BUILD/findings"
  }
}

# lines TARGET: the lines of its parsers that seeds and corpus reach, as "reached of all (share)".
lines() {
  local seeds sources profile=$BUILD/$1.profraw
  mapfile -t seeds < <(seeds_of "$1")
  read -ra sources < <(sources_of "$1")
  LLVM_PROFILE_FILE=$profile "$BUILD/bin/$1_fuzz" -runs=0 "$BUILD/corpus/$1" "${seeds[@]}" \
    >"$BUILD/$1.replay.log" 2>&1
  "$PROFDATA" merge -sparse "$profile" -o "$BUILD/$1.profdata"
  "$COV" report "$BUILD/bin/$1_fuzz" -instr-profile="$BUILD/$1.profdata" "${sources[@]}" \
    >"$BUILD/$1.coverage" 2>/dev/null
  awk '/^TOTAL/ { printf "%d of %d (%s)", $8 - $9, $8, $10 }' "$BUILD/$1.coverage"
}

sources_of "${targets[0]}" >/dev/null
cmake --preset fuzz -DCMAKE_CXX_FLAGS="-fprofile-instr-generate -fcoverage-mapping" >/dev/null
cmake --build build/fuzz --parallel "$(jobs_here)" --target "${targets[@]/%/_fuzz}"
for target in "${targets[@]}"; do
  fuzz "$target"
  executed=$(awk '/number_of_executed_units/ { print $2 }' "$BUILD/$target.log")
  printf '%-12s %9d inputs  lines reached: %s\n' "$target" "$executed" "$(lines "$target")"
done
say "coverage by file: build/fuzz/TARGET.coverage"
