#!/usr/bin/env bash
# Sets up, builds and runs the tests.   tests/run.sh [ctest arguments]
#
#   tests/run.sh               everything but the tests labelled `slow`
#   tests/run.sh -L slow       those
#   tests/run.sh -R store -V   tests by name, with their output
# M2MKD_PRESET chooses the preset (default release).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
preset=${M2MKD_PRESET:-release}

choice=(-LE slow)
for argument in "$@"; do
  [[ $argument =~ ^(-L|-LE|-R|--label-regex|--label-exclude|--tests-regex)$ ]] && choice=()
done

cmake/setup.sh
cmake/build.sh "$preset"
build=build/$preset
[[ $preset == ci ]] && build=build/release  # the same tree, with warnings as errors
data_prep/fashion_mnist.sh "$build/bin"
# shellcheck source=cmake/mpi_env.sh
source cmake/mpi_env.sh
exec ctest --test-dir "$build" --output-on-failure --no-tests=error -j 2 "${choice[@]}" "$@"
