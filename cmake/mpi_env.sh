# shellcheck shell=bash
# Sourced by every script here that starts mpirun on one machine. Batch scripts at a site do not need it.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1  # containers and CI are root
export OMPI_MCA_rmaps_base_oversubscribe=1                        # tests use up to four ranks on two cores
export OMPI_MCA_mpi_yield_when_idle=1                             # waiting ranks give their core away
export OMPI_MCA_hwloc_base_binding_policy=none                    # `mpirun -n 1` would bind the rank to a single core
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}                      # one thread per rank where ranks fill the cores
export HDF5_USE_FILE_LOCKING=FALSE                                # our own lock guards a run; NFS and Lustre often have none
