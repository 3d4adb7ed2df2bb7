#!/usr/bin/env bash
# Configures and builds one preset of CMakePresets.json; a moment where nothing changed.   cmake/build.sh PRESET [target...]
# TORCH_ROOT names a LibTorch of your own; M2MKD_BUILD_JOBS limits the compilers that run at once (2 GB of memory each).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
preset=$1
shift
jobs=${M2MKD_BUILD_JOBS:-$(env -u OMP_NUM_THREADS nproc)}
log=build/configure.$preset.log
mkdir -p build
if ! cmake --preset "$preset" ${TORCH_ROOT:+-D "TORCH_ROOT=$TORCH_ROOT"} >"$log" 2>&1; then
  cat "$log" >&2
  echo "build: configuring preset $preset failed; if a package is missing, cmake/setup.sh installs or lists it" >&2
  exit 1
fi
cmake --build --preset "$preset" -j "$jobs" ${1:+--target "$@"}
