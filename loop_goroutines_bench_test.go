package asyncio_test

import (
	"context"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// Each benchmark here is the same work twice: as coroutines and callbacks of a
// loop, and as goroutines and channels. GOMAXPROCS is 1 in both. The metric
// "ratio" of the one on the loop is its time by that of the one before it, so
//
//	go test -run '^$' -bench '/(goroutines|loop)' .
//
// shows all ratios. bench/micro is the same work as a program.

func BenchmarkCallSoon(b *testing.B)      { compare(b, chainOnChannel, chainOnLoop) }
func BenchmarkCallSoonBatch(b *testing.B) { compare(b, batchOnChannel, batchOnLoop) }
func BenchmarkCoroAwait(b *testing.B)     { compare(b, callPlainly, callCoroutine) }
func BenchmarkAwaitReady(b *testing.B)    { compare(b, receiveReady, awaitReady) }
func BenchmarkSleep0(b *testing.B)        { compare(b, turnsByGosched, turnsBySleep) }
func BenchmarkTask(b *testing.B)          { compare(b, oneGoroutine, oneTask) }
func BenchmarkGather(b *testing.B)        { compare(b, gatherGoroutines, gatherTasks) }
func BenchmarkQueue(b *testing.B)         { compare(b, pingPongOnChannels, pingPongOnQueues) }
func BenchmarkTimer(b *testing.B)         { compare(b, timerOfGo, timerOfLoop) }
func BenchmarkTimerBulk(b *testing.B)     { compare(b, timersOfGo, timersOfLoop) }
func BenchmarkExecutor(b *testing.B)      { compare(b, jobForWorkers, jobForExecutor) }
func BenchmarkEchoStreams(b *testing.B)   { compare(b, echoOnNet, echoOnStreams) }
func BenchmarkEchoProtocol(b *testing.B)  { compare(b, echoOnNet, echoOnProtocols) }

// compare runs two bodies, each of which does its work n times.
func compare(b *testing.B, goroutines func(n int) error, loop func(ctx context.Context, n int) error) {
	old := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(old)
	var beside float64
	b.Run("goroutines", func(b *testing.B) {
		b.ReportAllocs()
		if err := goroutines(b.N); err != nil {
			b.Fatal(err)
		}
		beside = float64(b.Elapsed()) / float64(b.N)
	})
	b.Run("loop", func(b *testing.B) {
		b.ReportAllocs()
		err := asyncio.Run(b.Context(), func(ctx context.Context) error {
			b.ResetTimer()
			defer b.StopTimer()
			return loop(ctx, b.N)
		})
		if err != nil {
			b.Fatal(err)
		}
		if beside > 0 {
			b.ReportMetric(float64(b.Elapsed())/float64(b.N)/beside, "ratio")
		}
	})
}

// inBatches calls one with at most so many at a time.
func inBatches(n, atOnce int, one func(n int) error) error {
	for ; n > 0; n -= atOnce {
		if err := one(min(n, atOnce)); err != nil {
			return err
		}
	}
	return nil
}

// A chain of callbacks: each schedules the next.

func chainOnLoop(ctx context.Context, n int) error {
	l := loopOf(ctx)
	done := asyncio.NewFuture[struct{}](l)
	var next func()
	next = func() {
		if n--; n > 0 {
			l.CallSoon(next)
		} else {
			_ = done.SetResult(struct{}{})
		}
	}
	l.CallSoon(next)
	_, err := done.Await(ctx)
	return err
}

func chainOnChannel(n int) error {
	calls := make(chan func(), 64)
	var next func()
	next = func() {
		if n--; n > 0 {
			calls <- next
		} else {
			close(calls)
		}
	}
	calls <- next
	<-serveCalls(calls)
	return nil
}

// serveCalls starts a goroutine that makes the calls it is sent.
func serveCalls(calls <-chan func()) (done chan struct{}) {
	done = make(chan struct{})
	go func() {
		for fn := range calls {
			fn()
		}
		close(done)
	}()
	return done
}

// Callbacks that are all there before the first runs, a million at a time.

func batchOnLoop(ctx context.Context, n int) error {
	l, nop := loopOf(ctx), func() {}
	return inBatches(n, 1_000_000, func(n int) error {
		done := asyncio.NewFuture[struct{}](l)
		for range n - 1 {
			l.CallSoon(nop)
		}
		l.CallSoon(func() { _ = done.SetResult(struct{}{}) })
		_, err := done.Await(ctx)
		return err
	})
}

func batchOnChannel(n int) error {
	nop := func() {}
	return inBatches(n, 1_000_000, func(n int) error {
		calls := make(chan func(), n)
		for range n {
			calls <- nop
		}
		close(calls)
		<-serveCalls(calls)
		return nil
	})
}

// A coroutine that is awaited without a task: in Go, a call.

//go:noinline
func one(context.Context) (int, error) { return 1, nil }

func callCoroutine(ctx context.Context, n int) error {
	for range n {
		if _, err := one(ctx); err != nil {
			return err
		}
	}
	return nil
}

func callPlainly(n int) error { return callCoroutine(context.Background(), n) }

// A future that is done, and a channel that has something.

func awaitReady(ctx context.Context, n int) error {
	f := asyncio.NewFuture[int](loopOf(ctx))
	_ = f.SetResult(1)
	for range n {
		if _, err := f.Await(ctx); err != nil {
			return err
		}
	}
	return nil
}

func receiveReady(n int) error {
	c := make(chan int)
	close(c)
	for range n {
		<-c
	}
	return nil
}

// Two that take turns; n turns in all.

func turnsBySleep(ctx context.Context, n int) error {
	takeTurns := func(ctx context.Context) error {
		for range n / 2 {
			if err := asyncio.Sleep(ctx, 0); err != nil {
				return err
			}
		}
		return nil
	}
	_, err := asyncio.Gather(ctx, asyncio.Go(ctx, takeTurns), asyncio.Go(ctx, takeTurns))
	return err
}

func turnsByGosched(n int) error {
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range n / 2 {
				runtime.Gosched()
			}
		})
	}
	wg.Wait()
	return nil
}

