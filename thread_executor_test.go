package asyncio_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

func TestToThreadGivesResultErrorAndValues(t *testing.T) {
	type key struct{}
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		v, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { return 42, nil })
		if v != 42 || err != nil {
			t.Errorf("got %d, %v", v, err)
		}
		bad := errors.New("bad")
		if _, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { return 0, bad }); err != bad {
			t.Errorf("got %v", err)
		}
		withValue := context.WithValue(ctx, key{}, "parrot")
		got, _ := asyncio.ToThread(withValue, func(ctx context.Context) (any, error) { return ctx.Value(key{}), nil })
		if got != "parrot" {
			t.Errorf("the function saw %v", got)
		}
		task := asyncio.CreateTask(withValue, func(ctx context.Context) (any, error) {
			return asyncio.ToThread(ctx, func(ctx context.Context) (any, error) { return ctx.Value(key{}), nil })
		})
		if got, _ := task.Await(ctx); got != "parrot" {
			t.Errorf("in a task the function saw %v", got)
		}
	})
}

func TestToThreadsRunConcurrently(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		var meet sync.WaitGroup
		meet.Add(3)
		var tasks []asyncio.Awaiter[int]
		for range 3 {
			tasks = append(tasks, asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
				return asyncio.ToThread(ctx, func(context.Context) (int, error) { meet.Done(); meet.Wait(); return 1, nil })
			}))
		}
		if _, err := asyncio.Gather(ctx, tasks...); err != nil {
			t.Error(err)
		}
	})
}

func TestGoexitInAJobIsItsError(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := must(asyncio.RunningLoop(ctx))
		e := asyncio.NewThreadPoolExecutor(1)
		f := asyncio.RunInExecutor(l, e, func(context.Context) (int, error) { runtime.Goexit(); return 0, nil })
		next := asyncio.RunInExecutor(l, e, func(context.Context) (int, error) { return 7, nil })
		if _, err := f.Await(ctx); !errors.Is(err, asyncio.ErrGoexit) {
			t.Errorf("got %v", err)
		}
		if v, err := next.Await(ctx); v != 7 || err != nil {
			t.Errorf("the next job gave %d, %v", v, err)
		}
		if err := e.Shutdown(ctx); err != nil { //asyncvet:ignore blocking here it is to wait on the loop itself
			t.Error(err)
		}
		if s := e.Stats(); s.Running != 0 || s.Done != 2 || len(s.Jobs) != 0 {
			t.Errorf("at the end: %+v", s)
		}
	})
}

// blocked returns an executor whose only goroutine is held until release.
func blocked(l *asyncio.Loop, opts ...asyncio.ThreadPoolOption) (e *asyncio.ThreadPoolExecutor, job *asyncio.Future[int], release func()) {
	e = asyncio.NewThreadPoolExecutor(1, opts...)
	gate, running := make(chan struct{}), make(chan struct{})
	job = asyncio.RunInExecutor(l, e, func(ctx context.Context) (int, error) {
		close(running)
		<-gate
		return 1, ctx.Err()
	})
	<-running
	return e, job, func() { close(gate) }
}

func TestExecutorShowsItsQueueAndItsJobs(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := must(asyncio.RunningLoop(ctx))
		e, job, release := blocked(l)
		queued := asyncio.RunInExecutor(l, e, func(context.Context) (int, error) { return 2, nil })
		s := e.Stats()
		if s.MaxWorkers != 1 || s.Queued != 1 || s.Running != 1 || s.Done != 0 || len(s.Jobs) != 1 || l.Stats().Jobs != 2 {
			t.Errorf("%+v", s)
		}
		if j := s.Jobs[0]; !strings.Contains(j.Function, "asyncio_test.blocked") || j.Cancelled {
			t.Errorf("the job is %+v", j)
		}
		release()
		asyncio.Gather(ctx, []asyncio.Awaiter[int]{job, queued}...)
		e.Shutdown(ctx) //asyncvet:ignore blocking here it is to wait on the loop itself
		if s := e.Stats(); s.Done != 2 || s.Queued+s.Running != 0 {
			t.Errorf("at the end: %+v", s)
		}
	})
}

func TestCancelledJobsThatHaveNotBegunAreNotCalledAndDoNotPileUp(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := must(asyncio.RunningLoop(ctx))
		e, job, release := blocked(l)
		var called atomic.Int32
		most := 0
		for range 2000 {
			f := asyncio.RunInExecutor(l, e, func(context.Context) (int, error) { called.Add(1); return 0, nil })
			f.Cancel()
			asyncio.Sleep(ctx, 0)
			most = max(most, e.Stats().Queued)
		}
		if most > 200 {
			t.Errorf("%d cancelled jobs were in the queue", most)
		}
		release()
		job.Await(ctx)
		e.Shutdown(ctx) //asyncvet:ignore blocking here it is to wait on the loop itself
		if n := called.Load(); n != 0 {
			t.Errorf("%d were called", n)
		}
		if n := l.Stats().Jobs; n != 0 {
			t.Errorf("the loop counts %d still", n)
		}
	})
}

