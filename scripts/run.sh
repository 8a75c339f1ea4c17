#!/usr/bin/env bash
# Sets up, builds the release build and runs the main job: the Scheme interpreter on tarn's heap,
# gcbench and a text indexer, with the collector's trace, at GOGC=100 and GOGC=50.
# Safe to repeat; works from any directory; writes to build/ only.
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
source "$tarn_root/scripts/main_job.sh"

tarn_setup
build release
main_job 16 100 50
say "done; run scripts/test.sh for the tests"
