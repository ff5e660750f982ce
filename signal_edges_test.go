//go:build unix

package asyncio_test

import (
	"context"
	"errors"
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
