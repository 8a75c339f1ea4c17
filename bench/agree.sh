#!/usr/bin/env bash
# agree.sh FOLDER WORKLOAD...: runs the smoke mode of each workload with every program
# FOLDER/workloads* and fails unless all print the same results. Measurements, the lines "~ ..." and
# "TOTAL ...", differ.
set -euo pipefail
folder=$1
shift
results() { "$@" | grep -v -e '^~ ' -e '^TOTAL '; }
failed=0
for workload in "$@"; do
  wanted=$(results "$folder/workloads" "$workload" --smoke)
  for program in "$folder"/workloads-*; do
    [[ -x $program ]] || continue
    if ! diff <(echo "$wanted") <(results "$program" "$workload" --smoke); then
      echo "$workload: $program prints other results than tarn"
      failed=1
    fi
  done
done
exit $failed
