#!/usr/bin/env bash
# labels: slow
# The batch scripts under a private Slurm, two virtual nodes on this host: submitted, told to stop by USR1, requeued, finished; one
# with mpirun over both nodes and one with srun on one. M2MKD may name another program than the one built.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
root=$PWD
# shellcheck source=cmake/mpi_env.sh
source cmake/mpi_env.sh

skip() { echo "skipped: $*"; exit 77; }
((EUID == 0)) || skip "a private Slurm needs root"
for program in munged slurmctld slurmd sbatch; do
  command -v $program >/dev/null || skip "no $program here (apt-get install slurmd slurmctld slurm-client munge)"
done
export M2MKD=${M2MKD:-${M2MKD_BIN:-$root/build/release/bin}/m2mkd}
[[ -x $M2MKD ]] || skip "no program at $M2MKD"

dir=$(mktemp -d /tmp/m2mkd-slurm.XXXXXX)
chmod 755 "$dir"  # munged refuses a socket that others cannot reach
pids=()
clean_up() {
  local rc=$?
  if ((rc != 0)); then tail -n 20 "$dir"/*.log "$dir"/results/*.out 2>/dev/null || true; fi
  if ((${#pids[@]})); then
    scancel --user=root --quiet 2>/dev/null || true
    kill "${pids[@]}" 2>/dev/null || true
  fi
  wait || true
  rm -rf "$dir"
}
trap clean_up EXIT

mkdir "$dir"/{state,spool,results}
dd if=/dev/urandom of="$dir/munge.key" bs=128 count=1 status=none
chmod 400 "$dir/munge.key"
port=$((20000 + RANDOM % 20000))
host=$(hostname -s)
cat >"$dir/slurm.conf" <<CONF
ClusterName=m2mkd
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge.socket
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool/%n
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SlurmdParameters=config_overrides
ReturnToService=2
InactiveLimit=0
KillWait=5
NodeName=node1 NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 1)) CPUs=1
NodeName=node2 NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 2)) CPUs=1
PartitionName=all Nodes=node1,node2 Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF=$dir/slurm.conf

munged --foreground --force --key-file="$dir/munge.key" --socket="$dir/munge.socket" --pid-file="$dir/munged.pid" \
  --log-file="$dir/munged.log" --seed-file="$dir/munged.seed" >"$dir/munged.out.log" 2>&1 &
pids+=($!)
slurmctld -D -L "$dir/slurmctld.log" &>/dev/null &
pids+=($!)
for node in node1 node2; do
  slurmd -D -N $node -L "$dir/slurmd.$node.log" &>/dev/null &
  pids+=($!)
done

# until_true SECONDS WHAT COMMAND...
until_true() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    ((SECONDS < deadline)) || { echo "waited in vain for: $what"; exit 1; }
    sleep 0.5
  done
}
nodes_idle() { [[ $(sinfo --noheader --Node --format=%T 2>/dev/null | grep -c '^idle$') == 2 ]]; }
until_true 60 "two idle nodes" nodes_idle
echo "a private Slurm $(sinfo --version | cut -d' ' -f2) with two nodes is up"

state() { scontrol --oneliner show job "$job" | grep -o 'JobState=[A-Z]*' | cut -d= -f2; }
restarts() { scontrol --oneliner show job "$job" | grep -o 'Restarts=[0-9]*' | cut -d= -f2; }
in_state() { [[ $(state) == "$1" ]]; }
restarted() { [[ $(restarts) == 1 ]]; }
# A requeued job is held back for two minutes, in case its node is broken or its last step not cleaned up. Nothing is broken here,
# so the test waits for the last step alone (its PMIx socket would be in the way).
step_gone() { [[ -z $(compgen -G "$dir/spool/*/stepd.slurm.pmix.$job.*") ]]; }
start_now() { scontrol update JobId="$job" StartTime=now 2>/dev/null; }

# stop_and_finish NAME LAUNCHER NODES SCRIPT
stop_and_finish() {
  local run=$dir/run.$1 output=$dir/results/$1.out
  job=$(LAUNCH=$2 sbatch --parsable --nodes="$3" --ntasks-per-node=1 --cpus-per-task=1 --gpus-per-node=0 --time=20 \
    --output="$output" "$4" configs/smoke.ini --run.dir "$run")
  until_true 60 "the first files of job $job" test -e "$run"
  sleep 2
  scancel --batch --signal=USR1 "$job"
  until_true 60 "exit code 75" grep -qs 'exit code 75$' "$output"
  until_true 60 "the requeue of job $job" restarted
  until_true 60 "the end of the first start" step_gone
  until_true 60 "a new start time" start_now
  until_true 600 "the completion of job $job" in_state COMPLETED

  [[ $(grep -c " start [01]: $1 " "$output") == 2 ]] || { echo "expected two starts in $output"; exit 1; }
  [[ $(grep -c 'exit code 0$' "$output") == 1 ]] || { echo "expected one finished start in $output"; exit 1; }
  [[ -e $run/summary.h5 ]] || { echo "no summary.h5 in $run"; exit 1; }
  echo "$1, $4: job $job was stopped by USR1 (exit code 75), requeued itself and finished"
}
stop_and_finish mpirun mpirun 2 slurm/m2mkd_vmoe.sh
stop_and_finish srun "srun --mpi=pmix --kill-on-bad-exit=1" 1 slurm/m2mkd_nac.sh
