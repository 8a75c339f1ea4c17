// finalizers N: see bench/workloads/finalizers.cc.
package main

import (
	"fmt"
	"runtime"
	"sync/atomic"
)

type finalized struct {
	values [4]uint64
}

var called uint64

func onDeath(*finalized) { atomic.AddUint64(&called, 1) }

func finalizersOnce(what string, n uint64, register func(p *finalized, i uint64)) {
	atomic.StoreUint64(&called, 0)
	start := now()
	for i := uint64(0); i < n; i++ {
		p := &finalized{}
		p.values[0] = i
		register(p, i)
	}
	registered := now() - start
	for i := 0; i < 100 && atomic.LoadUint64(&called) < n-n/1000; i++ {
		runtime.GC()
		for last := uint64(0); last != atomic.LoadUint64(&called); {
			last = atomic.LoadUint64(&called)
			runtime.Gosched()
		}
	}
	fmt.Printf("~ %s: %.1f ns, of which registration %.1f ns\n", what,
		float64(now()-start)/float64(n), float64(registered)/float64(n))
	all := "all"
	if atomic.LoadUint64(&called) < n-n/1000 {
		all = "NOT ALL"
	}
	fmt.Printf("%d objects, %s called\n", n, all)
}

var finalizers = workload{"finalizers", args{"10000000"}, args{"100000"}, func(a args) {
	n := a.number(0)
	finalizersOnce("finalizer", n, func(p *finalized, _ uint64) { runtime.SetFinalizer(p, onDeath) })
	finalizersOnce("cleanup", n, addCleanup)
}}
