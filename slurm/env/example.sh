# shellcheck shell=bash disable=SC2034
# Site file, to be copied to slurm/env/<site>.sh and edited; sourced by the batch scripts when M2MKD_SITE=<site> is set, and by you
# before building. The names of modules differ from site to site: `module spider openmpi` finds yours.
module purge
module load gcc/12 cmake openmpi/4.1 hdf5 boost cuda/13.0

# LibTorch 2.7 or newer: the folder with include/ and lib/ (a Python wheel's `torch`, or the unpacked zip).
export TORCH_ROOT="$HOME/software/libtorch"

# Where Slurm was built without PMIx, Open MPI starts the ranks itself:
#   LAUNCH="mpirun"
# Settings of the fabric belong here too:
#   export NCCL_SOCKET_IFNAME=ib0 UCX_NET_DEVICES=mlx5_0:1
