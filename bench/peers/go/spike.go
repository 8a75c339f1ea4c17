// spike MB SECONDS FREE: see bench/workloads/spike.cc.
package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"time"
)

type spikeObject struct {
	next  *spikeObject
	value uint64
	rest  [6]uint64
}

const (
	spikeLiveMB     = 10
	spikeStepMillis = 10
	spikePrintSteps = 10
)

var spikeSink *spikeObject

func residentMB() float64 {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, resident uint64
	fmt.Sscan(string(statm), &size, &resident)
	return float64(resident) * float64(os.Getpagesize()) / (1 << 20)
}

func printResident(start uint64) {
	fmt.Printf("~ rss %.2f s %.1f MB\n", float64(now()-start)/1e9, residentMB())
}

func spikeList(mb uint64) *spikeObject {
	var head *spikeObject
	for i := uint64(0); i < mb<<20/64; i++ {
		head = &spikeObject{next: head, value: i}
	}
	return head
}

//go:noinline
func spikeOnce(mb uint64) uint64 { return spikeList(mb).value }

//go:noinline
func spikeGarbage(count uint64, live *spikeObject) uint64 {
	sum := uint64(0)
	for i := uint64(0); i < count; i++ {
		spikeSink = &spikeObject{next: live, value: i}
		sum += spikeSink.value
	}
	return sum
}

func runSpike(a args) {
	mb, steps := a.number(0), a.number(1)*1000/spikeStepMillis
	live := spikeList(spikeLiveMB)
	sum := spikeOnce(mb)
	start := now()
	printResident(start)
	if a[2] == "1" {
		debug.FreeOSMemory()
		printResident(start)
	}
	for step := uint64(1); step <= steps; step++ {
		sum += spikeGarbage(5<<20/64, live)
		if wait := int64(start+step*spikeStepMillis*1e6) - int64(now()); wait > 0 {
			time.Sleep(time.Duration(wait))
		}
		if step%spikePrintSteps == 0 {
			printResident(start)
		}
	}
	for o := live; o != nil; o = o.next {
		sum += o.value
	}
	fmt.Printf("sum %d\n", sum)
}

var spike = workload{"spike", args{"1024", "20", "0"}, args{"20", "1", "1"}, runSpike}
