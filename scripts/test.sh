#!/usr/bin/env bash
# Sets up, builds the release build, runs a smaller main job (GOGC=100) and then every test.
# Safe to repeat; works from any directory; writes to build/ only.
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
source "$tarn_root/scripts/main_job.sh"

tarn_setup
build release
main_job 13 100
step "running all tests of build/release"
cd "$tarn_root"
ctest --preset release --parallel "$(tarn_jobs)" </dev/null
say "done"
