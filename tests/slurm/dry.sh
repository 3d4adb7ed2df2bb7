#!/usr/bin/env bash
# labels: quick
# The batch scripts without Slurm, around a program that only says how it was called: which configuration each takes, that USR1
# reaches the program, and that both ask Slurm for the same.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAILED: $*" >&2; cat "$work/output" >&2; exit 1; }

cat >"$work/program" <<'P'
#!/bin/bash
echo "called with $#: $*"
[[ $* == *--wait* ]] || exit 0
trap 'exit 75' USR1
touch "$(dirname "$0")/waiting"
while :; do sleep 0.1; done
P
chmod +x "$work/program"
export M2MKD=$work/program LAUNCH=env

takes() { # takes SCRIPT NUMBER TOLD [arguments]: the program gets NUMBER arguments, `run TOLD`
  local script=$1 told="$2: run $3"
  shift 3
  bash "slurm/$script" "$@" >"$work/output" 2>&1 || fail "$script $* ended with $?"
  grep -qFx "called with $told" "$work/output" || fail "$script $*: expected '$told'"
}
for script in m2mkd_vmoe.sh:configs/vmoe_base.ini m2mkd_nac.sh:configs/nac_tiny_imagenet.ini; do
  [[ -e ${script#*:} ]] || fail "no ${script#*:}"
  takes "${script%:*}" 2 "${script#*:}"
  takes "${script%:*}" 4 "a.ini --run.methods e2e m2mkd" a.ini --run.methods "e2e m2mkd"
done

for script in m2mkd_vmoe.sh m2mkd_nac.sh; do
  rm -f "$work/waiting"
  bash "slurm/$script" a.ini --wait >"$work/output" 2>&1 &
  for _ in {1..100}; do [[ -e $work/waiting ]] || sleep 0.1; done
  kill -USR1 $!
  rc=0
  wait $! || rc=$?
  ((rc == 75)) || fail "$script ended with $rc instead of 75 after USR1"
  grep -q "run this again to continue" "$work/output" || fail "$script said nothing about continuing"
done

# A job that may not be requeued (Requeue=0): saved all the same, and exit 75 says so.
for allowed in 0 1; do
  printf '#!/bin/bash\necho "scontrol $*"\nexit %d\n' "$((1 - allowed))" >"$work/scontrol"
  chmod +x "$work/scontrol"
  rm -f "$work/waiting"
  SLURM_JOB_ID=7 PATH=$work:$PATH bash slurm/m2mkd_vmoe.sh a.ini --wait >"$work/output" 2>&1 &
  for _ in {1..100}; do [[ -e $work/waiting ]] || sleep 0.1; done
  kill -USR1 $!
  rc=0
  wait $! || rc=$?
  ((rc == 75)) || fail "a stopped job ended with $rc instead of 75 (may be requeued: $allowed)"
  grep -qx 'scontrol requeue 7' "$work/output" || fail "no requeue was asked for"
  ((allowed)) || grep -q 'not requeued (Requeue=0?)' "$work/output" || fail "nothing said about the refused requeue"
done

diff <(grep '^#SBATCH' slurm/m2mkd_vmoe.sh) <(grep '^#SBATCH' slurm/m2mkd_nac.sh) || fail "the scripts ask Slurm for different things"
echo "slurm, dry: all checks passed"
