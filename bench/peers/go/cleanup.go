//go:build go1.24

package main

import (
	"runtime"
	"sync/atomic"
)

func onGone(uint64) { atomic.AddUint64(&called, 1) }

func addCleanup(p *finalized, i uint64) { runtime.AddCleanup(p, onGone, i) }
