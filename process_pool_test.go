package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio"
)

type numbers struct {
	A, B int
	Note *string
}

var (
	add = asyncio.RegisterWorker("add", func(_ context.Context, in numbers) (int, error) {
		fmt.Println("this must not get among the messages")
		return in.A + in.B, nil
	})
	processID = asyncio.RegisterWorker("processID", func(context.Context, struct{}) (int, error) { return os.Getpid(), nil })
	misbehave = asyncio.RegisterWorker("misbehave", func(_ context.Context, how string) (string, error) {
		switch how {
		case "fail":
			return "", errors.New("it failed")
		case "panic":
			panic("it panicked")
		case "exit":
			fmt.Fprintln(os.Stderr, "last words")
			os.Exit(3)
		case "kill":
			self, _ := os.FindProcess(os.Getpid())
			self.Kill()
			select {}
		case "hang":
			fmt.Fprintln(os.Stderr, "hanging")
			select {}
		case "crash":
			go func() { panic("on another goroutine") }()
			select {}
		}
		return how, nil
	})
	repeat = asyncio.RegisterWorker("repeat", func(_ context.Context, n int) (string, error) { return strings.Repeat("x", n), nil })
	hoard  = asyncio.RegisterWorker("hoard", func(_ context.Context, n int) (int, error) {
		hoarded = make([]byte, n)
		for i := range hoarded {
			hoarded[i] = 1
		}
		return n, nil
	})
	hoarded []byte
)

func newProcessPool(t *testing.T, workers int, opts ...asyncio.ProcessPoolOption) *asyncio.ProcessPoolExecutor {
	t.Helper()
	notEmulated(t, "a worker is this program, started without an emulator")
	p, err := asyncio.NewProcessPoolExecutor(workers, append([]asyncio.ProcessPoolOption{asyncio.WithWorkerStderr(io.Discard)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if s := p.Stats(); len(s.Workers) > 0 {
			t.Errorf("after the shutdown: %+v", s)
		}
	})
	return p
}

func TestWorkerProcessRunsFunctions(t *testing.T) {
	p := newProcessPool(t, 2)
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		for i := range 20 {
			if v, err := add.Call(ctx, p, numbers{A: i, B: 1}); v != i+1 || err != nil {
				t.Fatalf("got %d, %v", v, err)
			}
		}
		l := must(asyncio.RunningLoop(ctx))
		one, two := processID.Start(l, p, struct{}{}), processID.Start(l, p, struct{}{})
		ids, err := asyncio.Gather[int](ctx, one, two)
		if err != nil || ids[0] == os.Getpid() {
			t.Errorf("got %v, %v", ids, err)
		}
		if s := p.Stats(); s.Started > 2 || s.MaxWorkers != 2 || s.Crashed != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestErrorAndPanicOfAWorkerFunction(t *testing.T) {
	p := newProcessPool(t, 1)
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		before := must(processID.Call(ctx, p, struct{}{}))
		_, err := misbehave.Call(ctx, p, "fail")
		var remote *asyncio.RemoteError
		if !errors.As(err, &remote) || remote.Message != "it failed" || remote.Function != "misbehave" {
			t.Errorf("got %v", err)
		}
		_, err = misbehave.Call(ctx, p, "panic")
		var panicked *asyncio.PanicError
		if !errors.As(err, &panicked) || panicked.Value != "it panicked" || !strings.Contains(string(panicked.Stack), "process_pool_test.go") {
			t.Errorf("got %v", err)
		}
		if after := must(processID.Call(ctx, p, struct{}{})); after != before {
			t.Error("it was another process afterwards")
		}
	})
}

func TestCrashOfAWorkerFailsItsCallOnly(t *testing.T) {
	p := newProcessPool(t, 2)
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := must(asyncio.RunningLoop(ctx))
		for how, want := range map[string]string{"exit": "exit status 3; it wrote: last words", "kill": "signal: killed", "crash": "on another goroutine"} {
			if runtime.GOOS == "windows" && how == "kill" {
				continue
			}
			crashing := misbehave.Start(l, p, how)
			other := misbehave.Start(l, p, "well")
			_, err := crashing.Await(ctx)
			var crash *asyncio.WorkerCrashError
			if !errors.As(err, &crash) || crash.Function != "misbehave" || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v", how, err)
			}
			if v, err := other.Await(ctx); v != "well" || err != nil {
				t.Errorf("%s: the other gave %q, %v", how, v, err)
			}
		}
		if v, err := misbehave.Call(ctx, p, "after"); v != "after" || err != nil {
			t.Errorf("after the crashes: %q, %v", v, err)
		}
	})
}

