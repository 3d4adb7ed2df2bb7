#!/bin/bash
# One m2mKD run as a batch job that stops before its time limit, requeues itself and continues.
#
#   sbatch slurm/m2mkd_vmoe.sh [CONFIG.ini [--section.key value ...]]       from the project's root
#
# Without CONFIG.ini: configs/vmoe_base.ini, the paper's V-MoE-B on ImageNet-1k.
#
# Size, time, account and partition: edit the lines below, or give them to sbatch, which wins:  sbatch --nodes=4 --account=abc …
# One task per GPU. Without GPUs: --gpus-per-node=0, and one task per core or per NUMA domain.
#SBATCH --job-name=m2mkd
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --output=results/%x-%j.out
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:USR1@300
#
# Environment (all optional):
#   M2MKD_SITE          sources slurm/env/$M2MKD_SITE.sh: module loads and site settings (slurm/env/README.md)
#   M2MKD               the program; default build/cuda/bin/m2mkd, else build/release/bin/m2mkd
#   LAUNCH              how ranks start; `mpirun` where Slurm has no PMIx
#   M2MKD_MAX_RESTARTS  how often the job may requeue itself, default 20
set -euo pipefail
cd "${SLURM_SUBMIT_DIR:-.}"

if [[ -n ${M2MKD_SITE:-} ]]; then
  set +eu  # module systems use unset variables
  # shellcheck source=/dev/null
  source "slurm/env/$M2MKD_SITE.sh" || { echo "cannot source slurm/env/$M2MKD_SITE.sh" >&2; exit 2; }
  set -eu
fi

config=${1:-configs/vmoe_base.ini}
shift || true
if [[ -z ${M2MKD:-} ]]; then
  M2MKD=build/cuda/bin/m2mkd
  [[ -x $M2MKD ]] || M2MKD=build/release/bin/m2mkd
fi
read -ra launch <<<"${LAUNCH:-srun --mpi=pmix --kill-on-bad-exit=1}"

export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}
export SRUN_CPUS_PER_TASK=$OMP_NUM_THREADS  # since Slurm 22.05 srun no longer inherits --cpus-per-task
export HDF5_USE_FILE_LOCKING=${HDF5_USE_FILE_LOCKING:-FALSE}
export OMPI_MCA_hwloc_base_binding_policy=${OMPI_MCA_hwloc_base_binding_policy:-none}  # cores are Slurm's to bind

# Slurm sends USR1 to this shell alone, 300 s before the limit; the launcher forwards it to the ranks, which save and exit 75.
launcher=
signalled=0
trap 'signalled=1; kill -USR1 $launcher 2>/dev/null || true' USR1

echo "$(date -Is) job ${SLURM_JOB_ID:-none} start ${SLURM_RESTART_COUNT:-0}: ${launch[*]} $M2MKD run $config $*"
"${launch[@]}" "$M2MKD" run "$config" "$@" &
launcher=$!
# `wait` returns early when the trap runs: wait until it returned undisturbed.
while :; do
  signalled=0
  rc=0
  wait "$launcher" || rc=$?
  ((signalled)) || break
done
echo "$(date -Is) exit code $rc"

if ((rc == 75)); then  # saved, more to do
  if [[ -z ${SLURM_JOB_ID:-} ]]; then
    echo "stopped on request, everything is saved: run this again to continue"
  elif ((${SLURM_RESTART_COUNT:-0} < ${M2MKD_MAX_RESTARTS:-20})); then
    echo "requeueing job $SLURM_JOB_ID to continue"
    scontrol requeue "$SLURM_JOB_ID" || echo "not requeued (Requeue=0?): everything is saved, sbatch again to continue" >&2
  else
    echo "not requeued: ${SLURM_RESTART_COUNT:-0} restarts are the limit (M2MKD_MAX_RESTARTS); sbatch again to continue" >&2
  fi
elif ((rc == 76)); then
  echo "not requeued: no progress over several starts; see run.log in the run's directory" >&2
fi
exit "$rc"
