package asyncio_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asyncio-go/asyncio"
	"go.uber.org/goleak"
)

// A stallLog is a log whose lines a test waits for.
type stallLog struct{ lines chan string }

func newStallLog() *stallLog { return &stallLog{lines: make(chan string, 100)} }

func (l *stallLog) Enabled(context.Context, slog.Level) bool { return true }
func (l *stallLog) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *stallLog) WithGroup(string) slog.Handler            { return l }
func (l *stallLog) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	r.Attrs(func(a slog.Attr) bool {
		line += fmt.Sprintf("\n%s: %s", a.Key, a.Value.Kind())
		return true
	})
	l.lines <- line
	return nil
}

// next returns the next line of the log.
func (l *stallLog) next(t *testing.T) string {
	t.Helper()
	select {
	case line := <-l.lines:
		return line
	case <-time.After(20 * time.Second):
		t.Error("nothing was logged")
		return ""
	}
}

// unlessHeldUp runs body until it returns nothing that is wrong, ten times at most: a busy
// machine may itself hold up a loop for as long as a test does, and that is then reported.
func unlessHeldUp(t *testing.T, body func() (wrong string)) {
	t.Helper()
	for tries := 1; !t.Failed(); tries++ {
		wrong := body()
		if wrong == "" {
			return
		}
		if tries == 10 {
			t.Error(wrong)
		}
	}
}

// A standingMain is the main task of a loop that stands still at the place that it
// tells, until free is closed.
type standingMain func(ctx context.Context, at chan<- string, free <-chan struct{}) error

// firstReport runs a loop that stands still, and returns the first line of the first
// report that it does, which is of the place that it has told, and the whole of it. A step
// that was held up on its way there, which is reported from there and not once more, is run
// again.
func firstReport(t *testing.T, main standingMain, opts ...asyncio.Option) (first, report string) {
	t.Helper()
	unlessHeldUp(t, func() string {
		log := newStallLog()
		at, free, over := make(chan string, 1), make(chan struct{}), make(chan error, 1)
		go func() {
			over <- asyncio.Run(context.Background(), func(ctx context.Context) error { return main(ctx, at, free) },
				append(opts, asyncio.WithLogger(slog.New(log)), asyncio.WithInterrupts(false))...)
		}()
		place := <-at
		report = log.next(t)
		for strings.Contains(report, "goes on") { // from where it was held up before
			report = log.next(t)
		}
		close(free)
		if err := <-over; err != nil {
			t.Error(err)
		}
		if first, _, _ = strings.Cut(report, "\n"); !strings.Contains(first, place) {
			return fmt.Sprintf("it stands at %s, and not there:\n%s", place, report)
		}
		return ""
	})
	return first, report
}

// here returns the place of the call, so many lines further down.
func here(further int) string {
	_, file, line, _ := runtime.Caller(1)
	return fmt.Sprintf("%s:%d", file, line+further)
}

