package asyncio_test

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"testing"

	"github.com/asyncio-go/asyncio"
)

func TestNamesAreLookedUpWhileTheDefaultExecutorIsBusy(t *testing.T) {
	for name, driver := range drivers() {
		t.Run(name, func(t *testing.T) {
			err := asyncio.Run(t.Context(), func(ctx context.Context) error {
				began, end := make(chan struct{}), make(chan struct{})
				job := asyncio.RunInExecutor(loopOf(ctx), nil, func(context.Context) (int, error) {
					close(began)
					<-end
					return 0, nil
				})
				if _, err := asyncio.WrapChan(loopOf(ctx), began).Await(ctx); err != asyncio.ErrChannelClosed {
					return err
				}
				srv, err := asyncio.StartServer(ctx, "tcp", "127.0.0.1:0", func(context.Context, *asyncio.Stream) error { return nil })
				if err != nil {
					return err
				}
				defer srv.Close()
				resolver := asyncio.WithResolver(func(context.Context, string, string) ([]netip.Addr, error) {
					return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
				})
				addr := netip.MustParseAddrPort(srv.Addr().String())
				s, err := asyncio.OpenConnection(ctx, "tcp", net.JoinHostPort("some.example", strconv.Itoa(int(addr.Port()))), resolver)
				if err == nil {
					s.Close()
				}
				close(end)
				if _, err := job.Await(ctx); err != nil {
					return err
				}
				return err
			}, driver, asyncio.WithExecutorWorkers(1))
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// A look-up that goes on when the loop is closed is told so by its context.
func TestClosingTheLoopEndsTheContextsOfLookUps(t *testing.T) {
	for name, driver := range drivers() {
		t.Run(name, func(t *testing.T) {
			l := newLoop(t, optionList(driver)...)
			began, ended := make(chan struct{}), make(chan struct{})
			resolver := asyncio.WithResolver(func(ctx context.Context, _, _ string) ([]netip.Addr, error) {
				close(began)
				<-ctx.Done()
				close(ended)
				return nil, ctx.Err()
			})
			task := asyncio.CreateTaskOn(l, func(ctx context.Context) (*asyncio.Stream, error) {
				return asyncio.OpenConnection(ctx, "tcp", "some.example:1", resolver)
			})
			wait := asyncio.WrapChan(l, began)
			if err := l.RunUntilComplete(wait); err != asyncio.ErrChannelClosed {
				t.Fatal(err)
			}
			l.Close()
			<-ended
			if !task.Done() {
				t.Error("who looked up was not told")
			}
		})
	}
}
