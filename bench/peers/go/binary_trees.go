// binary-trees DEPTH THREADS: see bench/workloads/binary_trees.cc.
package main

import "fmt"

type tree struct{ left, right *tree }

func makeTree(depth uint64) *tree {
	if depth == 0 {
		return &tree{}
	}
	return &tree{makeTree(depth - 1), makeTree(depth - 1)}
}

func (t *tree) check() uint64 {
	if t.left == nil {
		return 1
	}
	return 1 + t.left.check() + t.right.check()
}

func runBinaryTrees(a args) {
	const minDepth = 4
	depth := a.number(0)
	if depth < minDepth+2 {
		depth = minDepth + 2
	}
	threads := a.number(1)
	fmt.Printf("stretch tree of depth %d check: %d\n", depth+1, makeTree(depth+1).check())
	longLived := makeTree(depth)
	for d := uint64(minDepth); d <= depth; d += 2 {
		trees := uint64(1) << (depth - d + minDepth)
		nodes := make([]uint64, threads)
		runThreads(threads, func(thread uint64) {
			sum := uint64(0)
			for i := thread; i < trees; i += threads {
				sum += makeTree(d).check()
			}
			nodes[thread] = sum
		})
		sum := uint64(0)
		for _, n := range nodes {
			sum += n
		}
		fmt.Printf("%d trees of depth %d check: %d\n", trees, d, sum)
	}
	fmt.Printf("long lived tree of depth %d check: %d\n", depth, longLived.check())
}

var binaryTrees = workload{"binary-trees", args{"21", "1"}, args{"12", "2"}, runBinaryTrees}