// A hang is a way to stop a loop for ever. hang hangs the loop at the place that it
// tells before, until free is closed.
var hangs = map[string]struct {
	want string
	hang standingMain
}{
	"a mutex that a waiting task holds": {"sync.Mutex.Lock", func(ctx context.Context, at chan<- string, free <-chan struct{}) error {
		var mu sync.Mutex
		asyncio.Go(ctx, func(ctx context.Context) error {
			mu.Lock()
			return asyncio.Sleep(ctx, time.Hour) //asyncvet:ignore mutex the stall is what is looked at
		})
		asyncio.Sleep(ctx, 0)
		go func() { <-free; mu.Unlock() }()
		at <- here(1)
		mu.Lock()
		return nil
	}},
	"a channel": {"a channel receive", func(ctx context.Context, at chan<- string, free <-chan struct{}) error {
		at <- here(1)
		<-free
		return nil
	}},
	"a select": {"a select", func(ctx context.Context, at chan<- string, free <-chan struct{}) error {
		at <- here(1)
		select {
		case <-free:
		case <-make(chan int):
		}
		return nil
	}},
	"a channel that is full": {"a channel send", func(ctx context.Context, at chan<- string, free <-chan struct{}) error {
		c := make(chan int)
		go func() { <-free; <-c }()
		at <- here(1)
		c <- 1
		return nil
	}},
	"a wait group": {"sync.WaitGroup.Wait", func(ctx context.Context, at chan<- string, free <-chan struct{}) error {
		var wg sync.WaitGroup
		wg.Go(func() { <-free })
		at <- here(1)
		wg.Wait() //asyncvet:ignore blocking the stall is what is looked at
		return nil
	}},
	"a database pool smaller than the number of tasks": {"database/sql.(*DB).Conn", func(ctx context.Context, at chan<- string, free <-chan struct{}) error {
		db := sql.OpenDB(connector{})
		db.SetMaxOpenConns(1)
		first, err := db.Conn(context.Background()) //asyncvet:ignore blocking the stall is what is looked at
		if err != nil {
			return err
		}
		go func() { <-free; first.Close() }()
		at <- here(1)
		second, err := db.Conn(context.Background()) //asyncvet:ignore blocking the stall is what is looked at
		if err != nil {
			return err
		}
		second.Close()
		return db.Close()
	}},
	"a computation": {"computing", func(ctx context.Context, at chan<- string, free <-chan struct{}) error {
		at <- "inspect_stall_test.go:" // somewhere below
		var over atomic.Bool
		go func() { <-free; over.Store(true) }()
		for !over.Load() {
		}
		return nil
	}},
	"a callback": {"a callback is blocked in a channel receive", func(ctx context.Context, at chan<- string, free <-chan struct{}) error {
		loopOf(ctx).CallSoon(func() {
			at <- here(1)
			<-free
		})
		return asyncio.Sleep(ctx, time.Millisecond)
	}},
}

type connector struct{}

func (connector) Connect(context.Context) (driver.Conn, error) { return connection{}, nil }
func (connector) Driver() driver.Driver                        { return nil }

type connection struct{}

func (connection) Prepare(string) (driver.Stmt, error) { return nil, driver.ErrSkip }
func (connection) Close() error                        { return nil }
func (connection) Begin() (driver.Tx, error)           { return nil, driver.ErrSkip }

func TestALoopThatStandsStillSaysWhereAndThatItGoesOn(t *testing.T) {
	for driverName, driver := range drivers() {
		for name, h := range hangs {
			t.Run(driverName+"/"+name, func(t *testing.T) {
				t.Parallel()
				first, report := firstReport(t, h.hang, driver, asyncio.WithStallWatch(100*time.Millisecond))
				if !strings.Contains(first, h.want) {
					t.Errorf("want %s in\n%s", h.want, report)
				}
				if !strings.HasSuffix(report, "\nloop: String\nfor: Duration") {
					t.Errorf("it does not say of which loop, and how long: %s", report)
				}
			})
		}
	}
}

func TestAStalledLoopThatRunsOnIsReportedOnceAndThenThatItGoesOn(t *testing.T) {
	unlessHeldUp(t, func() (wrong string) {
		log := newStallLog()
		free, seen := make(chan struct{}), make(chan struct{}, 1)
		over := make(chan error, 1)
		go func() {
			over <- asyncio.Run(context.Background(), func(ctx context.Context) error {
				<-free
				_, err := asyncio.WrapChan(loopOf(ctx), seen).Await(ctx)
				return err
			}, asyncio.WithStallWatch(50*time.Millisecond), asyncio.WithLogger(slog.New(log)))
		}()
		first := log.next(t)
		close(free)
		second := log.next(t)
		seen <- struct{}{}
		if err := <-over; err != nil {
			t.Error(err)
		}
		if !strings.Contains(first, "stands still") || !strings.Contains(second, "goes on") {
			return first + "\nand then:\n" + second
		}
		select {
		case line := <-log.lines:
			return "and then: " + line
		default:
			return ""
		}
	})
}

