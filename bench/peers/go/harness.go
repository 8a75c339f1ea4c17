// What all workloads share: arguments, random numbers, time, histograms, threads. The same as
// bench/workloads/workload.h, see there.
package main

import (
	"fmt"
	"math/bits"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"
)

type args []string

// number exits with a message unless argument i is a number from 1 on.
func (a args) number(i int) uint64 {
	value, err := strconv.ParseUint(a[i], 10, 64)
	if err != nil || value == 0 {
		fmt.Fprintf(os.Stderr, "argument %d: %s is no number from 1 on\n", i+1, a[i])
		os.Exit(2)
	}
	return value
}

type workload struct {
	name     string
	defaults args
	smoke    args
	run      func(a args)
}

// rng is SplitMix64.
type rng struct{ state uint64 }

func (r *rng) next() uint64 {
	r.state += 0x9e3779b97f4a7c15
	z := r.state
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return z ^ (z >> 31)
}

// below returns a number less than n, n <= 2^32.
func (r *rng) below(n uint64) uint64 { return ((r.next() >> 32) * n) >> 32 }

var epoch = time.Now()

// now is monotonic time in nanoseconds.
func now() uint64 { return uint64(time.Since(epoch)) }

const subBuckets = 16

// histogram counts durations in buckets that are at most 1/16 wide.
type histogram struct {
	buckets    [64 * subBuckets]uint64
	count, max uint64
	sum        uint64
}

func bucketOf(nanos uint64) uint64 {
	if nanos < 2*subBuckets {
		return nanos
	}
	shift := uint64(59 - bits.LeadingZeros64(nanos))
	return shift*subBuckets + nanos>>shift
}

func bucketEnd(bucket uint64) uint64 {
	if bucket < 2*subBuckets {
		return bucket
	}
	shift := bucket/subBuckets - 1
	return (bucket%subBuckets+subBuckets+1)<<shift - 1
}

func (h *histogram) add(nanos uint64) {
	h.buckets[bucketOf(nanos)]++
	h.count++
	h.sum += nanos
	if nanos > h.max {
		h.max = nanos
	}
}

func (h *histogram) merge(other *histogram) {
	for i, n := range other.buckets {
		h.buckets[i] += n
	}
	h.count += other.count
	h.sum += other.sum
	if other.max > h.max {
		h.max = other.max
	}
}

func (h *histogram) quantile(quantile float64) uint64 {
	wanted := uint64(quantile * float64(h.count))
	seen := uint64(0)
	for i, n := range h.buckets {
		seen += n
		if seen > wanted {
			if end := bucketEnd(uint64(i)); end < h.max {
				return end
			}
			return h.max
		}
	}
	return h.max
}

func (h *histogram) print(label string) {
	us := func(nanos uint64) float64 { return float64(nanos) / 1e3 }
	fmt.Printf("~ %s: %d, p50 %.1f us, p99 %.1f us, p99.9 %.1f us, max %.1f us\n", label, h.count,
		us(h.quantile(0.5)), us(h.quantile(0.99)), us(h.quantile(0.999)), us(h.max))
}

// runThreads calls body(0) .. body(n-1), each in a goroutine, and waits for all.
func runThreads(n uint64, body func(thread uint64)) {
	var wait sync.WaitGroup
	for i := uint64(0); i < n; i++ {
		wait.Add(1)
		go func(i uint64) {
			defer wait.Done()
			body(i)
		}(i)
	}
	wait.Wait()
}

func timeCollection(number int) {
	start := now()
	runtime.GC()
	fmt.Printf("~ collection %d: %.2f ms\n", number, float64(now()-start)/1e6)
}

func collections() uint64 {
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return uint64(s.NumGC)
}
