// pauses LIVE_MB SECONDS THREADS: see bench/workloads/pauses.cc.
package main

import (
	"fmt"
	"runtime"
	"syscall"
)

const (
	listLength    = 64
	ringSize      = 1024
	opsPerReading = 8
	gapNanos      = 5000
)

type pausesOutcome struct {
	intervals, gaps, ownGaps histogram
	ops                      uint64
}

const rusageThread = 1

// preemptions is exact because each worker is locked to its thread.
func preemptions() int64 {
	var usage syscall.Rusage
	if syscall.Getrusage(rusageThread, &usage) != nil {
		return 0
	}
	return usage.Nivcsw
}

func buildLists(lists uint64) []*object {
	heads := make([]*object, lists)
	for i := uint64(0); i < listLength; i++ {
		for list := range heads {
			heads[list] = &object{value: i + uint64(list), next: heads[list]}
		}
	}
	return heads
}

func pausesThread(heads []*object, seed, until uint64, outcome *pausesOutcome) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ring := make([]*object, ringSize)
	r := &rng{seed}
	lists := uint64(len(heads))
	preempted := preemptions()
	last := now()
	for last < until {
		for i := 0; i < opsPerReading; i++ {
			random := r.next()
			ring[random%ringSize] = &object{value: random}
			heads[(random>>10)%lists].other = heads[(random>>40)%lists]
		}
		outcome.ops += opsPerReading
		t := now()
		outcome.intervals.add(t - last)
		if t-last >= gapNanos {
			preemptedNow := preemptions()
			outcome.gaps.add(t - last)
			if preemptedNow == preempted {
				outcome.ownGaps.add(t - last)
			}
			preempted = preemptedNow
			last = now() // what the accounting took is no gap
		} else {
			last = t
		}
	}
}

func reportPauses(outcomes []pausesOutcome, seconds float64) {
	all := &outcomes[0]
	for i := range outcomes[1:] {
		o := &outcomes[i+1]
		all.intervals.merge(&o.intervals)
		all.gaps.merge(&o.gaps)
		all.ownGaps.merge(&o.ownGaps)
		all.ops += o.ops
	}
	all.intervals.print("intervals of 8 operations")
	all.gaps.print("gaps above 5 us")
	all.ownGaps.print("gaps above 5 us without preemption")
	fmt.Printf("~ time in gaps: %.2f%%\n", float64(all.gaps.sum)/(seconds*1e7*float64(len(outcomes))))
	fmt.Printf("~ operations per second: %.0f\n", float64(all.ops)/seconds)
}

func runPauses(a args) {
	lists := (a.number(0) << 20) / (64 * listLength)
	threads := a.number(2)
	heads := buildLists(lists)
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	outcomes := make([]pausesOutcome, threads)
	start := now()
	until := start + a.number(1)*1_000_000_000
	runThreads(threads, func(i uint64) {
		first, end := lists*i/threads, lists*(i+1)/threads
		pausesThread(heads[first:end], first+1, until, &outcomes[i])
	})
	reportPauses(outcomes, float64(now()-start)/1e9)
	runtime.ReadMemStats(&after)
	during := after.NumGC - before.NumGC
	var pauses histogram
	for i := uint32(0); i < during && i < 256; i++ {
		pauses.add(after.PauseNs[(after.NumGC-1-i)%256])
	}
	fmt.Printf("~ collections meanwhile: %d\n", during)
	pauses.print("pauses that the collector counted")
	sum := uint64(0)
	for _, o := range heads {
		for ; o != nil; o = o.next {
			sum += o.value
		}
	}
	fmt.Printf("%d lists, sum %d\n", lists, sum)
}

var pauses = workload{"pauses", args{"1024", "20", "2"}, args{"16", "1", "2"}, runPauses}