// One is made and waited for, then the next.

func oneTask(ctx context.Context, n int) error {
	for range n {
		if _, err := asyncio.CreateTask(ctx, one).Await(ctx); err != nil {
			return err
		}
	}
	return nil
}

func oneGoroutine(n int) error {
	ctx := context.Background()
	for range n {
		c := make(chan int, 1)
		go func() {
			v, _ := one(ctx)
			c <- v
		}()
		<-c
	}
	return nil
}

// Ten thousand at a time, each of which waits a turn.

func gatherTasks(ctx context.Context, n int) error {
	turn := func(ctx context.Context) (int, error) { return 1, asyncio.Sleep(ctx, 0) }
	return inBatches(n, 10_000, func(n int) error {
		tasks := make([]*asyncio.Task[int], n)
		for i := range tasks {
			tasks[i] = asyncio.CreateTask(ctx, turn)
		}
		_, err := asyncio.Gather(ctx, tasks...)
		return err
	})
}

func gatherGoroutines(n int) error {
	return inBatches(n, 10_000, func(n int) error {
		var wg sync.WaitGroup
		for range n {
			wg.Go(runtime.Gosched)
		}
		wg.Wait()
		return nil
	})
}

// There and back over two queues of one.

func pingPongOnQueues(ctx context.Context, n int) error {
	there, back := asyncio.NewQueue[int](1), asyncio.NewQueue[int](1)
	pong := asyncio.Go(ctx, func(ctx context.Context) error {
		for range n {
			v, err := there.Get(ctx)
			if err != nil {
				return err
			}
			if err := back.Put(ctx, v); err != nil {
				return err
			}
		}
		return nil
	})
	for i := range n {
		if err := there.Put(ctx, i); err != nil {
			return err
		}
		if _, err := back.Get(ctx); err != nil {
			return err
		}
	}
	_, err := pong.Await(ctx)
	return err
}

func pingPongOnChannels(n int) error {
	there, back := make(chan int, 1), make(chan int, 1)
	go func() {
		for v := range there {
			back <- v
		}
	}()
	for i := range n {
		there <- i
		<-back
	}
	close(there)
	return nil
}

// A timer that is set and cancelled at once.

func timerOfLoop(ctx context.Context, n int) error {
	l, nop := loopOf(ctx), func() {}
	return inBatches(n, 1024, func(n int) error {
		for range n {
			l.CallLater(time.Minute, nop).Cancel()
		}
		return asyncio.Sleep(ctx, 0)
	})
}

func timerOfGo(n int) error {
	nop := func() {}
	for range n {
		time.AfterFunc(time.Minute, nop).Stop()
	}
	return nil
}

// A million timers are set, in no order of time, then all are cancelled.

const timersAtOnce = 1_000_000

func timersOfLoop(ctx context.Context, n int) error {
	l, nop := loopOf(ctx), func() {}
	timers := make([]*asyncio.TimerHandle, min(n, timersAtOnce))
	return inBatches(n, timersAtOnce, func(n int) error {
		for i := range n {
			timers[i] = l.CallLater(someDelay(i), nop)
		}
		for _, h := range timers[:n] {
			h.Cancel()
		}
		return asyncio.Sleep(ctx, 0)
	})
}

func timersOfGo(n int) error {
	nop := func() {}
	timers := make([]*time.Timer, min(n, timersAtOnce))
	return inBatches(n, timersAtOnce, func(n int) error {
		for i := range n {
			timers[i] = time.AfterFunc(someDelay(i), nop)
		}
		for _, h := range timers[:n] {
			h.Stop()
		}
		return nil
	})
}

// someDelay is one of ten thousand, from a minute on.
func someDelay(i int) time.Duration {
	return time.Minute + time.Duration(i*7919%10007)*10*time.Millisecond
}

// A function that is called elsewhere, and its result.

func jobForExecutor(ctx context.Context, n int) error {
	for range n {
		if _, err := asyncio.ToThread(ctx, one); err != nil {
			return err
		}
	}
	return nil
}

