// alloc N: see bench/workloads/alloc.cc. A type parameter cannot size an array, hence four types.
package main

import "fmt"

type object16 struct {
	next   *object16
	values [1]uint64
}
type object32 struct {
	next   *object32
	values [3]uint64
}
type object64 struct {
	next   *object64
	values [7]uint64
}
type object256 struct {
	next   *object256
	values [31]uint64
}

var (
	sink16  *object16
	sink32  *object32
	sink64  *object64
	sink256 *object256
)

// The objects escape because one in 2^20 is stored; the rest are dropped at once.
func allocate(n, bytes uint64, one func(n uint64) uint64) {
	start := now()
	sum := one(n)
	fmt.Printf("~ %d bytes: %.2f ns\n", bytes, float64(now()-start)/float64(n))
	fmt.Printf("%d objects of %d bytes, sum %d\n", n, bytes, sum)
}

const storeMask = 1<<20 - 1

func allocate16(n uint64) (sum uint64) {
	for i := uint64(0); i < n; i++ {
		p := &object16{}
		p.values[0] = i
		if i&storeMask == 0 {
			sink16 = p
		}
		sum += p.values[0]
	}
	return sum
}

func allocate32(n uint64) (sum uint64) {
	for i := uint64(0); i < n; i++ {
		p := &object32{}
		p.values[0] = i
		if i&storeMask == 0 {
			sink32 = p
		}
		sum += p.values[0]
	}
	return sum
}

func allocate64(n uint64) (sum uint64) {
	for i := uint64(0); i < n; i++ {
		p := &object64{}
		p.values[0] = i
		if i&storeMask == 0 {
			sink64 = p
		}
		sum += p.values[0]
	}
	return sum
}

func allocate256(n uint64) (sum uint64) {
	for i := uint64(0); i < n; i++ {
		p := &object256{}
		p.values[0] = i
		if i&storeMask == 0 {
			sink256 = p
		}
		sum += p.values[0]
	}
	return sum
}

var alloc = workload{"alloc", args{"100000000"}, args{"100000"}, func(a args) {
	n := a.number(0)
	allocate(n, 16, allocate16)
	allocate(n, 32, allocate32)
	allocate(n, 64, allocate64)
	allocate(n, 256, allocate256)
}}
