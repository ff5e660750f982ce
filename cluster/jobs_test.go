package cluster_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/cluster"
)

func TestCancellingAFutureReachesTheRunningJob(t *testing.T) {
	s := startServer(t)
	w := startWorker(t, s.ClientURL())
	onLoop(t, s.ClientURL(), func(ctx context.Context, c *cluster.Client) {
		err := asyncio.Timeout(ctx, time.Minute, func(ctx context.Context) error {
			f, err := cluster.Submit(ctx, c, hang, "job")
			if err != nil {
				return err
			}
			told := asyncio.WrapFuture(f.Loop(), func(context.Context) (string, error) { return w.says(t, "begun job"), nil })
			if _, err := told.Await(ctx); err != nil {
				return err
			}
			f.Cancel()
			_, err = f.Await(ctx)
			return err
		})
		if !asyncio.IsCancelled(err) {
			t.Errorf("%v", err)
		}
		wait := asyncio.WrapFuture(mustLoop(ctx), func(context.Context) (string, error) { return w.says(t, "ended job"), nil })
		if _, err := wait.Await(ctx); err != nil {
			t.Error(err)
		}
		empty(t, ctx, c)
	})
}

func mustLoop(ctx context.Context) *asyncio.Loop {
	l, err := asyncio.RunningLoop(ctx)
	if err != nil {
		panic(err)
	}
	return l
}

// empty waits until no job is left in the cluster.
func empty(t *testing.T, ctx context.Context, c *cluster.Client) {
	t.Helper()
	for {
		n, err := queued(ctx, c)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return
		}
		if err := asyncio.Sleep(ctx, time.Millisecond); err != nil {
			t.Fatalf("%v: %d jobs are left", err, n)
		}
	}
}

func TestAJobCancelledBeforeItHasBegunIsNotRun(t *testing.T) {
	s := startServer(t)
	file := filepath.Join(t.TempDir(), "calls")
	onLoop(t, s.ClientURL(), func(ctx context.Context, c *cluster.Client) {
		f, err := cluster.Submit(ctx, c, failSometimes, errand{file, 0})
		if err != nil {
			t.Fatal(err)
		}
		for n := uint64(0); n == 0; { // until it is in the cluster
			if n, err = queued(ctx, c); err != nil {
				t.Fatal(err)
			}
		}
		f.Cancel()
		empty(t, ctx, c)
		serve(t, s.ClientURL())
		if v, err := cluster.Call(ctx, c, square, 3); err != nil || v != 9 {
			t.Errorf("%d, %v", v, err)
		}
		if n := calls(file); n != 0 {
			t.Errorf("it was called %d times", n)
		}
	})
}