func TestExecutorWithABoundedQueue(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := must(asyncio.RunningLoop(ctx))
		e, job, release := blocked(l, asyncio.WithMaxQueue(2))
		nop := func(context.Context) (int, error) { return 0, nil }
		one, two, three := asyncio.RunInExecutor(l, e, nop), asyncio.RunInExecutor(l, e, nop), asyncio.RunInExecutor(l, e, nop)
		if err := three.Err(); !errors.Is(err, asyncio.ErrExecutorFull) {
			t.Errorf("one too many gave %v", err)
		}
		two.Cancel()
		asyncio.Sleep(ctx, 0)
		asyncio.Sleep(ctx, 0)
		four := asyncio.RunInExecutor(l, e, nop) // in the place of the cancelled one
		release()
		for _, f := range []*asyncio.Future[int]{job, one, four} {
			if _, err := f.Await(ctx); err != nil {
				t.Error(err)
			}
		}
		e.Shutdown(ctx) //asyncvet:ignore blocking here it is to wait on the loop itself
	})
}

func TestShutdownOfAnExecutorIsBoundedAndNamesTheJobsThatAreLeft(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := must(asyncio.RunningLoop(ctx))
		e, job, release := blocked(l)
		queued := asyncio.RunInExecutor(l, e, func(context.Context) (int, error) { return 2, nil })
		short, cancel := context.WithCancel(context.Background())
		cancel()
		err := e.Shutdown(short) //asyncvet:ignore blocking here it is to wait on the loop itself
		var left *asyncio.JobsLeftError
		if !errors.Is(err, context.Canceled) || !errors.As(err, &left) || len(left.Jobs) != 1 || !strings.Contains(err.Error(), "asyncio_test.blocked") {
			t.Errorf("got %v", err)
		}
		if _, err := queued.Await(ctx); !errors.Is(err, asyncio.ErrExecutorShutdown) {
			t.Errorf("a job that had not begun gave %v", err)
		}
		release()
		if _, err := job.Await(ctx); err != context.Canceled { // it was told
			t.Errorf("the job gave %v", err)
		}
		if err := e.Shutdown(ctx); err != nil { //asyncvet:ignore blocking here it is to wait on the loop itself
			t.Errorf("when all have ended it gave %v", err)
		}
	})
}

// countingExecutor is an executor of one's own.
type countingExecutor struct {
	jobs, shut int
	wg         sync.WaitGroup
}

func (e *countingExecutor) Submit(ctx context.Context, fn func(context.Context)) error {
	e.jobs++
	e.wg.Go(func() { fn(ctx) })
	return nil
}

func (e *countingExecutor) Shutdown(context.Context) error {
	e.shut++
	e.wg.Wait()
	return nil
}

func TestSetDefaultExecutor(t *testing.T) {
	e := new(countingExecutor)
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		l := must(asyncio.RunningLoop(ctx))
		if old := l.SetDefaultExecutor(e); old != nil {
			t.Errorf("there was %v", old)
		}
		v, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { return 3, nil })
		if v != 3 || err != nil || e.jobs != 1 {
			t.Errorf("got %d, %v after %d jobs", v, err, e.jobs)
		}
		if old := l.SetDefaultExecutor(e); old != e {
			t.Errorf("there was %v", old)
		}
		return nil
	})
	if err != nil || e.shut == 0 {
		t.Errorf("Run gave %v; shut down %d times", err, e.shut)
	}
}

func TestShutdownDefaultExecutor(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := must(asyncio.RunningLoop(ctx))
		var ended atomic.Bool
		job := asyncio.RunInExecutor(l, nil, func(context.Context) (int, error) { ended.Store(true); return 1, nil })
		if err := l.ShutdownDefaultExecutor(ctx); err != nil || !ended.Load() {
			t.Errorf("got %v; the job has ended: %v", err, ended.Load())
		}
		job.Await(ctx)
		if _, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { return 0, nil }); !errors.Is(err, asyncio.ErrExecutorShutdown) {
			t.Errorf("afterwards ToThread gave %v", err)
		}
	})
}

func TestShutdownDefaultExecutorEndsWithATimeout(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := must(asyncio.RunningLoop(ctx))
		began, told := make(chan struct{}), make(chan struct{})
		job := asyncio.RunInExecutor(l, nil, func(ctx context.Context) (int, error) {
			close(began)
			<-ctx.Done()
			close(told)
			return 0, ctx.Err()
		})
		<-began // one that has not begun would never be called
		err := asyncio.Timeout(ctx, 0, func(ctx context.Context) error {
			return l.ShutdownDefaultExecutor(ctx)
		})
		var timeout *asyncio.TimeoutError
		if !errors.As(err, &timeout) {
			t.Errorf("got %v", err)
		}
		<-told
		job.Await(ctx)
	})
}