func TestCancelledCallKillsItsWorker(t *testing.T) {
	stderr := newRecord()
	p := newProcessPool(t, 1, asyncio.WithWorkerStderr(stderr))
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		before := must(processID.Call(ctx, p, struct{}{}))
		f := misbehave.Start(must(asyncio.RunningLoop(ctx)), p, "hang")
		<-stderr.said
		f.Cancel()
		after, err := processID.Call(ctx, p, struct{}{})
		if err != nil || after == before {
			t.Errorf("afterwards: %d, which was %d, %v", after, before, err)
		}
	})
}

func TestWorkersAreReplacedAfterSoManyTasksOrSoMuchMemory(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		tasks := newProcessPool(t, 1, asyncio.WithMaxTasksPerChild(2))
		var ids []int
		for range 4 {
			ids = append(ids, must(processID.Call(ctx, tasks, struct{}{})))
		}
		if ids[0] != ids[1] || ids[1] == ids[2] || ids[2] != ids[3] {
			t.Errorf("the processes were %v", ids)
		}
		memory := newProcessPool(t, 1, asyncio.WithMaxWorkerMemory(100<<20))
		one := must(processID.Call(ctx, memory, struct{}{}))
		two := must(processID.Call(ctx, memory, struct{}{}))
		must(hoard.Call(ctx, memory, 120<<20))
		three := must(processID.Call(ctx, memory, struct{}{}))
		if one != two || two == three {
			t.Errorf("the processes were %d, %d, %d", one, two, three)
		}
	})
}

func TestMessagesOfWorkersAreBounded(t *testing.T) {
	p := newProcessPool(t, 1, asyncio.WithMaxMessage(1000))
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		if _, err := misbehave.Call(ctx, p, strings.Repeat("x", 1000)); !errors.Is(err, asyncio.ErrMessageTooLarge) {
			t.Errorf("a large argument gave %v", err)
		}
		if _, err := repeat.Call(ctx, p, 1000); !errors.Is(err, asyncio.ErrMessageTooLarge) {
			t.Errorf("a large result gave %v", err)
		}
		if v, err := repeat.Call(ctx, p, 900); len(v) != 900 || err != nil {
			t.Errorf("a small one gave %d bytes, %v", len(v), err)
		}
	})
}

func TestShutdownOfAProcessPoolKillsWhatDoesNotEnd(t *testing.T) {
	notEmulated(t, "a worker is this program, started without an emulator")
	stderr := newRecord()
	p := must(asyncio.NewProcessPoolExecutor(1, asyncio.WithWorkerStderr(stderr)))
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		l := must(asyncio.RunningLoop(ctx))
		hanging := misbehave.Start(l, p, "hang")
		<-stderr.said
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		var left *asyncio.JobsLeftError
		if err := p.Shutdown(ended); !errors.As(err, &left) { //asyncvet:ignore blocking here it is to wait on the loop itself
			t.Errorf("got %v", err)
		}
		if _, err := hanging.Await(ctx); !errors.Is(err, asyncio.ErrExecutorShutdown) {
			t.Errorf("the call gave %v", err)
		}
		if s := p.Stats(); len(s.Workers) > 0 {
			t.Errorf("afterwards: %+v", s)
		}
		if _, err := add.Call(ctx, p, numbers{}); !errors.Is(err, asyncio.ErrExecutorShutdown) {
			t.Errorf("a call afterwards gave %v", err)
		}
	})
}

func TestRegisteringAWorkerFunctionTwicePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("it did not panic")
		}
	}()
	asyncio.RegisterWorker("add", func(context.Context, int) (int, error) { return 0, nil })
}
