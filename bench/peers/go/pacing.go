// pacing SHAPE MB: see bench/workloads/pacing.cc.
package main

import (
	"fmt"
	"os"
)

const pacingSteps = 200

type pacingObject struct {
	other *pacingObject
	value uint64
	rest  [6]uint64
}

func liveAt(shape string, mb, step uint64) uint64 {
	unit := (mb << 20) / 64
	grown := unit/8 + (2*unit-unit/8)*step/(pacingSteps-1)
	switch shape {
	case "growing":
		return grown
	case "shrinking":
		return 2*unit + unit/8 - grown
	case "steady", "bursty":
		return unit
	}
	fmt.Fprintf(os.Stderr, "%s is none of steady, growing, shrinking, bursty\n", shape)
	os.Exit(2)
	return 0
}

type pacingTable struct {
	slots      []*pacingObject
	size, made uint64
	r          rng
}

func (t *pacingTable) make() *pacingObject {
	t.made++
	return &pacingObject{value: t.made}
}

func (t *pacingTable) resize(size uint64) {
	for ; t.size < size; t.size++ {
		t.slots[t.size] = t.make()
	}
	for ; t.size > size; t.size-- {
		t.slots[t.size-1] = nil
	}
}

func (t *pacingTable) replace(count uint64) {
	for i := uint64(0); i < count; i++ {
		t.slots[t.r.below(t.size)] = t.make()
	}
}

var pacingSink *pacingObject

func (t *pacingTable) makeGarbage(count uint64) {
	for i := uint64(0); i < count; i++ {
		o := t.make()
		if i&storeMask == 0 {
			pacingSink = o
		}
	}
	pacingSink = nil
}

func compute(count uint64) (x uint64) {
	r := rng{1}
	for i := uint64(0); i < count; i++ {
		x ^= r.next()
	}
	return x
}

func runPacing(a args) {
	shape, mb := a[0], a.number(1)
	garbage := (mb << 20) / 64 / 8
	bursty := shape == "bursty"
	if bursty {
		garbage *= 10
	}
	capacity := liveAt(shape, mb, 0)
	if last := liveAt(shape, mb, pacingSteps-1); last > capacity {
		capacity = last
	}
	computed := uint64(0)
	table := &pacingTable{slots: make([]*pacingObject, capacity+1), r: rng{1}}
	for step := uint64(0); step < pacingSteps; step++ {
		live := liveAt(shape, mb, step)
		table.resize(live)
		if bursty && step/10%2 == 1 {
			computed += compute(80_000 * mb)
			continue
		}
		table.replace(live / 50)
		table.makeGarbage(garbage)
	}
	sum := uint64(0)
	for _, o := range table.slots[:table.size] {
		sum += o.value
	}
	fmt.Printf("sum %d, computed %d\n", sum, computed)
}

var pacing = workload{"pacing", args{"steady", "64"}, args{"bursty", "2"}, runPacing}
