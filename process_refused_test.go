//go:build unix

package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/driver"
)

// A foreignProcess takes signals for a while, as one does that becomes somebody else's.
// It ends when a test says so.
type foreignProcess struct {
	took   []os.Signal
	takes  int
	killed func() // called when it is; nil: nothing is
	told   driver.Handler
	pipes  []int // that were asked for
}

const foreignPid = 1 << 30

func (p *foreignProcess) Pid() int               { return foreignPid }
func (p *foreignProcess) Path() string           { return "/foreign" }
func (p *foreignProcess) Watch(h driver.Handler) { p.told = h }
func (p *foreignProcess) ExitCode() int          { return 3 }

func (p *foreignProcess) Pipe(i int) driver.Conn {
	p.pipes = append(p.pipes, i)
	return nil
}

func (p *foreignProcess) Signal(sig os.Signal) error {
	if len(p.took) == p.takes {
		return syscall.EPERM
	}
	p.took = append(p.took, sig)
	if sig == os.Kill && p.killed != nil {
		p.killed()
	}
	return nil
}

func (p *foreignProcess) end() { p.told.Ready(driver.Readable) }

// A foreignStarter is a driver that starts no other.
type foreignStarter struct {
	driver.Driver
	next *foreignProcess
	gate chan struct{} // from which it takes twice; nil: it starts at once
	err  error
}

func (d *foreignStarter) StartProcess(*driver.ProcessSpec) (driver.Process, error) {
	if d.gate != nil {
		<-d.gate
		<-d.gate
	}
	if d.err != nil {
		return nil, d.err
	}
	return d.next, nil
}

func withForeignProcesses(t *testing.T, body func(t *testing.T, ctx context.Context, start func(takes int) (*asyncio.Process, *foreignProcess))) {
	for name, o := range drivers() {
		t.Run(name, func(t *testing.T) {
			d := &foreignStarter{Driver: must(asyncio.NewDriver(o))}
			runOn(t, asyncio.WithDriver(d), func(t *testing.T, ctx context.Context) {
				body(t, ctx, func(takes int) (*asyncio.Process, *foreignProcess) {
					d.next = &foreignProcess{takes: takes}
					return must(asyncio.CreateSubprocessExec(ctx, "foreign", nil)), d.next
				})
			})
		})
	}
}

