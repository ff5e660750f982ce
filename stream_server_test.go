package asyncio_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/asyncio-go/asyncio"
)

// reports runs body on each driver, and returns what the exception handler was
// told.
func reports(t *testing.T, body func(t *testing.T, ctx context.Context)) map[string][]asyncio.ExceptionContext {
	t.Helper()
	told := map[string][]asyncio.ExceptionContext{}
	for name, driver := range drivers() {
		t.Run(name, func(t *testing.T) {
			err := asyncio.Run(t.Context(), func(ctx context.Context) error {
				body(t, ctx)
				return nil
			}, driver, asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
				told[name] = append(told[name], c)
			}))
			if err != nil {
				t.Error(err)
			}
		})
	}
	return told
}

func readLines(ctx context.Context, s *asyncio.Stream) error {
	for {
		if _, err := s.ReadLine(ctx); err != nil {
			return err
		}
	}
}

func TestOrdinaryEndsOfConnectionsAreNoNews(t *testing.T) {
	// Each handler returns what its calls return; each end is that of a client.
	handlers := map[string]func(context.Context, *asyncio.Stream) error{
		"reads lines": readLines,
		"copies":      echo,
		"reads messages": func(ctx context.Context, s *asyncio.Stream) error {
			for {
				if _, err := s.ReadExactly(ctx, 4); err != nil {
					return err
				}
			}
		},
		"wraps its errors": func(ctx context.Context, s *asyncio.Stream) error {
			return fmt.Errorf("the handler: %w", readLines(ctx, s))
		},
		"reads a net.Conn": func(ctx context.Context, s *asyncio.Stream) error {
			_, err := s.Conn().Read(make([]byte, 1))
			return err
		},
		"writes": func(ctx context.Context, s *asyncio.Stream) error {
			for {
				if _, err := s.Write([]byte("x")); err != nil {
					return err
				}
				if err := asyncio.Sleep(ctx, 0); err != nil {
					return err
				}
			}
		},
	}
	ends := map[string]func(t *testing.T, ctx context.Context, srv *asyncio.Server, c *asyncio.Stream){
		"the client closes": func(_ *testing.T, ctx context.Context, _ *asyncio.Server, c *asyncio.Stream) { c.WriteEOF() },
		"CloseClients":      func(_ *testing.T, _ context.Context, srv *asyncio.Server, _ *asyncio.Stream) { srv.CloseClients() },
		"AbortClients":      func(_ *testing.T, _ context.Context, srv *asyncio.Server, _ *asyncio.Stream) { srv.AbortClients() },
		"the loop closes":   nil,
	}
	for handler, serveClient := range handlers {
		for end, do := range ends {
			if handler == "writes" && end == "the client closes" {
				continue // it does not notice
			}
			t.Run(handler+"/"+end, func(t *testing.T) {
				told := reports(t, func(t *testing.T, ctx context.Context) {
					begun := asyncio.NewFuture[struct{}](loopOf(ctx))
					srv := serve(t, ctx, func(ctx context.Context, s *asyncio.Stream) error {
						begun.SetResult(struct{}{})
						return serveClient(ctx, s)
					})
					c := dial(t, ctx, srv.Addr())
					begun.Await(ctx)
					asyncio.Sleep(ctx, 0)
					if do != nil {
						do(t, ctx, srv, c)
						shutdown(t, ctx, srv)
					}
				})
				for driver, all := range told {
					t.Errorf("%s: told %d times: %s: %v", driver, len(all), all[0].Message, all[0].Err)
				}
			})
		}
	}
}

func TestErrorsOfHandlersAreNews(t *testing.T) {
	for name, handler := range map[string]func(context.Context, *asyncio.Stream) error{
		"its own":                func(context.Context, *asyncio.Stream) error { return errBoom },
		"of something closed":    func(context.Context, *asyncio.Stream) error { return net.ErrClosed },
		"the end of another":     func(context.Context, *asyncio.Stream) error { return fmt.Errorf("settings: %w", io.EOF) },
		"the end in the middle":  func(ctx context.Context, s *asyncio.Stream) error { _, err := s.ReadExactly(ctx, 4); return err },
		"the end without a word": func(context.Context, *asyncio.Stream) error { return io.ErrUnexpectedEOF },
	} {
		t.Run(name, func(t *testing.T) {
			told := reports(t, func(t *testing.T, ctx context.Context) {
				srv := serve(t, ctx, handler)
				c := dial(t, ctx, srv.Addr())
				c.Write([]byte("ab"))
				c.WriteEOF()
				c.ReadAll(ctx)
				shutdown(t, ctx, srv)
			})
			for driver := range drivers() {
				if all := told[driver]; len(all) != 1 || all[0].Message != "the handler of a connection failed" {
					t.Errorf("%s: told %v", driver, all)
				}
			}
		})
	}
}
