#!/bin/bash
#SBATCH --job-name=bandmaster
#SBATCH --ntasks=8
#SBATCH --cpus-per-task=1
#SBATCH --time=02:00:00
#
# One task a worker, on as many nodes as Slurm likes; name server and master on the first node.
# The nodes share the home directory, where the workers find the run's address and key.
# Submit it in a folder with objective.py and space.yaml: sbatch job.sh
set -euo pipefail

cd "${SLURM_SUBMIT_DIR:-.}"
export BANDMASTER_RUN_ID="slurm-${SLURM_JOB_ID:?start me with sbatch}"
export OMP_NUM_THREADS="${SLURM_CPUS_PER_TASK:-1}"

bandmaster nameserver --host 0.0.0.0 --port 0 &
nameserver=$!
# Ends the workers too when the master fails; after a good run they have ended by themselves.
trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT

connection_file="${BANDMASTER_HOME:-$HOME/.bandmaster}/runs/$BANDMASTER_RUN_ID.json"
until [ -e "$connection_file" ]; do
    kill -0 "$nameserver"  # or it failed, and there is nothing to wait for
    sleep 0.1
done

srun bandmaster worker objective.py:evaluate &
workers=$!

bandmaster master space.yaml \
    --min-budget 1 --max-budget 27 --eta 3 --n-iterations 20 --output result.csv

wait "$workers"
