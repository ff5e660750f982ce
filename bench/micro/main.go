// Command micro measures the loop's basic operations, one a process:
//
//	micro list            names the benchmarks
//	micro BENCH [SCALE]   prints BENCH, the number of operations, the least and
//	                      the median nanoseconds of one, and a note
//
// SCALE multiplies the number of operations; REPEAT in the environment is how
// often they are measured (5), INSIGHT what the loop takes note of (off, on, every).
package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/asyncio-go/asyncio"
)

// A benchmark does n operations and says how long they took.
type benchmark struct {
	name string
	n    int
	once bool // it takes its time: measure it once
	run  func(ctx context.Context, n int) (time.Duration, string, error)
}

var benchmarks = []benchmark{
	{name: "call_soon", n: 1_000_000, run: callSoon},
	{name: "call_soon_batch", n: 1_000_000, run: callSoonBatch},
	{name: "coro_await", n: 1_000_000, run: coroAwait},
	{name: "sleep0", n: 1_000_000, run: sleep0},
	{name: "task", n: 300_000, run: task},
	{name: "gather", n: 100_000, run: gather},
	{name: "queue", n: 200_000, run: queue},
	{name: "timer", n: 1_000_000, run: timer},
	{name: "timer_bulk", n: 1_000_000, run: timerBulk},
	{name: "executor", n: 200_000, run: executor},
	{name: "sleeps", n: 100_000, once: true, run: sleeps},
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "micro:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 1 && args[0] == "list" {
		for i, b := range benchmarks {
			fmt.Print(map[bool]string{true: "", false: " "}[i == 0], b.name)
		}
		fmt.Println()
		return nil
	}
	if len(args) < 1 || len(args) > 2 {
		return fmt.Errorf("usage: micro list | micro BENCH [SCALE]")
	}
	i := slices.IndexFunc(benchmarks, func(b benchmark) bool { return b.name == args[0] })
	if i < 0 {
		return fmt.Errorf("there is no benchmark %q; micro list names them", args[0])
	}
	scale := 1.0
	if len(args) == 2 {
		var err error
		if scale, err = strconv.ParseFloat(args[1], 64); err != nil || scale <= 0 {
			return fmt.Errorf("the scale %q is no positive number", args[1])
		}
	}
	repeat, err := strconv.Atoi(cmp.Or(os.Getenv("REPEAT"), "5"))
	if err != nil || repeat < 1 {
		return fmt.Errorf("REPEAT is no positive number")
	}
	switch os.Getenv("INSIGHT") {
	case "on":
		asyncio.SetInsight(asyncio.InsightOn)
	case "every":
		asyncio.SetInsight(asyncio.InsightEveryStep)
	}
	return benchmarks[i].measure(scale, repeat)
}