func TestSubmitFromAnyGoroutine(t *testing.T) {
	e := asyncio.NewThreadPoolExecutor(2)
	var n atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				if err := e.Submit(t.Context(), func(context.Context) { n.Add(1) }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := e.Shutdown(t.Context()); err != nil || n.Load() != 800 {
		t.Errorf("%v; %d were called", err, n.Load())
	}
	if err := e.Submit(t.Context(), func(context.Context) {}); !errors.Is(err, asyncio.ErrExecutorShutdown) {
		t.Errorf("after that Submit gave %v", err)
	}
}

func TestFuturesFromGoroutinesAndChannels(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := must(asyncio.RunningLoop(ctx))
		v, err := asyncio.WrapFuture(l, func(context.Context) (int, error) { return 5, nil }).Await(ctx)
		if v != 5 || err != nil {
			t.Errorf("WrapFuture gave %d, %v", v, err)
		}
		c := make(chan string)
		go func() { c <- "one"; close(c) }()
		if v, err := asyncio.WrapChan(l, c).Await(ctx); v != "one" || err != nil {
			t.Errorf("WrapChan gave %q, %v", v, err)
		}
		if _, err := asyncio.WrapChan(l, c).Await(ctx); !errors.Is(err, asyncio.ErrChannelClosed) {
			t.Errorf("a closed channel gave %v", err)
		}
		f, settle := asyncio.NewThreadsafeFuture[int](l)
		go settle(6, nil)
		if v, err := f.Await(ctx); v != 6 || err != nil {
			t.Errorf("NewThreadsafeFuture gave %d, %v", v, err)
		}
		bad := errors.New("bad")
		f, settle = asyncio.NewThreadsafeFuture[int](l)
		go func() { settle(0, bad); settle(1, nil) }()
		if _, err := f.Await(ctx); err != bad {
			t.Errorf("it failed with %v", err)
		}
	})
}

func TestWrappedFutureTellsItsGoroutineToEnd(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := must(asyncio.RunningLoop(ctx))
		begun, told := make(chan struct{}), make(chan struct{})
		f := asyncio.WrapFuture(l, func(ctx context.Context) (int, error) {
			close(begun)
			<-ctx.Done()
			close(told)
			return 0, ctx.Err()
		})
		<-begun
		f.Cancel()
		if _, err := f.Await(ctx); !asyncio.IsCancelled(err) {
			t.Errorf("got %v", err)
		}
		asyncio.Sleep(ctx, 0)
		<-told
		never := asyncio.WrapChan(l, make(chan int))
		never.Cancel()
		asyncio.WrapChan(l, make(chan int)) // ends when the loop does
		asyncio.WrapFuture(l, func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, context.Cause(ctx) })
	})
}

func TestRunWaitsForTheDefaultExecutorOnlySoLong(t *testing.T) {
	for name, driver := range drivers() {
		t.Run(name, func(t *testing.T) {
			begun, release, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
			err := asyncio.Run(t.Context(), func(ctx context.Context) error {
				asyncio.RunInExecutor(must(asyncio.RunningLoop(ctx)), nil, func(context.Context) (int, error) {
					defer close(ended)
					close(begun)
					<-release
					return 0, nil
				})
				<-begun
				return nil
			}, options(driver, asyncio.WithExecutorGrace(time.Millisecond))...)
			var left *asyncio.JobsLeftError
			if !errors.As(err, &left) || !errors.Is(err, context.DeadlineExceeded) || len(left.Jobs) != 1 {
				t.Errorf("Run gave %v", err)
			}
			close(release)
			<-ended
		})
	}
}

func TestToExecutorRunsInTheExecutorWithTheValuesOfTheContext(t *testing.T) {
	type key struct{}
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		e := asyncio.NewThreadPoolExecutor(1)
		withValue := context.WithValue(ctx, key{}, "parrot")
		got, err := asyncio.ToExecutor(withValue, e, func(ctx context.Context) (any, error) { return ctx.Value(key{}), nil })
		if got != "parrot" || err != nil {
			t.Errorf("the function saw %v, %v", got, err)
		}
		// The one worker counts a job before it takes the next, and after its result is there.
		if n, _ := asyncio.ToExecutor(ctx, e, func(context.Context) (uint64, error) { return e.Stats().Done, nil }); n != 1 {
			t.Errorf("the executor has done %d jobs", n)
		}
	})
}

func TestContextOfAJobHasEndedForWhoAsksOnlyAfterItsReturn(t *testing.T) {
	type key struct{}
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		job, err := asyncio.ToThread(context.WithValue(ctx, key{}, "parrot"), func(ctx context.Context) (context.Context, error) {
			return ctx, ctx.Err()
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := job.Err(); err != context.Canceled || context.Cause(job) != err {
			t.Errorf("Err is %v, Cause %v", err, context.Cause(job))
		}
		child, cancel := context.WithCancel(job)
		defer cancel()
		if child.Err() != context.Canceled || child.Value(key{}) != "parrot" {
			t.Errorf("a child of it: %v", child.Err())
		}
	})
}
