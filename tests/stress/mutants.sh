#!/usr/bin/env bash
# Leaves one piece of the barrier protocol, or of what happens to dead objects (life_*), out at a time and
# measures how soon the stress programs notice.
#   tests/stress/mutants.sh [--seconds N] [--rev COMMIT] [--runs RUN,...] [MUTANT...]
# Works on a copy under build/mutants of the working tree, or of COMMIT with the working tree's tests/stress;
# prints one line per mutant, and writes the table to build/mutants/table.md. N (60): seconds per mutant and run, over three seeds.
# Fails if the unchanged tree is found wrong, if an edit does not apply, or if no run notices a mutant.
#
# The copy gets delays that are off unless TARN_WIDEN=1: between flag test and store (inline and slow path),
# and between the signals of one handshake. They stand for a thread that is preempted there and a driver
# that is preempted between two signals: they make narrow windows wide and change nothing else.
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

seconds=60
rev=
barrier_runs=(barrier barrier_check wide wide_check graph graph_check)
life_runs=(life life_check raw raw_check life_tests)
asked_runs=()
names=()
while [[ $# -gt 0 ]]; do
  case $1 in
    --seconds) seconds=$2; shift 2 ;;
    --rev) rev=$2; shift 2 ;;
    --runs) IFS=, read -ra asked_runs <<<"$2"; shift 2 ;;
    -*) die "unknown option $1" ;;
    *) names+=("$1"); shift ;;
  esac
done
all_names=(control no_deletion no_insertion no_h1b h1b_in_h2 no_hazard_value no_black no_stack no_runs
  one_f f_and_drain no_flush no_assist_report black_at_h1 rescan_no_stacks put_back_unswept cas_no_new
  attach_white attach_no_scan detach_drops
  life_control life_gate_open life_gate_no_mark life_no_freeze life_weak_no_shade life_destroy_deciding
  life_destroy_reviving life_no_contents life_no_rescan life_retire_at_once life_take_no_shade
  life_stop_no_shade life_add_no_shade life_box_not_held life_no_key_marked life_set_no_shade
  life_one_revival)
