// messages BATCHES PAIRS: see bench/workloads/messages.cc. The channel is Go's own.
package main

import "fmt"

const (
	messageBatch    = 64
	channelCapacity = 16
)

type message struct {
	next *message
	body *byte
	size uint64
}

func produce(batches, seed uint64, channel chan<- *message) {
	r := &rng{seed}
	for i := uint64(0); i < batches; i++ {
		var list *message
		for j := 0; j < messageBatch; j++ {
			size := 32 + r.below(128)
			list = &message{list, markedBytes(size, size), size}
		}
		channel <- list
	}
}

func consume(batches uint64, channel <-chan *message) (sum uint64) {
	for i := uint64(0); i < batches; i++ {
		for m := <-channel; m != nil; m = m.next {
			sum += m.size + uint64(*m.body) + uint64(*byteAt(m.body, m.size-1))
		}
	}
	return sum
}

func runMessages(a args) {
	batches, pairs := a.number(0), a.number(1)
	channels := make([]chan *message, pairs)
	for i := range channels {
		channels[i] = make(chan *message, channelCapacity)
	}
	sums := make([]uint64, pairs)
	runThreads(2*pairs, func(i uint64) {
		if i%2 == 0 {
			produce(batches, i/2+1, channels[i/2])
		} else {
			sums[i/2] = consume(batches, channels[i/2])
		}
	})
	sum := uint64(0)
	for _, s := range sums {
		sum += s
	}
	fmt.Printf("%d messages, sum %d\n", batches*pairs*messageBatch, sum)
}

var messages = workload{"messages", args{"200000", "2"}, args{"500", "2"}, runMessages}