// Of several loops the right one is named, also when the others have many tasks.
func TestTheStalledOneOfSeveralLoopsIsNamed(t *testing.T) {
	quiet := newStallLog()
	free := make(chan struct{})
	var loops sync.WaitGroup
	for range 3 {
		loops.Go(func() {
			_ = asyncio.Run(context.Background(), func(ctx context.Context) error {
				for range 1000 {
					asyncio.Go(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
				}
				_, err := asyncio.WrapChan(loopOf(ctx), free).Await(ctx)
				return err
			}, asyncio.WithStallWatch(time.Second), asyncio.WithLogger(slog.New(quiet)))
		})
	}
	firstReport(t, func(ctx context.Context, at chan<- string, free <-chan struct{}) error {
		at <- here(1)
		<-free
		return nil
	}, asyncio.WithStallWatch(50*time.Millisecond))
	close(free)
	loops.Wait()
	select {
	case line := <-quiet.lines:
		if strings.Contains(line, "stands still") {
			t.Error(line)
		}
	default:
	}
}

func TestAParkedLoopIsNoStall(t *testing.T) {
	watch := asyncio.WithStallWatch(20 * time.Millisecond)
	notReported(t, func(ctx context.Context) error { return asyncio.Sleep(ctx, 200*time.Millisecond) }, watch)
	notReported(t, func(ctx context.Context) error {
		after := make(chan time.Time)
		time.AfterFunc(100*time.Millisecond, func() { after <- time.Time{} })
		_, err := asyncio.WrapChan(loopOf(ctx), after).Await(ctx)
		return err
	}, watch, asyncio.WithVirtualClock())
}

// notReported runs a loop that does not stand still.
func notReported(t *testing.T, main func(ctx context.Context) error, opts ...asyncio.Option) {
	t.Helper()
	unlessHeldUp(t, func() string {
		log := newStallLog()
		if err := asyncio.Run(t.Context(), main, append(opts, asyncio.WithLogger(slog.New(log)))...); err != nil {
			t.Error(err)
		}
		select {
		case line := <-log.lines:
			return line
		default:
			return ""
		}
	})
}

// On the virtual clock a loop is watched where that was asked for.
func TestALoopOnTheVirtualClockIsWatchedOnDemand(t *testing.T) {
	for want, opts := range map[time.Duration][]asyncio.Option{
		2 * time.Second: nil,
		0:               {asyncio.WithVirtualClock()},
		time.Minute:     {asyncio.WithStallWatch(time.Minute), asyncio.WithVirtualClock()},
		-time.Second:    {asyncio.WithStallWatch(-time.Second)},
	} {
		l, err := asyncio.NewLoop(opts...)
		if err != nil {
			t.Fatal(err)
		}
		if got := asyncio.StallLimit(l); got != want {
			t.Errorf("%d options: the limit is %v, want %v", len(opts), got, want)
		}
		l.Close()
	}
	firstReport(t, func(_ context.Context, at chan<- string, free <-chan struct{}) error {
		at <- here(1)
		<-free
		return nil
	}, asyncio.WithStallWatch(20*time.Millisecond), asyncio.WithVirtualClock())
}

// A task that is always ready moves, as far as a watch can tell.
func TestALoopThatIsAlwaysBusyIsNoStall(t *testing.T) {
	notReported(t, func(ctx context.Context) error {
		for began := time.Now(); time.Since(began) < 600*time.Millisecond; {
			asyncio.Sleep(ctx, 0)
		}
		return nil
	}, asyncio.WithStallWatch(300*time.Millisecond))
}

func TestTheStallWatchIsNotSeenByLeakChecksAndStaysOutOfBubbles(t *testing.T) {
	before := goleak.IgnoreCurrent()
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		asyncio.Sleep(ctx, 10*time.Millisecond)
		//asyncvet:ignore blocking the stall is what is looked at
		return goleak.Find(before, goleak.IgnoreTopFunction("iter.Pull[...].func1.1"), goleak.IgnoreTopFunction("iter.Pull[...].func2"))
	}, asyncio.WithStallWatch(time.Millisecond))
	if err != nil {
		t.Error(err)
	}
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		err := asyncio.Run(t.Context(), func(ctx context.Context) error {
			//asyncvet:ignore blocking the stall is what is looked at
			<-time.After(time.Hour) // it blocks the loop's goroutine, and the clock leaps
			return nil
		}, asyncio.WithPortableDriver(), asyncio.WithStallWatch(time.Second), asyncio.WithLogger(slog.New(newStallLog())))
		if err != nil || time.Since(began) != time.Hour {
			t.Error(err, time.Since(began))
		}
	})
}
