// gcbench, gcbench-xl: see bench/workloads/gcbench.cc.
package main

import "fmt"

type node struct {
	left, right *node
	i, j        int32
}

func treeSize(depth uint64) uint64 { return 1<<(depth+1) - 1 }

func populate(depth uint64, n *node) {
	if depth == 0 {
		return
	}
	n.left = &node{}
	n.right = &node{}
	populate(depth-1, n.left)
	populate(depth-1, n.right)
}

func buildTree(depth uint64) *node {
	if depth == 0 {
		return &node{}
	}
	return &node{left: buildTree(depth - 1), right: buildTree(depth - 1)}
}

func count(n *node) uint64 {
	if n == nil {
		return 0
	}
	return 1 + count(n.left) + count(n.right)
}

var gcBenchSink *node

func construct(stretchDepth, depth uint64) {
	trees := 2 * treeSize(stretchDepth) / treeSize(depth)
	start := now()
	for i := uint64(0); i < trees; i++ {
		top := &node{}
		populate(depth, top)
	}
	middle := now()
	for i := uint64(0); i < trees; i++ {
		buildTree(depth)
	}
	fmt.Printf("%d trees of depth %d, twice\n", trees, depth)
	fmt.Printf("~ top down %.0f ms, bottom up %.0f ms\n", float64(middle-start)/1e6,
		float64(now()-middle)/1e6)
}

func runShape(stretchDepth, longLivedDepth, arraySize uint64) {
	gcBenchSink = buildTree(stretchDepth)
	gcBenchSink = nil
	longLived := &node{}
	populate(longLivedDepth, longLived)
	array := make([]float64, arraySize)
	for i := uint64(0); i < arraySize/2; i++ {
		array[i] = 1 / float64(i+1)
	}
	for d := uint64(4); d <= longLivedDepth; d += 2 {
		construct(stretchDepth, d)
	}
	fmt.Printf("long-lived nodes %d, array[1000] %.6f\n", count(longLived), array[1000])
}

var gcBench = workload{"gcbench", nil, nil, func(args) { runShape(18, 16, 500_000) }}
var gcBenchXl = workload{"gcbench-xl", args{"22"}, args{"15"}, func(a args) {
	depth := a.number(0)
	runShape(depth, depth-2, (uint64(4_000_000)<<depth)>>22)
}}