[[ ${#names[@]} -gt 0 ]] || names=("${all_names[@]}")

work=$tarn_root/build/mutants
src=$work/src
mkdir -p "$work/bin" "$work/log" "$src"
edited=()

# Replaces the one place in FILE (of the copy) that reads OLD by NEW.
edit() {
  edited+=("$1")
  python3 - "$src/$1" "$2" "$3" <<'PYTHON' || die "mutant $mutant: the edit of $1 does not apply"
import sys
path, old, new = sys.argv[1:]
text = open(path).read()
if text.count(old) != 1:
    sys.exit(f"{path}: {text.count(old)} places read {old!r}")
open(path, "w").write(text.replace(old, new))
PYTHON
}

# Files that an earlier run edited are copied again with a new time, so that they are compiled again.
copy_tree() {
  step "copying ${rev:-the working tree}"
  mkdir -p "$work/new"
  rm -rf "${work:?}/new"/*
  if [[ -n $rev ]]; then
    git -C "$tarn_root" archive "$rev" | tar -x -C "$work/new"
    cp "$tarn_root"/tests/stress/* "$work/new/tests/stress/"
  else
    (cd "$tarn_root" && git ls-files -co --exclude-standard -z |
      while IFS= read -r -d '' f; do [[ -e $f ]] && printf '%s\0' "$f"; done |
      tar -c --null -T -) | tar -x -C "$work/new"
  fi
  mutant=widening
  local pristine=$src
  src=$work/new
  widen
  src=$pristine
  edited=()
  (cd "$work/new" && find . -type f -print0) | while IFS= read -r -d '' f; do
    cmp -s "$work/new/$f" "$src/$f" && continue
    mkdir -p "$(dirname "$src/$f")"
    cp "$work/new/$f" "$src/$f"
    touch "$src/$f"
  done
  (cd "$src" && find . -type f -print0) | while IFS= read -r -d '' f; do
    [[ -e $work/new/$f ]] || rm "$src/$f"
  done
}
restore() {
  for f in "${edited[@]}"; do cp "$work/new/$f" "$src/$f"; done
  edited=()
}

widen() {
  edit gc/include/tarn/internal/barrier.h '// How a slot' 'extern bool g_widen;
void Widen();

// How a slot'
  edit gc/include/tarn/internal/barrier.h '  // relaxed: gc_ptr is no' '  if (g_widen) [[unlikely]] Widen();
  // relaxed: gc_ptr is no'
  edit gc/api/barrier.cc '  slot->store(word, std::memory_order_relaxed);  // relaxed: as' '  if (g_widen) [[unlikely]] Widen();
  slot->store(word, std::memory_order_relaxed);  // relaxed: as'
  edit gc/api/barrier.cc '#include "tarn/internal/barrier.h"' '#include "tarn/internal/barrier.h"

#include <time.h>

#include <cstdlib>'
  edit gc/api/barrier.cc '
void StoreWordSlow(' '
bool g_widen = std::getenv("TARN_WIDEN") != nullptr;

// Mostly nothing, at times some microseconds, or milliseconds: for one store in 32 to 4096.
void Widen() {
  static thread_local uint64_t random = reinterpret_cast<uintptr_t>(&random) | 1;
  static thread_local uint64_t one_in = 1024;
  random ^= random << 13;
  random ^= random >> 7;
  random ^= random << 17;
  const auto now = [] {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return uint64_t(t.tv_sec) * 1000000000 + uint64_t(t.tv_nsec);
  };
  const uint64_t amount = random >> 44;
  if (random % 256 == 0) {
    const uint64_t end = now() + amount % 20000;
    while (now() < end) {
    }
  }
  // Not where a delay is only one of the handshake.
  if (t_block.in_runtime != 0 || t_block.mutator == nullptr) return;
  if (t_block.mutator->options().cooperative) return;
  if ((random >> 20) % one_in == 0) {
    one_in = uint64_t{32} << (random >> 40) % 8;
    const uint64_t end = now() + amount * 10;
    while (now() < end) {
      const timespec nap{0, 200000};
      nanosleep(&nap, nullptr);
    }
  }
}

void StoreWordSlow('
  edit runtime/thread/handshake.cc '    if (m != self) claimed = RequestFrom(*m, claimed);' '    if (m == self) continue;
    claimed = RequestFrom(*m, claimed);
    static const bool widen = std::getenv("TARN_WIDEN") != nullptr;
    // Seldom and not for a millisecond: later than that threads that have answered would nap.
    if (!widen || MonotonicNanos() / 64 % 8 != 0) continue;
    const timespec nap{0, 500000};
    nanosleep(&nap, nullptr);'
  edit runtime/thread/handshake.cc '#include <algorithm>' '#include <time.h>

#include <algorithm>
#include <cstdlib>'
}

h=gc/collect/handshakes.cc
mutant_control() { :; }
mutant_no_deletion() {
  edit gc/api/barrier.cc '    Shade(m, codec.Decode(slot->load(std::memory_order_relaxed)));
' ''
}
mutant_no_insertion() { edit gc/api/barrier.cc '    Shade(m, codec.Decode(word));
' '    (void)codec;
'; }
mutant_no_h1b() { edit gc/collect/cycle.cc '  RunH1b(round);
' ''; }
mutant_h1b_in_h2() {
  mutant_no_h1b
  edit $h 'void H2(Mutator& m, Round& round) {
' 'void H2(Mutator& m, Round& round) {
  H1b(m, round);
'
}
mutant_no_hazard_value() {
  edit $h '  Shade(round.heap, *m.gc, block.hazard_value.load(std::memory_order_relaxed));
' '  (void)round;
'
}
mutant_no_black() { edit $h '  if (m.cache != nullptr) m.cache->SetBlack(round.heap.sweepgen());
' ''; }
mutant_no_stack() {
  edit $h 'void H2(Mutator& m, Round& round) {
  ScanAndMarkRuns(m, round);
' 'void H2(Mutator& m, Round& round) {
  m.cache->FlushLive();
  round.run_bytes.fetch_add(m.cache->MarkRuns(), std::memory_order_relaxed);
'
}
mutant_no_runs() {
  edit $h '    round.run_bytes.fetch_add(m.cache->MarkRuns(), std::memory_order_relaxed);
' ''
}
quiet='    if (f.shaded.load(std::memory_order_relaxed) == 0 && queue_.published() == published) return;
'
mutant_one_f() { edit gc/collect/cycle.cc "$quiet" '    (void)published;
    return;
'; }
mutant_f_and_drain() { edit gc/collect/cycle.cc "$quiet" '    (void)published;
    workers_.Drain();
    return;
'; }
mutant_no_flush() { edit $h '  m.gc->shaded = false;
  m.gc->sink.Flush();
' '  m.gc->shaded = false;
'; }
mutant_no_assist_report() { edit gc/collect/assist.cc '  if (marker.work() != 0) gc.shaded = true;
' ''; }
mutant_black_at_h1() {
  edit $h '  Shade(round.heap, *m.gc, block.hazard_value.load(std::memory_order_relaxed));
' '  Shade(round.heap, *m.gc, block.hazard_value.load(std::memory_order_relaxed));
  m.cache->SetBlack(round.heap.sweepgen());
'
}
mutant_rescan_no_stacks() { edit $h 'void StopForRescan(Mutator& m, Round& round) {
  round.stack_bytes.fetch_add(round.roots.ScanThread(m), std::memory_order_relaxed);
' 'void StopForRescan(Mutator&, Round&) {
'; }
mutant_put_back_unswept() {
  edit runtime/heap/span_sweep.cc '  while (!heap.TryPutSwept(span, span->alloc_count == span->nelems)) SweepSpan(heap, span);
' '  heap.central(span->span_class).PutSwept(span, span->alloc_count == span->nelems);
'
}
mutant_cas_no_new() { edit gc/api/barrier.cc '    Shade(m, codec.Decode(desired));
' ''; }
mutant_attach_white() {
  edit gc/api/instance.cc '    m.cache->SetBlack(state.black_gen.load(std::memory_order_relaxed));
' ''
}
mutant_attach_no_scan() { edit gc/api/instance.cc '    instance.collector().roots().ScanThread(m);
' ''; }
mutant_detach_drops() {
  edit gc/api/instance.cc '  if (Instance::IfStarted()->collector().phase().Get() != Phase::kMark) m.gc->sink.Drop();
' '  m.gc->sink.Drop();
'
}

# --- What happens to dead objects ---

mutant_life_control() { :; }
# The gate for weak references.
mutant_life_gate_open() { edit gc/api/weak.cc '        if (IsMarked(scope, p)) return scope.Fresh(p);
        rt::RunBlocked([&] { gate.WaitWhileClosing(); });
' '        scope.ShadeIfMarking(p);
        return scope.Fresh(p);
'; }
mutant_life_gate_no_mark() { edit gc/api/weak.cc '        return IsAliveInTheEnd(scope, *h, p) ? scope.Fresh(p) : nullptr;
' '        (void)&IsAliveInTheEnd;
        return scope.Fresh(p);
'; }
mutant_life_weak_no_shade() { edit gc/api/weak.cc '      case WeakGate::kReviving:
        scope.ShadeIfMarking(p);
' '      case WeakGate::kReviving:
'; }
mutant_life_no_freeze() { edit gc/collect/cycle.cc '    queue_.Freeze();
    if (gate != nullptr) gate->Move(WeakGate::kClosing);
' '    if (gate != nullptr) gate->Move(WeakGate::kClosing);
'; }
# I6 of finalizers.h: while deaths are decided, and from then on until the barriers are off.
mutant_life_destroy_deciding() { edit gc/life/finalizers.cc '    if (list == &destructors_ && is_deciding) continue;  // I6
' '    (void)is_deciding;
'; }
mutant_life_destroy_reviving() { edit gc/collect/cycle_deaths.cc '  weak_gate_.Move(WeakGate::kReviving);
' '  weak_gate_.Move(WeakGate::kOpen);
'; }
mutant_life_no_contents() { edit gc/life/specials.cc '        visitor.Contents(AddressOf(b.span, slot));
      }
      break;
' '        (void)slot;
      }
      break;
'; }
mutant_life_no_rescan() { edit gc/collect/cycle_stopped.cc '    specials_.VisitUnmarkedContents(visitor, [&](uint16_t c) { return roots_.IsUnbarriered(c); });
' '    (void)visitor;
'; }
mutant_life_retire_at_once() { edit gc/life/specials.cc '  if (is_marking) {
    LockHolder hold(retired_lock_);
' '  if (is_marking && false) {
    LockHolder hold(retired_lock_);
'; }
mutant_life_take_no_shade() { edit gc/life/finalizers.cc '  ReadyList* list = NextList();
  if (list == nullptr) return false;
  Special* s = list->Pop();
' '  ReadyList* list = NextList();
  if (list == nullptr) return false;
  Special* s = list->Pop();
  const auto ShadeRecord = [](const Special&) {};
'; }
mutant_life_stop_no_shade() { edit gc/api/lifetimes.cc '    s->ForEachWord([&](uintptr_t word) { scope.ShadeAnyIfMarking(word); });
    scope.Retire(s);
' '    scope.Retire(s);
'; }
mutant_life_add_no_shade() { edit gc/api/life_slots.h '  void ShadeRecord(const Special& s) {
    if (!IsMarking()) return;
' '  void ShadeRecord(const Special& s) {
    if (!IsMarking() || s.kind != SpecialKind::kEphemeron) return;
'; }
mutant_life_box_not_held() { edit gc/api/lifetimes.cc '      scope.Hold(held_);
' '      (void)&LifeScope::Hold;
'; }
mutant_life_no_key_marked() { edit gc/collect/marker.cc '  specials_->KeyMarked({cage_->SpanAt(r.first_page), r.index}, visitor);
' '  (void)r;
  (void)visitor;
'; }
mutant_life_set_no_shade() { edit gc/api/weak.cc '  mine->table = table_;
  scope.ShadeIfMarking(data);
' '  mine->table = table_;
'; }
mutant_life_one_revival() { edit gc/collect/cycle_deaths.cc '    Revive();
    MarkUntilQuiet(record);
' '    Revive();
    workers_.Drain();
'; }

life_test_programs=(life_order_test life_functions_test ephemeron_test weak_test finalizer_test cleanup_test
  destructor_test)

build_mutant() {
  step "building $mutant"
  if [[ ! -e $work/build/build.ninja ]]; then
    quietly "$work/log/configure.log" cmake -S "$src" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
      -DCMAKE_CXX_COMPILER_LAUNCHER="$(tarn_launcher)" -DTARN_BUILD_EXAMPLES=OFF -DTARN_BUILD_BENCH=OFF
  fi
  local programs=()
  case " ${runs[*]}" in *' barrier'* | *' wide'*) programs+=(barrier_stress) ;; esac
  case " ${runs[*]}" in *' graph'*) programs+=(graph_stress) ;; esac
  case " ${runs[*]}" in *' life'* | *' raw'*) programs+=(life_stress) ;; esac
  case " ${runs[*]}" in *' life_tests'*) programs+=("${life_test_programs[@]}") ;; esac
  quietly "$work/log/$mutant-build.log" cmake --build "$work/build" --parallel "$(tarn_jobs)" \
    --target "${programs[@]}"
  mkdir -p "$work/bin/$mutant"
  local p
  for p in "${programs[@]}"; do
    [[ $p == *_stress ]] && p=tests/stress/$p || p=tests/gc/$p
    cp "$work/build/$p" "$work/bin/$mutant/"
  done
}

# What ended a run, from its output and exit code.
cause() {
  if grep -q 'tarn: fatal: marking missed' "$1"; then echo verifier
  elif grep -q 'found pointer to free object' "$1"; then echo sweeper
  elif grep -q 'check failed' "$1"; then sed -n 's/.*\/\([a-z_.]*:[0-9]*\): check failed.*/\1/p' "$1" | head -1
  elif grep -q 'tarn: fatal' "$1"; then echo "tarn: fatal"
  elif grep -q '_stress: seed\|^life_stress: ' "$1"; then echo checksum
  elif grep -q '^\[  FAILED  \]' "$1"; then sed -n 's/^\[  FAILED  \] \([A-Za-z]*\.[A-Za-z]*\).*/\1/p' "$1" | head -1
  elif [[ $2 -eq 124 ]]; then echo hang
  elif [[ $2 -eq 139 ]]; then echo crash
  else echo "exit $2"
  fi
}

# The same for the tests that hold the collector at one point, each program once: the first that fails.
run_life_tests() {
  local p log rc
  cell=-
  for p in "${life_test_programs[@]}"; do
    log=$work/log/$mutant-$p.log
    rc=0
    (
      GODEBUG=gcstoptheworld=0,clobberfree=1 timeout 300 "$work/bin/$mutant/$p" >"$log" 2>&1 </dev/null ||
        exit $?
    ) 2>/dev/null || rc=$?
    [[ $rc -eq 0 ]] && continue
    cell=$(cause "$log" $rc)
    [[ $cell == *.* ]] || cell="$p $cell"
    return
  done
}

# One cell of the table, in $cell: "1.2 s verifier", or a dash if nothing was noticed.
run_cell() {
  local run=$1 program=barrier_stress threads=8 godebug=gcstoptheworld=0,clobberfree=1 widen=() arguments=()
  case $run in
    barrier) ;;
    barrier_check) godebug+=,gccheckmark=1 ;;
    wide) widen=(TARN_WIDEN=1) ;;
    wide_check) godebug+=,gccheckmark=1 widen=(TARN_WIDEN=1) ;;
    graph) program=graph_stress threads=4 ;;
    graph_check) program=graph_stress threads=4 godebug+=,gccheckmark=1 ;;
    life | raw) program=life_stress threads=4 ;;
    life_check | raw_check) program=life_stress threads=4 godebug+=,gccheckmark=1,verify=1 ;;
    life_tests) run_life_tests; return ;;
    *) die "no run is called $run" ;;
  esac
  [[ $run == raw* ]] && arguments=(--raw 1)
  local begin=${EPOCHREALTIME/./} seed log rc
  for seed in 1 2 3; do
    log=$work/log/$mutant-$run-$seed.log
    rc=0
    # In a subshell without stderr: the shell would tell how the program died.
    (
      env "${widen[@]}" GODEBUG=$godebug timeout $((seconds + 60)) "$work/bin/$mutant/$program" \
        --seed $seed --seconds $(((seconds + 2) / 3)) --threads $threads "${arguments[@]}" >"$log" 2>&1 </dev/null ||
        exit $?
    ) 2>/dev/null || rc=$?
    [[ $rc -eq 0 ]] && continue
    local took=$((${EPOCHREALTIME/./} - begin))
    cell="$((took / 1000000)).$((took / 100000 % 10)) s $(cause "$log" $rc)"
    return
  done
  cell=-
}

