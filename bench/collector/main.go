// Command collector measures what the garbage collector has to do with very many
// tasks that sleep, or with as many goroutines:
//
//	collector tasks|goroutines|ticker-tasks|ticker-goroutines [N [FRAMES]]
//
// Each of the N (100,000) has FRAMES frames of its own between where it began and its
// sleep. What is printed is the least and the median of the CPU time of a collection;
// or, with ticker, how late a ticker of a millisecond is while the program makes 100
// MB of garbage a second.
//
// The frames are of different functions, as those of a program are. In frames that are
// all of one function the runtime remembers what it found last, and is faster.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/asyncio-go/asyncio"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "collector:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 1 || len(args) > 3 {
		return fmt.Errorf("usage: collector tasks|goroutines|ticker-tasks|ticker-goroutines [N [FRAMES]]")
	}
	n, frames := 100_000, 1
	for i, to := range []*int{&n, &frames}[:len(args)-1] {
		v, err := strconv.Atoi(args[i+1])
		if err != nil || v < 1 {
			return fmt.Errorf("%q is no positive number", args[i+1])
		}
		*to = v
	}
	if frames > len(all) {
		return fmt.Errorf("there are %d frames at most", len(all))
	}
	what, ticker := strings.CutPrefix(args[0], "ticker-")
	measure := collections
	if ticker {
		measure = lateness
	}
	switch what {
	case "tasks":
		return asyncio.Run(context.Background(), func(ctx context.Context) error {
			for range n {
				asyncio.Go(ctx, func(ctx context.Context) error {
					down(all[:frames], func() { _ = asyncio.Sleep(ctx, time.Hour) })
					return nil
				})
			}
			if err := asyncio.Sleep(ctx, time.Millisecond); err != nil { // all are asleep after that
				return err
			}
			if ticker {
				go garbage()
				measure(args[0], n, frames, func(d time.Duration) { _ = asyncio.Sleep(ctx, d) })
				os.Exit(0)
			}
			_, err := asyncio.ToThread(ctx, func(context.Context) (struct{}, error) {
				measure(args[0], n, frames, nil)
				os.Exit(0)
				return struct{}{}, nil
			})
			return err
		})
	case "goroutines":
		var began sync.WaitGroup
		for range n {
			began.Add(1)
			go down(all[:frames], func() {
				began.Done()
				time.Sleep(time.Hour)
			})
		}
		began.Wait()
		if ticker {
			go garbage()
		}
		measure(args[0], n, frames, time.Sleep)
		return nil
	}
	return fmt.Errorf("%q is nothing that is measured", args[0])
}

// collections prints what a collection costs.
func collections(name string, n, frames int, _ func(time.Duration)) {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	times := make([]time.Duration, 15)
	for i := range times {
		before := cpu()
		runtime.GC()
		times[i] = cpu() - before
	}
	slices.Sort(times)
	fmt.Printf("%s\t%d\t%d frames\tleast %.1f\tmedian %.1f ms of CPU\t%.1f objects each\t%d bytes of stack each\n",
		name, n, frames, ms(times[0]), ms(times[len(times)/2]), float64(m.HeapObjects)/float64(n), m.StackInuse/uint64(n))
}

// lateness prints how late a ticker is.
func lateness(name string, n, frames int, sleep func(time.Duration)) {
	const period = time.Millisecond
	var late []time.Duration
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); {
		due := time.Now().Add(period)
		sleep(period)
		late = append(late, time.Since(due))
	}
	slices.Sort(late)
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fmt.Printf("%s\t%d\t%d frames\tlate p50 %.2f\tp99 %.2f\tmost %.2f ms\t%d collections\n",
		name, n, frames, ms(late[len(late)/2]), ms(late[len(late)*99/100]), ms(late[len(late)-1]), m.NumGC)
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

var kept [64][]byte // so that it is on the heap

// garbage makes 100 MB of garbage a second.
func garbage() {
	for i := 0; ; i++ {
		for range 100 {
			kept[i%len(kept)] = make([]byte, 10_000)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// A frame calls the first of the rest, or wait.
type frame func(rest []frame, wait func())

func down(rest []frame, wait func()) {
	if len(rest) == 0 {
		wait()
		return
	}
	rest[0](rest[1:], wait)
}

var all = []frame{one, two, three, four, five, six, seven, eight, nine, ten}

// Sink keeps the frames from being made into one: each has something left to do.
var Sink int

func one(rest []frame, wait func())   { down(rest, wait); Sink = 1 }
func two(rest []frame, wait func())   { down(rest, wait); Sink = 2 }
func three(rest []frame, wait func()) { down(rest, wait); Sink = 3 }
func four(rest []frame, wait func())  { down(rest, wait); Sink = 4 }
func five(rest []frame, wait func())  { down(rest, wait); Sink = 5 }
func six(rest []frame, wait func())   { down(rest, wait); Sink = 6 }
func seven(rest []frame, wait func()) { down(rest, wait); Sink = 7 }
func eight(rest []frame, wait func()) { down(rest, wait); Sink = 8 }
func nine(rest []frame, wait func())  { down(rest, wait); Sink = 9 }
func ten(rest []frame, wait func())   { down(rest, wait); Sink = 10 }
