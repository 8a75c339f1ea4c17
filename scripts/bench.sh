#!/usr/bin/env bash
# Builds the workloads for tarn and every peer that the machine has, runs them in turn, several
# rounds, and writes bench/RESULTS.md.
#   scripts/bench.sh [--quick] [--rounds N] [--only WORKLOAD]... [--folder DIR] [--out FILE]
# --quick: small arguments, about five minutes. --folder: the bench folder of a build that is there;
# nothing is built. Run it on a machine that does nothing else.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

folder=
out=$tarn_root/bench/RESULTS.md
options=()
while [[ $# -gt 0 ]]; do
  case $1 in
    --folder | --out | --rounds | --only)
      [[ $# -ge 2 ]] || die "$1 needs a value"
      ;;&
    --folder) folder=$2 && shift ;;
    --out) out=$2 && shift ;;
    --rounds | --only) options+=("$1" "$2") && shift ;;
    --quick) options+=("$1") ;;
    *) die "unknown option $1; see the top of scripts/bench.sh" ;;
  esac
  shift
done
cd "$tarn_root"
if [[ -z $folder ]]; then
  step "building build/release with the peers"
  quietly build/bench-configure.log cmake --preset release -DTARN_BUILD_PEERS=ON
  targets=(workloads workloads-malloc)
  for peer in workloads-libgc workloads-go; do
    if cmake --build build/release --target help | grep -q "^$peer:"; then
      targets+=("$peer")
    else
      say "no $peer here: libgc-dev or go is missing"
    fi
  done
  quietly build/bench-build.log cmake --build build/release --parallel "$(tarn_jobs)" \
    --target "${targets[@]}"
  folder=build/release/bench
fi
step "running the workloads of $folder"
python3 bench/compare.py "$folder" "$out" "${options[@]}"
say "written: $out"