copy_tree
table_head() {
  printf '| mutant |'; printf ' %s |' "${runs[@]}"; echo
  printf '|---|'; for _ in "${runs[@]}"; do printf -- '---|'; done; echo
}
: >"$work/table.md"
failed=()
runs=()
for mutant in "${names[@]}"; do
  restore
  last_runs=${runs[*]}
  if [[ ${#asked_runs[@]} -gt 0 ]]; then runs=("${asked_runs[@]}")
  elif [[ $mutant == life_* ]]; then runs=("${life_runs[@]}")
  else runs=("${barrier_runs[@]}")
  fi
  [[ ${runs[*]} == "$last_runs" ]] || table_head >>"$work/table.md"
  declare -F "mutant_$mutant" >/dev/null || die "no mutant is called $mutant"
  "mutant_$mutant"
  build_mutant
  row="| $mutant |"
  noticed=0
  for run in "${runs[@]}"; do
    tarn_step="running $mutant ($run)"
    run_cell "$run"
    [[ $cell == - ]] || noticed=1
    row+=" $cell |"
  done
  printf '%s\n' "$row" | tee -a "$work/table.md"
  if [[ $mutant == *control ]]; then
    [[ $noticed -eq 0 ]] || failed+=("the unchanged tree")
  elif [[ $noticed -eq 0 ]]; then
    say "$mutant: NOT NOTICED"
    failed+=("$mutant (not noticed)")
  fi
done
restore
[[ ${#failed[@]} -eq 0 ]] || die "${failed[*]}"
say "ok, ${#names[@]} mutants; the table is in $work/table.md"