func TestATimeLimitEndsTheWaitAndTheJob(t *testing.T) {
	s := startServer(t)
	w := startWorker(t, s.ClientURL())
	onLoop(t, s.ClientURL(), func(ctx context.Context, c *cluster.Client) {
		// Of the one who waits:
		err := asyncio.Timeout(ctx, 300*time.Millisecond, func(ctx context.Context) error {
			_, err := cluster.Call(ctx, c, hang, "first")
			return err
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		// Of the job:
		_, err = cluster.Call(ctx, c, hang, "second", cluster.WithTimeout(20*time.Millisecond))
		if !errors.Is(err, cluster.ErrTimeout) {
			t.Errorf("%v", err)
		}
		told := asyncio.WrapFuture(mustLoop(ctx), func(context.Context) (string, error) { return w.says(t, "ended second"), nil })
		line, err := told.Await(ctx)
		if err != nil || !bytes.HasSuffix([]byte(line), []byte(cluster.ErrTimeout.Error())) {
			t.Errorf("%q, %v", line, err)
		}
	})
}

func TestAFailedJobIsTriedAgain(t *testing.T) {
	s := startServer(t)
	serve(t, s.ClientURL())
	file := filepath.Join(t.TempDir(), "calls")
	onLoop(t, s.ClientURL(), func(ctx context.Context, c *cluster.Client) {
		began := time.Now()
		n, err := cluster.Call(ctx, c, failSometimes, errand{file, 3}, cluster.WithRetry(4, 10*time.Millisecond, time.Second))
		if err != nil || n != 4 {
			t.Errorf("%d, %v", n, err)
		}
		if took := time.Since(began); took < 70*time.Millisecond {
			t.Errorf("pauses of 10, 20 and 40 ms took %v", took)
		}
	})
}

func TestDeadLettersAreListedRetriedAndDropped(t *testing.T) {
	s := startServer(t)
	serve(t, s.ClientURL())
	dir := t.TempDir()
	onLoop(t, s.ClientURL(), func(ctx context.Context, c *cluster.Client) {
		for _, name := range []string{"a", "b"} {
			_, err := cluster.Call(ctx, c, failSometimes, errand{filepath.Join(dir, name), 2},
				cluster.WithRetry(2, time.Millisecond, time.Millisecond), cluster.WithKey(name))
			var job *cluster.JobError
			if !errors.As(err, &job) || job.Attempts != 2 || !job.DeadLetter {
				t.Errorf("%#v", err)
			}
		}
		letters, err := c.DeadLetters(ctx, 0, 10)
		if err != nil || len(letters) != 2 || letters[0].Key != "a" || letters[1].Key != "b" {
			t.Fatalf("%v, %v", letters, err)
		}
		if text := letters[0].Err.Error(); text != "cluster: job failSometimes: attempt 2 (2 attempts)" {
			t.Error(text)
		}
		if err := c.RetryDeadLetter(ctx, letters[0].Number); err != nil {
			t.Fatal(err)
		}
		if err := c.DropDeadLetter(ctx, letters[1].Number); err != nil {
			t.Fatal(err)
		}
		if err := c.DropDeadLetter(ctx, letters[1].Number); !errors.Is(err, cluster.ErrNoDeadLetter) {
			t.Errorf("%v", err)
		}
		// What is tried again succeeds, and its key has the result.
		n, err := cluster.Call(ctx, c, failSometimes, errand{}, cluster.WithKey("a"))
		if err != nil || n != 3 {
			t.Errorf("%d, %v", n, err)
		}
		if letters, err = c.DeadLetters(ctx, 0, 10); err != nil || len(letters) != 0 {
			t.Errorf("%v, %v", letters, err)
		}
	})
}

func TestAKeyHasOneResult(t *testing.T) {
	s := startServer(t)
	serve(t, s.ClientURL())
	file := filepath.Join(t.TempDir(), "calls")
	call := func(ctx context.Context, c *cluster.Client) *asyncio.Future[int] {
		f, err := cluster.Submit(ctx, c, failSometimes, errand{file, 0}, cluster.WithKey("k"))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	onLoop(t, s.ClientURL(), func(ctx context.Context, c *cluster.Client) {
		var all []*asyncio.Future[int]
		for range 20 { // while the first is under way, and after it
			all = append(all, call(ctx, c))
		}
		all = append(all, call(ctx, c))
		values, err := asyncio.Gather(ctx, all...)
		if err != nil || slices.ContainsFunc(values, func(v int) bool { return v != 1 }) {
			t.Errorf("%v, %v", values, err)
		}
		if v, err := cluster.Call(ctx, c, square, 4, cluster.WithKey("k")); err != nil || v != 16 {
			t.Errorf("the same key of another function: %d, %v", v, err)
		}
	})
	onLoop(t, s.ClientURL(), func(ctx context.Context, c *cluster.Client) {
		if v, err := call(ctx, c).Await(ctx); err != nil || v != 1 {
			t.Errorf("another client: %d, %v", v, err)
		}
	})
	if n := calls(file); n != 1 {
		t.Errorf("it was called %d times", n)
	}
}

// The one who has submitted it first cancels it: the others have it run for themselves.
func TestAFollowerOfACancelledJobRunsItAgain(t *testing.T) {
	s := startServer(t)
	w := startWorker(t, s.ClientURL())
	file := filepath.Join(t.TempDir(), "go")
	onLoop(t, s.ClientURL(), func(ctx context.Context, c *cluster.Client) {
		submit := func() *asyncio.Future[int] {
			f, err := cluster.Submit(ctx, c, untilFile, file, cluster.WithKey("k"))
			if err != nil {
				t.Fatal(err)
			}
			return f
		}
		first := submit()
		waiting := asyncio.WrapFuture(mustLoop(ctx), func(context.Context) (string, error) { return w.says(t, "waiting"), nil })
		if _, err := waiting.Await(ctx); err != nil {
			t.Fatal(err)
		}
		second := submit()
		if err := asyncio.Sleep(ctx, 50*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		first.Cancel()
		again := asyncio.WrapFuture(mustLoop(ctx), func(context.Context) (string, error) { return w.says(t, "waiting"), nil })
		if _, err := again.Await(ctx); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if v, err := second.Await(ctx); err != nil || v != 1 {
			t.Errorf("%d, %v", v, err)
		}
	})
}

func TestLargeValuesGoThroughTheStore(t *testing.T) {
	s := startServer(t)
	serve(t, s.ClientURL(), cluster.WithMaxMessage(4<<20))
	p := make([]byte, 3<<20)
	_, _ = rand.Read(p)
	onLoop(t, s.ClientURL(), func(ctx context.Context, c *cluster.Client) {
		for _, opts := range [][]cluster.JobOption{nil, {cluster.WithKey("k")}, {cluster.WithKey("k")}} {
			got, err := cluster.Call(ctx, c, echo, p, opts...)
			if err != nil || !bytes.Equal(got, p) {
				t.Errorf("%d bytes came back, %v", len(got), err)
			}
		}
		if _, err := cluster.Call(ctx, c, echo, make([]byte, 6<<20)); !errors.Is(err, asyncio.ErrMessageTooLarge) {
			t.Errorf("a result that is too large: %v", err)
		}
		if _, err := cluster.Call(ctx, c, echo, make([]byte, 9<<20)); !errors.Is(err, asyncio.ErrMessageTooLarge) {
			t.Errorf("an argument that is too large: %v", err)
		}
	}, cluster.WithMaxMessage(8<<20))
}

func TestProgressComesBeforeTheResult(t *testing.T) {
	s := startServer(t)
	serve(t, s.ClientURL())
	onLoop(t, s.ClientURL(), func(ctx context.Context, c *cluster.Client) {
		var seen []cluster.Progress
		n, err := cluster.Call(ctx, c, count, 1000, cluster.WithProgress(func(p cluster.Progress) { seen = append(seen, p) }))
		if err != nil || n != 1000 {
			t.Fatal(n, err)
		}
		if len(seen) < 2 || len(seen) > 500 || seen[0].Done != 1 || seen[len(seen)-1] != (cluster.Progress{Done: 1000, Total: 1000, Note: "counting"}) {
			t.Errorf("%d reports: %v", len(seen), seen)
		}
	})
	if err := cluster.Report(t.Context(), cluster.Progress{}); !errors.Is(err, cluster.ErrNoJob) {
		t.Error(err)
	}
}

func TestSubmitWaitsForRoom(t *testing.T) {
	s := startServer(t)
	onLoop(t, s.ClientURL(), func(ctx context.Context, c *cluster.Client) {
		var all []*asyncio.Future[int]
		for i := range 3 {
			f, err := cluster.Submit(ctx, c, square, i)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, f)
		}
		fourth := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) { return cluster.Call(ctx, c, square, 3) })
		if err := asyncio.Sleep(ctx, 20*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		if n := c.Pending(); n != 3 {
			t.Errorf("%d jobs are under way", n)
		}
		all[0].Cancel()
		serve(t, s.ClientURL())
		if v, err := fourth.Await(ctx); err != nil || v != 9 {
			t.Errorf("%d, %v", v, err)
		}
	}, cluster.WithMaxPending(3))
}

// The queue of the whole cluster is full: jobs are offered again until there is room.
func TestAFullQueueHoldsJobsBack(t *testing.T) {
	s := startServer(t)
	onLoop(t, s.ClientURL(), func(ctx context.Context, c *cluster.Client) {
		var all []*asyncio.Future[int]
		for i := range 30 {
			f, err := cluster.Submit(ctx, c, square, i)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, f)
		}
		n, err := queued(ctx, c)
		for err == nil && n < 4 { // the server has not answered yet
			_ = asyncio.Sleep(ctx, time.Millisecond)
			n, err = queued(ctx, c)
		}
		if err := asyncio.Sleep(ctx, 50*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		if n, err := queued(ctx, c); err != nil || n != 4 {
			t.Errorf("%d jobs are queued, %v", n, err)
		}
		serve(t, s.ClientURL())
		if _, err := asyncio.Gather(ctx, all...); err != nil {
			t.Error(err)
		}
	}, cluster.WithQueueLimit(4))
}

func TestAFunctionThatNoWorkerKnowsIsAnError(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	serve(t, s.ClientURL())
	onLoop(t, s.ClientURL(), func(ctx context.Context, c *cluster.Client) {
		// Registered under the name of another program's function.
		_, err := cluster.Call(ctx, c, new(asyncio.WorkerFunc[int, int]), 1)
		var job *cluster.JobError
		if !errors.Is(err, cluster.ErrUnknownFunction) || !errors.As(err, &job) || !job.DeadLetter {
			t.Errorf("%v", err)
		}
	})
}

func TestMapKeepsTheOrder(t *testing.T) {
	s := startServer(t)
	serve(t, s.ClientURL())
	onLoop(t, s.ClientURL(), func(ctx context.Context, c *cluster.Client) {
		i := 0
		for v, err := range cluster.Map(ctx, c, square, numbers(500)) {
			if err != nil || v != i*i {
				t.Fatalf("%d: %d, %v", i, v, err)
			}
			i++
		}
		if i != 500 {
			t.Errorf("%d results", i)
		}
		sum := 0
		for p, err := range cluster.MapAsCompleted(ctx, c, square, numbers(500)) {
			if err != nil || p.Out != p.In*p.In {
				t.Fatalf("%v, %v", p, err)
			}
			sum += p.In
		}
		if sum != 500*499/2 {
			t.Errorf("the arguments sum up to %d", sum)
		}
		// One that is left cancels what is under way.
		for range cluster.Map(ctx, c, square, numbers(1000)) {
			break
		}
		for range cluster.MapAsCompleted(ctx, c, square, numbers(1000)) {
			break
		}
		if err := asyncio.Sleep(ctx, 0); err != nil {
			t.Fatal(err)
		}
		if n := c.Pending(); n != 0 {
			t.Errorf("%d jobs are under way", n)
		}
	}, cluster.WithMaxPending(50))
}

func TestAJobsErrorDoesNotEndAMap(t *testing.T) {
	s := startServer(t)
	serve(t, s.ClientURL())
	onLoop(t, s.ClientURL(), func(ctx context.Context, c *cluster.Client) {
		n := 0
		for _, err := range cluster.Map(ctx, c, fail, slices.Values([]string{"a", "b"})) {
			if n++; err == nil {
				t.Error("no error")
			}
		}
		for _, err := range cluster.MapAsCompleted(ctx, c, fail, slices.Values([]string{"a", "b"})) {
			if n++; err == nil {
				t.Error("no error")
			}
		}
		if n != 4 {
			t.Errorf("%d results", n)
		}
	})
}

func numbers(n int) func(func(int) bool) {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}