func (b *benchmark) measure(scale float64, repeat int) error {
	n := max(100, int(float64(b.n)*scale))
	if b.once {
		repeat = 1
	}
	times := make([]float64, 0, repeat)
	note := ""
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		for range repeat {
			runtime.GC()
			took, extra, err := b.run(ctx, n)
			if err != nil {
				return err
			}
			times = append(times, float64(took.Nanoseconds())/float64(n))
			note = extra
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.Sort(times)
	fmt.Printf("%s\t%d\t%.1f\t%.1f\t%s\n", b.name, n, times[0], times[len(times)/2], note)
	return nil
}

// callSoon is a chain: each callback schedules the next.
func callSoon(ctx context.Context, n int) (time.Duration, string, error) {
	l, err := asyncio.RunningLoop(ctx)
	if err != nil {
		return 0, "", err
	}
	done := asyncio.NewFuture[struct{}](l)
	left := n
	var next func()
	next = func() {
		if left--; left > 0 {
			l.CallSoon(next)
		} else {
			_ = done.SetResult(struct{}{})
		}
	}
	start := time.Now()
	l.CallSoon(next)
	_, err = done.Await(ctx)
	return time.Since(start), "CallSoon", err
}

// callSoonBatch queues all callbacks at once.
func callSoonBatch(ctx context.Context, n int) (time.Duration, string, error) {
	l, err := asyncio.RunningLoop(ctx)
	if err != nil {
		return 0, "", err
	}
	done := asyncio.NewFuture[struct{}](l)
	nop := func() {}
	start := time.Now()
	for range n - 1 {
		l.CallSoon(nop)
	}
	l.CallSoon(func() { _ = done.SetResult(struct{}{}) })
	_, err = done.Await(ctx)
	return time.Since(start), "CallSoon", err
}

//go:noinline
func trivial(context.Context) (int, error) { return 1, nil }

// coroAwait is the await of a coroutine without a task: in Go, a call.
func coroAwait(ctx context.Context, n int) (time.Duration, string, error) {
	start := time.Now()
	for range n {
		if _, err := trivial(ctx); err != nil {
			return 0, "", err
		}
	}
	return time.Since(start), "a call", nil
}

// sleep0 is two tasks that take turns.
func sleep0(ctx context.Context, n int) (time.Duration, string, error) {
	turns := func(ctx context.Context) (int, error) {
		for range n / 2 {
			if err := asyncio.Sleep(ctx, 0); err != nil {
				return 0, err
			}
		}
		return 0, nil
	}
	start := time.Now()
	_, err := asyncio.Gather(ctx, asyncio.CreateTask(ctx, turns), asyncio.CreateTask(ctx, turns))
	return time.Since(start), "Sleep(0)", err
}

// task makes a task and awaits it, one after another.
func task(ctx context.Context, n int) (time.Duration, string, error) {
	start := time.Now()
	for range n {
		if _, err := asyncio.CreateTask(ctx, trivial).Await(ctx); err != nil {
			return 0, "", err
		}
	}
	return time.Since(start), "CreateTask, Await", nil
}

// gather is tasks by the ten thousand, each of which waits a turn.
func gather(ctx context.Context, n int) (time.Duration, string, error) {
	turn := func(ctx context.Context) (int, error) { return 0, asyncio.Sleep(ctx, 0) }
	start := time.Now()
	for range 10 {
		tasks := make([]*asyncio.Task[int], n/10)
		for i := range tasks {
			tasks[i] = asyncio.CreateTask(ctx, turn)
		}
		if _, err := asyncio.Gather(ctx, tasks...); err != nil {
			return 0, "", err
		}
	}
	return time.Since(start), "CreateTask, Gather", nil
}

// queue is a ping-pong over two queues of one.
func queue(ctx context.Context, n int) (time.Duration, string, error) {
	a, b := asyncio.NewQueue[int](1), asyncio.NewQueue[int](1)
	start := time.Now()
	pong := asyncio.Go(ctx, func(ctx context.Context) error {
		for range n {
			v, err := a.Get(ctx)
			if err != nil {
				return err
			}
			if err := b.Put(ctx, v); err != nil {
				return err
			}
		}
		return nil
	})
	for i := range n {
		if err := a.Put(ctx, i); err != nil {
			return 0, "", err
		}
		if _, err := b.Get(ctx); err != nil {
			return 0, "", err
		}
	}
	_, err := pong.Await(ctx)
	return time.Since(start), "Queue(1) twice", err
}

// timer sets a timer and cancels it at once.
func timer(ctx context.Context, n int) (time.Duration, string, error) {
	l, err := asyncio.RunningLoop(ctx)
	if err != nil {
		return 0, "", err
	}
	nop := func() {}
	start := time.Now()
	for i := range n {
		l.CallLater(time.Minute, nop).Cancel()
		if i&1023 == 0 {
			if err := asyncio.Sleep(ctx, 0); err != nil {
				return 0, "", err
			}
		}
	}
	return time.Since(start), "CallLater, Cancel", nil
}

// timerBulk sets many timers, then cancels them all.
func timerBulk(ctx context.Context, n int) (time.Duration, string, error) {
	l, err := asyncio.RunningLoop(ctx)
	if err != nil {
		return 0, "", err
	}
	nop := func() {}
	start := time.Now()
	timers := make([]*asyncio.TimerHandle, n)
	for i := range timers {
		timers[i] = l.CallLater(time.Minute+time.Duration(i*7919%10007)*10*time.Millisecond, nop)
	}
	for _, h := range timers {
		h.Cancel()
	}
	return time.Since(start), "CallLater, then Cancel all", asyncio.Sleep(ctx, 0)
}

// executor hands a function to the default executor and waits for it.
func executor(ctx context.Context, n int) (time.Duration, string, error) {
	nop := func(context.Context) (int, error) { return 0, nil }
	if _, err := asyncio.ToThread(ctx, nop); err != nil {
		return 0, "", err
	}
	start := time.Now()
	for range n {
		if _, err := asyncio.ToThread(ctx, nop); err != nil {
			return 0, "", err
		}
	}
	return time.Since(start), "ToThread", nil
}

// sleeps is very many tasks that sleep for a second: the time beyond it.
func sleeps(ctx context.Context, n int) (time.Duration, string, error) {
	second := func(ctx context.Context) (int, error) { return 0, asyncio.Sleep(ctx, time.Second) }
	before := peakMemory()
	start := time.Now()
	tasks := make([]*asyncio.Task[int], n)
	for i := range tasks {
		tasks[i] = asyncio.CreateTask(ctx, second)
	}
	_, err := asyncio.Gather(ctx, tasks...)
	took := time.Since(start)
	peak := peakMemory()
	note := fmt.Sprintf("wall=%.3fs peakRSS=%.1fMB bytes/task=%d", took.Seconds(), float64(peak)/(1<<20), (peak-before)/int64(n))
	return took - time.Second, note, err
}
