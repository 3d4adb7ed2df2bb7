#!/usr/bin/env bash
# Installs what the build and the tests need, and only what is missing.   cmake/setup.sh [--cuda]
#
#   Debian packages   with root; without root their list is printed and the exit code is 2
#   LibTorch          the PyPI wheel, into build/deps/torch (no root needed), unless TORCH_ROOT names one
#   --cuda            also NCCL where the CUDA toolkit has none, and what a CUDA program needs to start where there is a GPU
#
# M2MKD_SKIP_SETUP=1 leaves everything to you (module systems, containers).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

packages=(
  build-essential cmake ninja-build ccache git pkg-config          # compiler and build
  libopenmpi-dev openmpi-bin libhdf5-dev libxxhash-dev zlib1g-dev  # processes, files, digests, gzip
  libjpeg62-turbo-dev                                              # JPEG images
  libboost-program-options-dev libspdlog-dev libfmt-dev nlohmann-json3-dev
  libgtest-dev libgmock-dev shellcheck python3-pil python3-numpy   # tests
  dataset-fashion-mnist                                            # the default data set (30 MB of images)
  python3 python3-pip python3-h5py python3-pandas                  # LibTorch's installer; readers of results
)
torch_version=2.11.0
deps=build/deps/torch
# libtorch_cpu.so needs libcudart and libcupti at run time, also on machines without a GPU.
wheels=("torch==$torch_version" "nvidia-cuda-runtime==13.*" "nvidia-cuda-cupti==13.*")

say() { echo "setup: $*"; }
try_twice() { "$@" || { say "failed, trying once more: $1 ${2-}" >&2; sleep 3; "$@"; }; }

install_packages() {
  if ! command -v dpkg-query >/dev/null; then
    say "this is not Debian, so packages are not checked; docs/install.md lists what is needed"
    return
  fi
  local installed missing=() package
  installed=$(dpkg-query -W -f='${db:Status-Abbrev}${Package}\n' "${packages[@]}" 2>/dev/null || true)
  for package in "${packages[@]}"; do
    [[ $'\n'$installed$'\n' == *$'\n'[hi]"i $package"$'\n'* ]] || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  if ((EUID != 0)); then
    {
      say "these Debian packages are missing, and installing them needs root. Run this, then try again:"
      printf '\n  apt-get update\n  apt-get install -y --no-install-recommends %s\n\n' "${missing[*]}"
      say "(LibTorch needs no root: the next start puts it into $deps. Sites without root: docs/install.md)"
    } >&2
    exit 2
  fi
  say "installing the Debian packages that build and tests need: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  try_twice apt-get -qq update
  try_twice apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
}

# pip_into FOLDER WHEEL... : Debian's python, whatever else is first in PATH. Only the libraries named, none of their dependencies.
pip_into() {
  local python=/usr/bin/python3 folder=$1
  shift
  [[ -x $python ]] || python=python3
  try_twice "$python" -m pip install --quiet --no-deps --no-compile --disable-pip-version-check --root-user-action=ignore \
    --target "$folder" "$@"
}

have_torch() {
  grep -qs "^__version__ = '$torch_version" $deps/torch/version.py && [[ -e $deps/torch/lib/libtorch_cpu.so ]] &&
    [[ -n $(compgen -G "$deps/nvidia/*/lib/libcudart.so.13") && -n $(compgen -G "$deps/nvidia/*/lib/libcupti.so.13") ]]
}

# Into a temporary folder, then renamed: an interrupted installation is never taken for a whole one.
install_torch() {
  [[ -z ${TORCH_ROOT:-} ]] || return 0
  have_torch && return
  say "installing LibTorch $torch_version (the tensor library, about 550 MB, a minute) into $deps"
  rm -rf $deps $deps.part.*
  mkdir -p build/deps
  pip_into "$deps.part.$$" "${wheels[@]}"
  mv "$deps.part.$$" $deps
  have_torch || { say "the wheel in $deps lacks libraries; is this x86-64 Linux? TORCH_ROOT can name another LibTorch" >&2; exit 1; }
}

install_cuda_extras() {
  [[ -z ${TORCH_ROOT:-} ]] || return 0
  local cuda=${CUDA_HOME:-/usr/local/cuda} extra=()
  if ! ls "$cuda"/include/nccl.h /usr/include/nccl.h $deps/nvidia/nccl/include/nccl.h >/dev/null 2>&1; then
    extra+=("nvidia-nccl-cu13==2.*")
  fi
  if nvidia-smi -L >/dev/null 2>&1 && [[ -z $(compgen -G "$deps/nvidia/*/lib/libnvshmem_host.so.3") ]]; then
    extra+=(nvidia-cusparselt-cu13 nvidia-nvshmem-cu13 nvidia-cufile)
  fi
  ((${#extra[@]})) || return 0
  say "installing what a CUDA build needs beside the toolkit: ${extra[*]}"
  # pip's --target does not merge into folders that exist (nvidia/), so by way of another one.
  pip_into "$deps.extra.$$" "${extra[@]}"
  cp -r "$deps.extra.$$/." $deps/
  rm -rf "$deps.extra.$$"
}

[[ ${M2MKD_SKIP_SETUP:-0} == 1 ]] && exit 0
install_packages
install_torch
[[ ${1-} != --cuda ]] || install_cuda_extras
