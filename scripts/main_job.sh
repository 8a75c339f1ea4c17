# Sourced by run.sh and test.sh: runs the Scheme example's allocation-heavy programs on the release
# build with the collector's trace on, and prints what was collected.
# I1 A program that fails, prints nothing, or never collects is a failure, not a line in the table.

main_job_dir="$tarn_root/build/main-job"

# summarize_trace FILE: "cycles collected_mb gc_ms peak_goal_mb" from the gctrace lines in FILE:
#   gc N @1.234s P%: a+b+c ms clock, ..., i->j->k MB, l MB goal, ...
# A cycle collected what the heap had at its end (j) and did not mark (k).
summarize_trace() {
  awk '
    /^gc [0-9]+ @[0-9.]+s / {
      ++cycles
      if (match($0, /[0-9]+->[0-9]+->[0-9]+ MB/)) {
        split(substr($0, RSTART, RLENGTH), mb, /->| /)
        collected += mb[2] - mb[3]
      }
      if (match($0, /[0-9.]+\+[0-9.]+\+[0-9.]+ ms clock/)) {
        split(substr($0, RSTART, RLENGTH), ms, /[+ ]/)
        clock += ms[1] + ms[2] + ms[3]
      }
      if (match($0, /[0-9]+ MB goal/)) {
        goal = substr($0, RSTART, RLENGTH) + 0
        if (goal > peak) peak = goal
      }
    }
    END { printf "%d %d %.1f %d\n", cycles, collected, clock, peak }' "$1"
}

# main_job_one GOGC PROGRAM ARGS...: runs one program and appends a row to the summary.
main_job_one() {
  local gogc=$1 program=$2
  shift 2
  local base="$main_job_dir/$program-gogc$gogc"
  local interpreter="$tarn_root/build/release/examples/scheme/scheme"
  step "running $program.scm with GOGC=$gogc"
  local start=$EPOCHREALTIME
  if ! (cd "$tarn_root" && GOGC=$gogc GODEBUG=gctrace=1 timeout 900 "$interpreter" \
    "examples/scheme/programs/$program.scm" "$@" >"$base.out" 2>"$base.err" </dev/null); then
    tail -n 5 "$base.out" "$base.err" >&2
    die "while $tarn_step (output: $base.out, trace: $base.err)"
  fi
  local seconds
  seconds=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')
  [[ -s $base.out ]] || die "$program.scm printed nothing with GOGC=$gogc"
  tail -n 3 "$base.out" | sed 's/^/    /'
  local cycles collected clock goal
  read -r cycles collected clock goal < <(summarize_trace "$base.err")
  [[ $cycles -gt 0 ]] || die "$program.scm ran without a single collection (trace: $base.err)"
  main_job_rows+=("$(printf '%-12s %5s %8s %8s %13s %10s %13s' "$program" "$gogc" "$seconds" \
    "$cycles" "$collected" "$clock" "$goal")")
}

# main_job DEPTH GOGC...: gcbench to that tree depth and the indexer, at each of the given values of
# GOGC, then the summary. Depth 16 is the published benchmark.
main_job() {
  local gogc depth=$1
  shift
  local -a sources
  main_job_rows=()
  mkdir -p "$main_job_dir"
  mapfile -t sources < <(cd "$tarn_root" && find runtime gc examples -name '*.h' -o -name '*.cc' | sort)
  for gogc in "$@"; do
    main_job_one "$gogc" gcbench "$depth"
    main_job_one "$gogc" textindex README.md "${sources[@]}"
  done
  say "what was collected (traces: build/main-job/*.err):"
  printf '%-12s %5s %8s %8s %13s %10s %13s\n' program GOGC seconds cycles "collected MB" "GC ms" \
    "peak goal MB"
  printf '%s\n' "${main_job_rows[@]}"
}
