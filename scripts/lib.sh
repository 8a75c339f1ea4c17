# Shared by the scripts of this folder: sourced, never run.
# Job: the repository root, one-line messages, one-line failure naming the step, CMake presets.
# I1 After `source`, an unexpected failure prints one line "<script>: FAILED while <step>" and exits.
# I2 Nothing is written outside $tarn_root/build (except by setup.sh, which installs packages).

set -Eeuo pipefail
tarn_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tarn_name=$(basename "$0")
tarn_step="starting"

say() { printf '%s: %s\n' "$tarn_name" "$*"; }
die() {
  trap - ERR
  printf '%s: FAILED: %s\n' "$tarn_name" "$*" >&2
  exit 1
}
# Names what happens next; the failure line repeats it.
step() {
  tarn_step="$*"
  say "$*"
}
trap 'die "while $tarn_step"' ERR

tarn_jobs() { nproc 2>/dev/null || echo 2; }

# quietly LOG COMMAND...: output to LOG; when the command fails, its last lines are shown.
quietly() {
  local log=$1
  shift
  mkdir -p "$(dirname "$log")"
  if ! "$@" >"$log" 2>&1 </dev/null; then
    tail -n 30 "$log" >&2
    die "while $tarn_step (full output: $log)"
  fi
}

# ccache is used where it is in use already, never required, and never started as a side effect.
tarn_launcher() {
  if command -v ccache >/dev/null && { [[ -n ${CCACHE_DIR:-} ]] || [[ -d ~/.cache/ccache ]]; }; then
    echo ccache
  fi
}

# configure PRESET; build PRESET [TARGET...]: into build/PRESET.
configure() {
  step "configuring build/$1"
  (cd "$tarn_root" && quietly "build/$1-configure.log" cmake --preset "$1" \
    -DCMAKE_C_COMPILER_LAUNCHER="$(tarn_launcher)" \
    -DCMAKE_CXX_COMPILER_LAUNCHER="$(tarn_launcher)") || exit 1
}
build() {
  local preset=$1
  shift
  configure "$preset"
  step "building build/$preset with $(tarn_jobs) jobs (minutes the first time)"
  cmake --build "$tarn_root/build/$preset" --parallel "$(tarn_jobs)" --target "${@:-all}" </dev/null
}
