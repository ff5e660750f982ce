//go:build unix

// Command hello measures the start of small programs: the time from their start to the
// first line they write, the CPU time until they have ended, and their size.
//
//	hello [-rounds N] [-n N] [-python PROGRAM]
//
// They are a loop whose first callback writes it, Go's usual hello, one that has what a
// loop imports of Go's library and uses none of it, and CPython's asyncio.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/asyncio-go/asyncio/bench/internal/turns"
)

func main() {
	rounds := flag.Int("rounds", 15, "so `many` rounds")
	n := flag.Int("n", 10, "so `many` starts in a turn")
	python := flag.String("python", "python3", "the `program` of CPython")
	flag.Parse()
	if err := sit(*rounds, *n, *python); err != nil {
		fmt.Fprintln(os.Stderr, "hello:", err)
		os.Exit(1)
	}
}

func sit(rounds, n int, python string) error {
	dir, err := os.MkdirTemp("", "hello")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var sides []turns.Side
	for _, name := range []string{"plain", "linked", "loop"} {
		program, err := turns.Build(dir, name, "bench/hello/"+name)
		if err != nil {
			return err
		}
		info, err := os.Stat(program)
		if err != nil {
			return err
		}
		sides = append(sides, side(name, n, info.Size(), program))
	}
	sides = append(sides, side("CPython", n, 0, python, "bench/hello/hello.py"))
	return turns.Compare(os.Stdout, "hello", []string{"ms to it", "ms of CPU", "MB"}, rounds, sides...)
}

func side(name string, n int, size int64, program string, args ...string) turns.Side {
	return turns.Side{Name: name, Run: func() ([]float64, error) {
		var until, cpu time.Duration
		for range n {
			cmd := exec.Command(program, args...)
			out, err := cmd.StdoutPipe()
			if err != nil {
				return nil, err
			}
			began := time.Now()
			if err := cmd.Start(); err != nil {
				return nil, err
			}
			line, err := bufio.NewReader(out).ReadString('\n')
			until += time.Since(began)
			if werr := cmd.Wait(); err != nil || werr != nil || line != "hello\n" {
				return nil, fmt.Errorf("%v wrote %q: %w, %w", cmd, line, err, werr)
			}
			cpu += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		}
		each := float64(n) * 1e6
		return []float64{float64(until) / each, float64(cpu) / each, float64(size) / 1e6}, nil
	}}
}
