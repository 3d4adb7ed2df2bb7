#!/usr/bin/env bash
# labels: quick
# The house's order: a room includes lower floors only, siblings never; outside libraries stay in their room; files stay small; public
# headers say what they are. Plants a violation of every rule in a copy first, so that a rule which no longer bites is noticed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

rules=$PWD/tests/lint/floors.awk
# violations ROOT
violations() (
  cd "$1"
  find . \( -path ./build -o -path ./data -o -path ./.git \) -prune -o -type f \( -name '*.[ch]pp' -o -name '*.cu' -o -name '*.cuh' \
    -o -name '*.sh' -o -name '*.py' -o -name '*.cmake' \) -printf '%P\n' | sort | xargs awk -f "$rules"
)

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
# plant FILE TEXT: in a fresh copy, FILE gets TEXT in front; the rules must then object to FILE and to nothing else
plant() {
  local file=$1 text=$2 found
  rm -rf "$copy/tree"
  mkdir -p "$copy/tree/$(dirname "$file")"
  { printf '%b\n' "$text"; cat "$file" 2>/dev/null || true; } >"$copy/tree/$file"
  found=$(violations "$copy/tree")
  [[ $found == "$file:"* ]] || { echo "floors: this was planted in $file and not found: ${text:0:60}"; exit 1; }
}
plant src/base/planted.cpp '#include <m2mkd/config/keys.hpp>'
plant src/store/planted.cpp '#include <m2mkd/comm/session.hpp>'
plant src/nn/planted.cpp '#include "m2mkd/data/loader.hpp"'
plant src/check/planted.cpp '#include <m2mkd/report/summary.hpp>'
plant src/plan/planted.cpp '#include <m2mkd/run/build.hpp>'
plant src/nn/cpu/planted.cpp '  #  include <m2mkd/train/trainer.hpp>'
plant src/plan/planted.cpp '#include "../train/private.hpp"'
plant include/m2mkd/train/planted.hpp '#pragma once\n// A comment.\n#include <mpi.h>'
plant src/train/planted.cpp '#include <nccl.h>'
plant jobs/planted.cpp '#include <hdf5.h>'
plant src/plan/planted.cpp '#include <boost/program_options.hpp>'
plant src/nn/planted.cpp '#include <jpeglib.h>'
plant src/train/planted.cpp '#include <turbojpeg.h>'
plant src/nn/planted.cpp '#include <ATen/cuda/CUDAContext.h>'
plant src/train/planted.cpp '#include <cuda_runtime.h>'
plant src/nn/planted.cpp "$(printf '// line\\n%.0s' {1..501})"
plant include/m2mkd/nn/planted.hpp '// A comment, but no guard.'
plant include/m2mkd/nn/planted.hpp '#pragma once\nint x;'

found=$(violations .)
if [[ -n $found ]]; then
  echo "$found"
  echo "floors: base < config < comm, store < data, nn < train < plan < run, convert < check, report < jobs; see docs/contributing.md"
  exit 1
fi
echo "floors: $(find include src jobs data_prep -name '*.[ch]pp' | wc -l) files keep the order"
