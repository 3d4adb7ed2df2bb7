#!/usr/bin/env bash
# A modular vision transformer by four methods, from real images, in some minutes.   jobs/quickstart.sh [RUN_DIR]
# Started again after a stop it continues; a finished run is only reported.
set -euo pipefail
run_dir=$(realpath -m "${1:-$(dirname "${BASH_SOURCE[0]}")/../results/quickstart}")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
run_dir=${run_dir#"$PWD"/}  # short in messages

cmake/setup.sh
cmake/build.sh release m2mkd m2mkd-pack
bin=build/release/bin
data_prep/fashion_mnist.sh $bin

# shellcheck source=cmake/mpi_env.sh
source cmake/mpi_env.sh
cores=$(env -u OMP_NUM_THREADS nproc)
ranks=$((cores < 2 ? cores : 2))
echo "quickstart: $ranks ranks, results in $run_dir"
rc=0
mpirun -n "$ranks" $bin/m2mkd check configs/quickstart.ini --run.dir "$run_dir" --seconds 10 || rc=$?
[ $rc = 0 ] || { echo "quickstart: the check before the run failed (the reason stands above)" >&2; exit $rc; }
mpirun -n "$ranks" $bin/m2mkd run configs/quickstart.ini --run.dir "$run_dir" || rc=$?

case $rc in
  0) cat <<TEXT

Where to look next:
  results/README.md                     what lies in $run_dir, and how to read it with h5py and pandas
  $bin/m2mkd report $run_dir
  $bin/m2mkd inspect $run_dir/modules/final.m2mkd.h5
  configs/fashion_mnist.ini             the comparison with longer training: this one is only a demonstration
TEXT
    ;;
  75) echo "quickstart: stopped on request, everything is saved. The same command continues: jobs/quickstart.sh $run_dir" >&2 ;;
  *) echo "quickstart: failed with exit code $rc (the reason stands above and in $run_dir/run.log)" >&2 ;;
esac
exit $rc