func TestAProcessThatMayNotBeSignalledIsAnErrorThatNamesIt(t *testing.T) {
	withForeignProcesses(t, func(t *testing.T, ctx context.Context, start func(int) (*asyncio.Process, *foreignProcess)) {
		p, f := start(0)
		for want, send := range map[string]func() error{
			"asyncio: signal to process 1073741824: operation not permitted": p.Kill,
			"asyncio: stop process 1073741824, running: asyncio: signal to process 1073741824: operation not permitted": func() error {
				code, err := p.Stop(ctx, time.Hour)
				if code != 0 {
					t.Errorf("its code is %d", code)
				}
				return err
			},
		} {
			if err := send(); !errors.Is(err, syscall.EPERM) || err.Error() != want {
				t.Errorf("%v, want %s", err, want)
			}
		}
		if err := errors.Join(p.Terminate(), p.SendSignal(os.Interrupt)); !errors.Is(err, syscall.EPERM) {
			t.Error(err)
		}
		if err := p.Close(); !errors.Is(err, fs.ErrPermission) || err.Error() != "asyncio: process 1073741824 cannot be killed: permission denied" {
			t.Error(err)
		}
		f.end()
		waitFor(t, ctx, p, 3)
		if err := p.Kill(); !errors.Is(err, os.ErrProcessDone) {
			t.Error(err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestStopOfAProcessThatMayBeAskedAndNotKilledIsAnError(t *testing.T) {
	withForeignProcesses(t, func(t *testing.T, ctx context.Context, start func(int) (*asyncio.Process, *foreignProcess)) {
		p, f := start(1)
		if code, err := p.Stop(ctx, time.Millisecond); code != 0 || !errors.Is(err, syscall.EPERM) {
			t.Errorf("%d, %v", code, err)
		}
		if !slices.Equal(f.took, []os.Signal{syscall.SIGTERM}) {
			t.Errorf("it was sent %v", f.took)
		}
		f.end()
		waitFor(t, ctx, p, 3)
		// One that ends as it is asked to is not killed.
		p, f = start(1)
		loopOf(ctx).CallSoon(f.end)
		if code, err := p.Stop(ctx, time.Hour); code != 3 || err != nil || len(f.took) != 1 {
			t.Errorf("%d, %v, after %v", code, err, f.took)
		}
		// One that is killed takes its time.
		p, f = start(2)
		f.killed = func() { loopOf(ctx).CallLater(20*time.Millisecond, f.end) }
		if code, err := p.Stop(ctx, time.Millisecond); code != 3 || err != nil || !slices.Equal(f.took, []os.Signal{syscall.SIGTERM, os.Kill}) {
			t.Errorf("%d, %v, after %v", code, err, f.took)
		}
	})
}

// A start that was cancelled goes on, and what comes of it is ended: be it that the task
// was cancelled, that its context has ended, or both as the process was there.
func TestAForeignProcessWhoseStartWasCancelledIsKilled(t *testing.T) {
	for name, o := range drivers() {
		for _, how := range []string{"task", "context", "late"} {
			for _, failed := range []error{nil, errBoom} {
				t.Run(fmt.Sprint(name, how, failed), func(t *testing.T) {
					d := &foreignStarter{Driver: must(asyncio.NewDriver(o)), next: &foreignProcess{takes: 1}, gate: make(chan struct{}), err: failed}
					runOn(t, asyncio.WithDriver(d), func(t *testing.T, ctx context.Context) { cutAStartOff(t, ctx, d, how) })
				})
			}
		}
	}
}

func cutAStartOff(t *testing.T, ctx context.Context, d *foreignStarter, how string) {
	l, f := loopOf(ctx), d.next
	limited, end := context.WithCancel(ctx)
	defer end()
	task := asyncio.Go(ctx, func(context.Context) error { return errorOf(asyncio.CreateSubprocessExec(limited, "foreign", nil)) })
	eventually(t, ctx, "it starts", func() bool { return l.Stats().Jobs == 1 })
	d.gate <- struct{}{} // StartProcess is under way
	switch how {
	case "task":
		task.Cancel()
	case "context":
		end()
	case "late":
		close(d.gate)
		for l.Stats().Jobs > 0 { // on the loop's goroutine: it does not come to hear of it
			runtime.Gosched()
		}
		task.Cancel()
	}
	if _, err := task.Await(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if how != "late" {
		close(d.gate)
	}
	eventually(t, ctx, "nothing is under way", func() bool { return l.Stats().Jobs == 0 })
	turns(ctx, 3)
	if d.err != nil {
		if len(f.took)+len(f.pipes) != 0 || f.told != nil {
			t.Errorf("of one that has not started: %+v", f)
		}
		return
	}
	if !slices.Equal(f.took, []os.Signal{os.Kill}) || !slices.Equal(f.pipes, []int{0, 1, 2}) || f.told == nil {
		t.Fatalf("it was sent %v, and its pipes %v were closed", f.took, f.pipes)
	}
	f.end()
}

// A fencedDriver lets nothing out of its world.
type fencedDriver struct {
	driver.Driver
	asked []string
}

func (d *fencedDriver) Escape(what string) error {
	d.asked = append(d.asked, what)
	return errFault
}

func TestWhatLeadsOutOfAWorldIsAnErrorAndIsNotBegun(t *testing.T) {
	for name, o := range drivers() {
		t.Run(name, func(t *testing.T) {
			d := &fencedDriver{Driver: must(asyncio.NewDriver(o))}
			runOn(t, asyncio.WithDriver(d), func(t *testing.T, ctx context.Context) {
				l := loopOf(ctx)
				ch := make(chan int, 1)
				ch <- 1
				wrapped := asyncio.WrapFuture(l, func(context.Context) (int, error) { t.Error("it was called"); return 0, nil })
				for what, err := range map[string]error{
					"a future":  errorOf(wrapped.Await(ctx)),
					"a channel": errorOf(asyncio.WrapChan(l, ch).Await(ctx)),
					"a signal":  l.AddSignalHandler(syscall.SIGUSR1, func() {}),
					"a process": errorOf(asyncio.CreateSubprocessExec(ctx, "true", nil)),
				} {
					if !errors.Is(err, errFault) {
						t.Errorf("%s: %v", what, err)
					}
				}
				if len(ch) != 1 || l.RemoveSignalHandler(syscall.SIGUSR1) || len(d.asked) != 4 || l.Stats().Jobs != 0 {
					t.Errorf("%d in the channel, %d jobs, asked for %q", len(ch), l.Stats().Jobs, d.asked)
				}
			})
		})
	}
}
