// churn LIVE OPS THREADS: see bench/workloads/churn.cc.
package main

import "fmt"

const batch = 100

type entry struct {
	key  uint64
	blob *byte
	link *entry
	size uint64
}

func newEntry(r *rng) *entry {
	key := r.next()
	size := 64 + r.below(512)
	blob := newBytes(size)
	*blob = byte(key)
	*byteAt(blob, size-1) = byte(key >> 8)
	return &entry{key: key, blob: blob, size: size}
}

func (e *entry) isIntact() bool {
	return *e.blob == byte(e.key) && *byteAt(e.blob, e.size-1) == byte(e.key>>8)
}

type churnOutcome struct {
	sum, damaged uint64
	batches      histogram
}

func (o *churnOutcome) see(e *entry) {
	o.sum += e.key
	if !e.isIntact() {
		o.damaged++
	}
}

func churnThread(live, ops, seed uint64, outcome *churnOutcome) {
	r := &rng{seed}
	table := make([]*entry, live)
	for i := range table {
		table[i] = newEntry(r)
	}
	last := now()
	for i := uint64(1); i <= ops; i++ {
		fresh := newEntry(r)
		linked := table[r.below(live)]
		linked.link = nil
		fresh.link = linked
		at := r.below(live)
		outcome.see(table[at])
		table[at] = fresh
		if i%batch == 0 {
			t := now()
			outcome.batches.add(t - last)
			last = t
		}
	}
	for _, e := range table {
		outcome.see(e)
	}
}

func runChurn(a args) {
	live, ops, threads := a.number(0), a.number(1), a.number(2)
	outcomes := make([]churnOutcome, threads)
	start := now()
	runThreads(threads, func(i uint64) { churnThread(live, ops, i+1, &outcomes[i]) })
	seconds := float64(now()-start) / 1e9
	for i := range outcomes[1:] {
		outcomes[0].sum += outcomes[i+1].sum
		outcomes[0].damaged += outcomes[i+1].damaged
		outcomes[0].batches.merge(&outcomes[i+1].batches)
	}
	outcomes[0].batches.print("batches of 100")
	fmt.Printf("~ replacements per second: %.0f\n", float64(ops*threads)/seconds)
	fmt.Printf("%d replacements, sum %d, damaged %d\n", ops*threads, outcomes[0].sum,
		outcomes[0].damaged)
}

var churn = workload{"churn", args{"1000000", "5000000", "1"}, args{"2000", "50000", "2"}, runChurn}
