//go:build !go1.24

package main

import "runtime"

// There are no cleanups: a finalizer in their place.
func addCleanup(p *finalized, _ uint64) { runtime.SetFinalizer(p, onDeath) }
