package conformance

import (
	"fmt"
	"strings"
	"sync"

	"github.com/asyncio-go/asyncio"
)

// A Result is how a run compares with the reference.
type Result struct {
	Program *Program
	Trace   []string // what this project's loop gave
	Err     error    // why the run could not be completed
}

// Equal says whether the trace is the reference's, line by line.
func (r Result) Equal() bool {
	return r.Err == nil && FirstDifference(r.Trace, r.Program.Trace) < 0
}

// String shows the difference; it is empty when there is none.
func (r Result) String() string {
	if r.Equal() {
		return ""
	}
	var b strings.Builder
	b.WriteString(r.Program.Name + "\n")
	if r.Err != nil {
		fmt.Fprintf(&b, "  %v\n", r.Err)
	}
	b.WriteString(SideBySide(r.Trace, r.Program.Trace))
	return b.String()
}

// Check runs the programs, so many at a time, each on a loop of its own, and
// compares.
func Check(programs []*Program, workers int, opts ...asyncio.Option) []Result {
	results := make([]Result, len(programs))
	next := make(chan int)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := range next {
				trace, err := Run(programs[i], opts...)
				results[i] = Result{programs[i], trace, err}
			}
		})
	}
	for i := range programs {
		next <- i
	}
	close(next)
	wg.Wait()
	return results
}
