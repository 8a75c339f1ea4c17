// wide-array SIZE ROUNDS: see bench/workloads/wide_array.cc.
package main

import "fmt"

type leaf struct{ value, rest uint64 }

func runWideArray(a args) {
	size, rounds := a.number(0), a.number(1)
	r := &rng{1}
	array := make([]*leaf, size)
	for i := range array {
		array[i] = &leaf{uint64(i), 0}
	}
	for round := uint64(1); round <= rounds; round++ {
		for i := uint64(0); i < size/8; i++ {
			slot := &array[r.below(size)]
			*slot = &leaf{(*slot).value + round, 0}
		}
		timeCollection(int(round))
	}
	sum := uint64(0)
	for _, l := range array {
		sum += l.value
	}
	fmt.Printf("%d pointers, sum %d\n", size, sum)
}

var wideArray = workload{"wide-array", args{"10000000", "10"}, args{"20000", "3"}, runWideArray}
