package conformance

import (
	"fmt"
	"regexp"
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

// Equal reports whether the trace is the reference's, line by line.
func (r Result) Equal() bool {
	return r.Err == nil && FirstDifference(r.Trace, r.Program.Trace) < 0
}

// agrees is Equal, but for the messages of cancellations. CPython returns a
// message to the first who waits for what was cancelled, and to nobody who
// comes later or stands behind a shield; a gather that was cancelled takes the
// message of its last child, whoever cancelled that. Here everybody gets the
// message of the cancellation. The generator's programs have none.
func (r Result) agrees() bool {
	return r.Err == nil && FirstDifference(withoutMessages(r.Trace), withoutMessages(r.Program.Trace)) < 0
}

var messages = regexp.MustCompile(`Cancelled\([^)]*\)`)

func withoutMessages(trace []string) []string {
	bare := make([]string, len(trace))
	for i, line := range trace {
		bare[i] = messages.ReplaceAllString(line, "Cancelled")
	}
	return bare
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
