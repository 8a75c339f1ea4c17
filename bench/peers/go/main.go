// The benchmark workloads of bench/workloads in Go, standard library only: the same arguments, the
// same work, the same results. See bench/README.md.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"syscall"
)

var workloads = []workload{binaryTrees, gcBench, gcBenchXl, mark, churn, alloc, pauses, pacing,
	messages, stringMapWorkload, wideArray, longList, server, spike, finalizers}

// peakResident is the peak resident memory of this process in KiB, as the system counts it.
func peakResident() (kib int) {
	status, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer status.Close()
	for lines := bufio.NewScanner(status); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "VmHWM:") {
			fmt.Sscanf(lines.Text(), "VmHWM: %d", &kib)
		}
	}
	return kib
}

// cpuSeconds is the CPU time of the process so far, collector threads included.
func cpuSeconds() float64 {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

func list(out *os.File) {
	fmt.Fprintln(out, "workloads NAME [ARGS | --smoke], on the heap of Go:")
	for _, w := range workloads {
		fmt.Fprintf(out, "  %s  ( %s )\n", w.name, strings.Join(w.defaults, " "))
	}
}

func main() {
	if len(os.Args) < 2 {
		list(os.Stdout)
		return
	}
	for _, w := range workloads {
		if w.name != os.Args[1] {
			continue
		}
		given := args(os.Args[2:])
		if len(given) == 1 && given[0] == "--smoke" {
			given = w.smoke
		}
		if len(given) > len(w.defaults) {
			fmt.Fprintf(os.Stderr, "at most %d arguments\n", len(w.defaults))
			os.Exit(2)
		}
		a := append(args{}, w.defaults...)
		copy(a, given)
		start := now()
		w.run(a)
		seconds := float64(now()-start) / 1e9
		fmt.Printf("~ collections: %d\n", collections())
		fmt.Printf("~ CPU: %.3f s\n", cpuSeconds())
		fmt.Printf("~ peak RSS: %d MB\n", peakResident()/1024)
		fmt.Printf("TOTAL %.3f s\n", seconds)
		return
	}
	list(os.Stderr)
	os.Exit(2)
}
