// mark OBJECTS: see bench/workloads/mark.cc.
package main

import "fmt"

type object struct {
	next, other *object
	value       uint64
	rest        [5]uint64
}

func buildGraph(n uint64) *object {
	r := rng{1}
	objects := make([]*object, n)
	for i := range objects {
		objects[i] = &object{value: uint64(i)}
	}
	for i := n - 1; i > 0; i-- {
		j := r.below(i + 1)
		objects[i], objects[j] = objects[j], objects[i]
	}
	for i, o := range objects {
		o.next = objects[(uint64(i)+1)%n]
		o.other = objects[r.below(n)]
	}
	return objects[0]
}

func runMark(a args) {
	n := a.number(0)
	start := now()
	first := buildGraph(n)
	fmt.Printf("~ build %.0f ms\n", float64(now()-start)/1e6)
	for i := 1; i <= 5; i++ {
		timeCollection(i)
	}
	count, sum := uint64(0), uint64(0)
	for o := first; ; {
		count++
		sum += o.value ^ o.other.value
		if o = o.next; o == first {
			break
		}
	}
	fmt.Printf("%d objects, sum %d\n", count, sum)
}

var mark = workload{"mark", args{"10000000"}, args{"20000"}, runMark}
