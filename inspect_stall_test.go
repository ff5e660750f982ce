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

// at returns the report of a loop that stands still at place. On a busy machine a loop may
// have stood still before, on its way there, and gone on.
func (l *stallLog) at(t *testing.T, place string) (report string) {
	t.Helper()
	for first := ""; !t.Failed() && !strings.Contains(first, place); first, _, _ = strings.Cut(report, "\n") {
		if report = l.next(t); report == "" {
			t.Errorf("the last report is %s, want one at %s", first, place)
		}
	}
	return report
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
	hang func(ctx context.Context, at chan<- string, free <-chan struct{}) error
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
				log := newStallLog()
				at, free, over := make(chan string, 1), make(chan struct{}), make(chan error, 1)
				go func() {
					over <- asyncio.Run(context.Background(), func(ctx context.Context) error {
						return h.hang(ctx, at, free)
					}, driver, asyncio.WithStallWatch(100*time.Millisecond), asyncio.WithLogger(slog.New(log)), asyncio.WithInterrupts(false))
				}()
				place := <-at
				report := log.at(t, place)
				if first, _, _ := strings.Cut(report, "\n"); !strings.Contains(first, h.want) {
					t.Errorf("want %s at %s in\n%s", h.want, place, report)
				}
				if !strings.HasSuffix(report, "\nloop: String\nfor: Duration") {
					t.Errorf("it does not say of which loop, and how long: %s", report)
				}
				close(free)
				if err := <-over; err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestAStalledLoopThatRunsOnIsReportedOnceAndThenThatItGoesOn(t *testing.T) {
	log := newStallLog()
	free := make(chan struct{})
	over := make(chan error, 1)
	go func() {
		over <- asyncio.Run(context.Background(), func(ctx context.Context) error {
			<-free
			return asyncio.Sleep(ctx, 300*time.Millisecond)
		}, asyncio.WithStallWatch(50*time.Millisecond), asyncio.WithLogger(slog.New(log)))
	}()
	if line := log.next(t); !strings.Contains(line, "stands still") {
		t.Error(line)
	}
	close(free)
	if line := log.next(t); !strings.Contains(line, "goes on") {
		t.Error(line)
	}
	if err := <-over; err != nil {
		t.Error(err)
	}
	select {
	case line := <-log.lines:
		t.Error("and then: ", line)
	default:
	}
}

// Of several loops the right one is named, also when the others have many tasks.
func TestTheStalledOneOfSeveralLoopsIsNamed(t *testing.T) {
	log, quiet := newStallLog(), newStallLog()
	free := make(chan struct{})
	at := make(chan string, 1)
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
	loops.Go(func() {
		_ = asyncio.Run(context.Background(), func(ctx context.Context) error {
			at <- here(1)
			<-free
			return nil
		}, asyncio.WithStallWatch(50*time.Millisecond), asyncio.WithLogger(slog.New(log)))
	})
	log.at(t, <-at)
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
	log := newStallLog()
	opts := []asyncio.Option{asyncio.WithStallWatch(20 * time.Millisecond), asyncio.WithLogger(slog.New(log))}
	err := asyncio.Run(t.Context(), func(ctx context.Context) error { return asyncio.Sleep(ctx, 200*time.Millisecond) }, opts...)
	if err != nil {
		t.Error(err)
	}
	err = asyncio.Run(t.Context(), func(ctx context.Context) error {
		after := make(chan time.Time)
		time.AfterFunc(100*time.Millisecond, func() { after <- time.Time{} })
		_, err := asyncio.WrapChan(loopOf(ctx), after).Await(ctx)
		return err
	}, append(opts, asyncio.WithVirtualClock())...)
	if err != nil {
		t.Error(err)
	}
	select {
	case line := <-log.lines:
		t.Error(line)
	default:
	}
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
	log := newStallLog()
	err := asyncio.Run(t.Context(), func(context.Context) error {
		free := make(chan struct{})
		go func() { log.at(t, here(1)); close(free) }()
		<-free
		return nil
	}, asyncio.WithStallWatch(20*time.Millisecond), asyncio.WithVirtualClock(), asyncio.WithLogger(slog.New(log)))
	if err != nil {
		t.Error(err)
	}
}

// A task that is always ready moves, as far as a watch can tell.
func TestALoopThatIsAlwaysBusyIsNoStall(t *testing.T) {
	log := newStallLog()
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		for began := time.Now(); time.Since(began) < 600*time.Millisecond; {
			asyncio.Sleep(ctx, 0)
		}
		return nil
	}, asyncio.WithStallWatch(300*time.Millisecond), asyncio.WithLogger(slog.New(log)))
	if err != nil {
		t.Error(err)
	}
	select {
	case line := <-log.lines:
		t.Error(line)
	default:
	}
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
