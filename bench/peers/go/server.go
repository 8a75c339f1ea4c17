// server REQUESTS THREADS SESSIONS: see bench/workloads/server.cc.
package main

import "fmt"

const (
	serverHeaders  = 8
	serverChunks   = 12
	serverMaxItems = 16
)

type header struct {
	next        *header
	name, value *byte
	number      uint64
}

type item struct {
	next   *item
	body   *byte
	number uint64
}

type session struct {
	items           *item
	count, requests uint64
}

type chunk struct {
	next  *chunk
	words [7]uint64
}

func parseHeaders(r *rng) (headers *header) {
	for i := 0; i < serverHeaders; i++ {
		number := r.next()
		headers = &header{headers, markedBytes(16, number), markedBytes(24+number%64, number), number}
	}
	return headers
}

func (s *session) add(number uint64) {
	if s.count == serverMaxItems {
		s.items = nil
		s.count = 0
	}
	s.items = &item{s.items, markedBytes(32+number%256, number), number}
	s.count++
	s.requests++
}

func respond(headers *header, s *session) (sum uint64) {
	var chunks *chunk
	h := headers
	for i := 0; i < serverChunks; i++ {
		chunks = &chunk{next: chunks}
		chunks.words[0] = h.number ^ uint64(*h.value)
		chunks.words[i%6+1] = s.requests
		if h = h.next; h == nil {
			h = headers
		}
	}
	for c := chunks; c != nil; c = c.next {
		for _, w := range c.words {
			sum = sum*31 + w
		}
	}
	for i := s.items; i != nil; i = i.next {
		sum += i.number ^ uint64(*i.body)
	}
	return sum
}

type serverOutcome struct {
	sum      uint64
	requests histogram
}

func serverThread(requests, sessions, seed uint64, outcome *serverOutcome) {
	r := &rng{seed}
	table := make([]*session, sessions)
	for i := range table {
		table[i] = &session{}
	}
	last := now()
	for i := uint64(0); i < requests; i++ {
		headers := parseHeaders(r)
		s := table[r.below(sessions)]
		s.add(headers.number)
		outcome.sum += respond(headers, s)
		t := now()
		outcome.requests.add(t - last)
		last = t
	}
}

func runServer(a args) {
	requests, threads, sessions := a.number(0), a.number(1), a.number(2)
	outcomes := make([]serverOutcome, threads)
	runThreads(threads, func(i uint64) {
		serverThread(requests/threads, sessions, i+1, &outcomes[i])
	})
	for i := range outcomes[1:] {
		outcomes[0].sum += outcomes[i+1].sum
		outcomes[0].requests.merge(&outcomes[i+1].requests)
	}
	outcomes[0].requests.print("requests")
	fmt.Printf("%d requests, sum %d\n", requests/threads*threads, outcomes[0].sum)
}

var server = workload{"server", args{"3000000", "2", "50000"}, args{"10000", "2", "500"}, runServer}
