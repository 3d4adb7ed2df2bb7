#!/bin/bash
# As slurm/m2mkd_vmoe.sh, which says how it works and what may be set, with another default:
#
#   sbatch slurm/m2mkd_nac.sh [CONFIG.ini [--section.key value ...]]        from the project's root
#
# Without CONFIG.ini: configs/nac_tiny_imagenet.ini, the paper's NAC on Tiny-ImageNet.
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
set -euo pipefail
cd "${SLURM_SUBMIT_DIR:-.}"
exec bash slurm/m2mkd_vmoe.sh "${@:-configs/nac_tiny_imagenet.ini}"
