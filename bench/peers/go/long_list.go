// long-list LENGTH ROUNDS: see bench/workloads/long_list.cc.
package main

import "fmt"

type listNode struct {
	next  *listNode
	value uint64
	rest  [2]uint64
}

func replaceEveryTenth(head *listNode) {
	i := 0
	for n := head; n.next != nil; n = n.next {
		if i++; i%10 == 0 {
			n.next = &listNode{next: n.next.next, value: n.next.value + 1}
		}
	}
}

func runLongList(a args) {
	length, rounds := a.number(0), a.number(1)
	head := &listNode{}
	for i := uint64(1); i < length; i++ {
		head = &listNode{next: head, value: i}
	}
	for round := 1; round <= int(rounds); round++ {
		timeCollection(round)
		replaceEveryTenth(head)
	}
	sum := uint64(0)
	for n := head; n != nil; n = n.next {
		sum += n.value
	}
	fmt.Printf("%d nodes, sum %d\n", length, sum)
}

var longList = workload{"long-list", args{"10000000", "5"}, args{"20000", "3"}, runLongList}
