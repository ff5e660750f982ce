//go:build unix

package asyncio_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/asyncio-go/asyncio"
)

func TestSignalsThatCanBeCaughtAreThoseOfTheSystemButTwo(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGUSR2, syscall.SIGTERM} {
			if err := l.AddSignalHandler(sig, func() {}); err != nil {
				t.Errorf("%v: %v", sig, err)
			}
			if !l.RemoveSignalHandler(sig) || l.RemoveSignalHandler(sig) {
				t.Errorf("%v: it is not removed, or twice", sig)
			}
		}
		for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGSTOP} {
			if err := l.AddSignalHandler(sig, func() {}); !errors.Is(err, asyncio.ErrNotCatchable) {
				t.Errorf("%v: %v", sig, err)
			}
		}
		for _, sig := range []syscall.Signal{-1, 0, 1000} {
			if err := l.AddSignalHandler(sig, func() {}); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("%d: %v", int(sig), err)
			}
		}
	})
}

func TestAnInterruptTellsWhatCameAndTheStatusOfShells(t *testing.T) {
	for _, c := range []struct {
		sig  os.Signal
		text string
		code int
	}{
		{nil, "asyncio: interrupted", 130},
		{os.Interrupt, "asyncio: interrupted", 130},
		{syscall.SIGTERM, "asyncio: interrupted: terminated", 143},
		{namedSignal("odd"), "asyncio: interrupted: odd", 130},
	} {
		e := &asyncio.InterruptError{Signal: c.sig}
		if e.Error() != c.text || e.ExitCode() != c.code || e.Unwrap() != nil || !errors.Is(e, asyncio.ErrInterrupted) || errors.Is(e, errBoom) {
			t.Errorf("%v: %q, status %d, %v", c.sig, e, e.ExitCode(), e.Unwrap())
		}
	}
}

// A namedSignal is none of the system.
type namedSignal string

func (s namedSignal) String() string { return string(s) }
func (namedSignal) Signal()          {}

func TestASignalOfNoSystemHasNoHandler(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		if err := loopOf(ctx).AddSignalHandler(namedSignal("odd"), func() {}); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "odd") {
			t.Error(err)
		}
		if err := loopOf(ctx).AddSignalHandler(syscall.Signal(64), func() {}); err != nil {
			t.Error(err)
		}
		if err := loopOf(ctx).AddSignalHandler(syscall.Signal(65), func() {}); !errors.Is(err, errors.ErrUnsupported) {
			t.Error(err)
		}
	})
}
