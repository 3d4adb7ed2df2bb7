#!/usr/bin/env bash
# Packs Fashion-MNIST (Debian's package dataset-fashion-mnist) into data/fashion-mnist, if it is not there yet.
#   data_prep/fashion_mnist.sh [folder with the programs]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bin=${1:-build/release/bin}
out=data/fashion-mnist
[[ -e $out/train.h5 && -e $out/test.h5 ]] && exit 0
echo "packing Fashion-MNIST into $out, the form that m2mkd reads"
"$bin/m2mkd-pack" fashion-mnist --out $out