func jobForWorkers(n int) error {
	ctx := context.Background()
	jobs := make(chan func())
	defer close(jobs)
	for range 8 {
		serveCalls(jobs)
	}
	for range n {
		c := make(chan int, 1)
		jobs <- func() {
			v, _ := one(ctx)
			c <- v
		}
		<-c
	}
	return nil
}

// 64 bytes to a server and back, over loopback.

const echoed = 64

func echoOnStreams(ctx context.Context, n int) error {
	srv, err := asyncio.StartServer(ctx, "tcp", "127.0.0.1:0", func(_ context.Context, s *asyncio.Stream) error {
		return echoPieces(s)
	})
	if err != nil {
		return err
	}
	s, err := asyncio.OpenConnection(ctx, "tcp", srv.Addr().String())
	if err != nil {
		return err
	}
	if err := askEcho(s, n); err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	return srv.Shutdown(ctx)
}

func echoOnNet(n int) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() {
		s, err := ln.Accept()
		if err == nil {
			err = echoPieces(s)
			_ = s.Close()
		}
		served <- err
	}()
	defer ln.Close()
	s, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		return err
	}
	if err := askEcho(s, n); err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	return <-served
}

// echoPieces sends back what comes until the end.
func echoPieces(s io.ReadWriter) error {
	p := make([]byte, 4096)
	for {
		n, err := s.Read(p)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := s.Write(p[:n]); err != nil {
			return err
		}
	}
}

func askEcho(s io.ReadWriter, n int) error {
	p := make([]byte, echoed)
	for range n {
		if _, err := s.Write(p); err != nil {
			return err
		}
		if _, err := io.ReadFull(s, p); err != nil {
			return err
		}
	}
	return nil
}

func echoOnProtocols(ctx context.Context, n int) error {
	l := loopOf(ctx)
	srv, err := l.CreateServer(ctx, "tcp", "127.0.0.1:0", newEcho)
	if err != nil {
		return err
	}
	// As each piece is small enough, it comes as one.
	c := &counting{left: n, each: make([]byte, echoed), done: asyncio.NewFuture[struct{}](l)}
	if _, _, err := l.CreateConnection(ctx, "tcp", srv.Addr().String(), func() asyncio.Protocol { return c }); err != nil {
		return err
	}
	if _, err := c.done.Await(ctx); err != nil {
		return err
	}
	c.transport.Close()
	return srv.Shutdown(ctx)
}

// BenchmarkSleeps is very many that sleep until the same moment, a hundred
// thousand at once. What is measured is to make them and to let them end, not
// the time that they sleep. "B/sleeper" is what each of the first hundred
// thousand takes meanwhile, with its stack; the runtime's record of a goroutine
// is in it only when none is left of an earlier one.
func BenchmarkSleeps(b *testing.B) {
	old := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(old)
	b.Run("goroutines", func(b *testing.B) {
		m := sleepMeter{b: b}
		_ = inBatches(b.N, sleepersAtOnce, func(n int) error {
			var begun, ended sync.WaitGroup
			begun.Add(n)
			m.begin()
			for range n {
				ended.Go(func() {
					begun.Done()
					// This timer has a channel, of 128 bytes, beside what a
					// plain sleep needs.
					<-time.After(time.Until(m.end))
				})
			}
			begun.Wait()
			<-time.After(m.allAsleep(n))
			b.StartTimer()
			ended.Wait()
			return nil
		})
	})
	b.Run("loop", func(b *testing.B) {
		m := sleepMeter{b: b}
		err := asyncio.Run(b.Context(), func(ctx context.Context) error {
			asleep := func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Until(m.end)) }
			return inBatches(b.N, sleepersAtOnce, func(n int) error {
				tasks := make([]*asyncio.Task[struct{}], n)
				m.begin()
				for i := range tasks {
					tasks[i] = asyncio.Go(ctx, asleep)
				}
				if err := asyncio.Sleep(ctx, 0); err != nil {
					return err
				}
				if err := asyncio.Sleep(ctx, m.allAsleep(n)); err != nil {
					return err
				}
				b.StartTimer()
				_, err := asyncio.Gather(ctx, tasks...)
				return err
			})
		})
		if err != nil {
			b.Fatal(err)
		}
	})
}

const sleepersAtOnce = 100_000

// A sleepMeter stops the benchmark's clock while all sleep, and looks how much
// memory there is then.
type sleepMeter struct {
	b      *testing.B
	end    time.Time // of all that sleep
	before uint64    // heap and stacks; 0: has been reported
}

func (m *sleepMeter) begin() {
	m.b.StopTimer()
	if m.end.IsZero() {
		m.before = heapAndStacks()
	}
	m.end = time.Now().Add(time.Second)
	m.b.StartTimer()
}

// allAsleep returns the time until the n others are about to wake.
func (m *sleepMeter) allAsleep(n int) time.Duration {
	m.b.StopTimer()
	if m.before > 0 {
		took := int64(heapAndStacks()) - int64(m.before)
		m.b.ReportMetric(float64(took)/float64(n), "B/sleeper")
		m.before = 0
	}
	return time.Until(m.end) - time.Millisecond
}

func heapAndStacks() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
