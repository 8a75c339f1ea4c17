#!/usr/bin/env bash
# Shows what memory does over time: a spike followed by idling, and a leak under MEMLIMIT. Builds the
# release build of what it needs, takes about a minute, and draws resident memory against heap goal
# and limits.
#   scripts/limits_demo.sh [FOLDER]
# Writes limits_spike.svg and limits_leak.svg to FOLDER (build/limits_demo); those in bench/ were made
# by it. Safe to repeat; works from any directory. On a busy machine the curves get ragged.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[[ $# -le 1 && ${1:-} != -* ]] || die "usage: scripts/limits_demo.sh [FOLDER]"
folder=${1:-$tarn_root/build/limits_demo}
[[ -r /proc/self/smaps_rollup ]] || die "this system has no /proc/PID/smaps_rollup"
build release limits_demo
step "running a spike and a leak, 30 seconds each, and drawing them"
python3 "$tarn_root/bench/limits_demo.py" "$tarn_root/build/release/bench/limits_demo" "$folder"
say "done; a browser shows the pictures"
