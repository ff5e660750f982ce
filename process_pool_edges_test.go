package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio"
)

// A worker process that is told to ends before it can say that it is one.
func init() {
	if os.Getenv("ASYNCIO_TEST_DIE_EARLY") != "" {
		fmt.Fprintln(os.Stderr, "out of order")
		os.Exit(4)
	}
}

var (
	environment = asyncio.RegisterWorker("environment", func(_ context.Context, name string) (string, error) { return os.Getenv(name), nil })
	talkative   = asyncio.RegisterWorker("talkative", func(_ context.Context, n int) (int, error) {
		for i := range n {
			fmt.Fprintf(os.Stderr, "%08d\n", i)
		}
		os.Exit(5)
		return 0, nil
	})
	silent0 = asyncio.RegisterWorker("silent0", func(context.Context, struct{}) (struct{}, error) { return struct{}{}, nil })
	opaque  = asyncio.RegisterWorker("opaque", func(context.Context, struct{}) (any, error) { return func() {}, nil })
)

func TestWorkerProcessThatDiesAtOnceIsACrashWithItsWordsAndState(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		p := newProcessPool(t, 1, asyncio.WithWorkerEnv("ASYNCIO_TEST_DIE_EARLY=1"))
		_, err := add.Call(ctx, p, numbers{})
		var crash *asyncio.WorkerCrashError
		if !errors.As(err, &crash) || crash.State == nil || crash.State.ExitCode() != 4 || !strings.Contains(crash.Stderr, "out of order") ||
			!strings.HasPrefix(err.Error(), fmt.Sprintf("asyncio: start a worker process: asyncio: worker process %d died as it started: exit status 4; it wrote: ", crash.Process)) {
			t.Errorf("got %v", err)
		}
		if s := p.Stats(); len(s.Workers) != 0 {
			t.Errorf("it is still counted: %+v", s)
		}
	})
}

func TestWorkersHaveTheVariablesTheyAreGivenTheLastOneCounts(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		p := newProcessPool(t, 1, asyncio.WithWorkerEnv("ASYNCIO_TEST_A=1", "ASYNCIO_TEST_B=1"), asyncio.WithWorkerEnv("ASYNCIO_TEST_B=2"))
		for name, want := range map[string]string{"ASYNCIO_TEST_A": "1", "ASYNCIO_TEST_B": "2", "PATH": os.Getenv("PATH")} {
			if v, err := environment.Call(ctx, p, name); v != want || err != nil {
				t.Errorf("%s is %q, %v", name, v, err)
			}
		}
	})
}

func TestWordsOfAWorkerAreKeptAsFarAsTheLastFourKilobytes(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		var all lockedBuilder
		p := newProcessPool(t, 1, asyncio.WithWorkerStderr(&all))
		const lines = 1000
		_, err := talkative.Call(ctx, p, lines)
		var crash *asyncio.WorkerCrashError
		if !errors.As(err, &crash) {
			t.Fatalf("got %v", err)
		}
		if len(crash.Stderr) != 4<<10 || !strings.HasSuffix(crash.Stderr, fmt.Sprintf("%08d\n", lines-1)) {
			t.Errorf("%d bytes are kept: ...%q", len(crash.Stderr), crash.Stderr[max(0, len(crash.Stderr)-20):])
		}
		if got := all.String(); len(got) != lines*9 || !strings.HasSuffix(got, crash.Stderr) {
			t.Errorf("%d bytes were passed on", len(got))
		}
	})
}

func TestNumberOfWorkersIsWhatIsAskedForOrThatOfTheProcessors(t *testing.T) {
	for asked, want := range map[int]int{0: runtime.NumCPU(), -1: runtime.NumCPU(), 1: 1, 7: 7} {
		p := newProcessPool(t, asked)
		if s := p.Stats(); s.MaxWorkers != want {
			t.Errorf("asked for %d there are %d, want %d", asked, s.MaxWorkers, want)
		}
	}
}

func TestWhatGobCannotCarryIsAnErrorOfTheCall(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		p := newProcessPool(t, 1)
		if _, err := opaque.Call(ctx, p, struct{}{}); err == nil || !strings.Contains(err.Error(), "the result of opaque") {
			t.Errorf("a function as a result gave %v", err)
		}
		if _, err := silent0.Call(ctx, p, struct{}{}); err != nil {
			t.Errorf("nothing at all gave %v", err)
		}
	})
}

func TestPoolCountsTheProcessesItHasStarted(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		p := newProcessPool(t, 1)
		for range 2 {
			processID.Call(ctx, p, struct{}{})
		}
		if s := p.Stats(); s.Started != 1 || s.Crashed != 0 || len(s.Workers) != 1 || s.Done != 2 {
			t.Errorf("after two calls: %+v", s)
		}
		misbehave.Call(ctx, p, "exit")
		processID.Call(ctx, p, struct{}{})
		if s := p.Stats(); s.Started != 2 || s.Crashed != 1 || len(s.Workers) != 1 || s.Done != 4 {
			t.Errorf("after a crash: %+v", s)
		}
	})
}

func TestAWorkerFunctionKnowsItsName(t *testing.T) {
	if environment.Name() != "environment" || talkative.Name() != "talkative" {
		t.Error(environment.Name(), talkative.Name())
	}
}
