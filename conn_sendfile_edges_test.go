package asyncio_test

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio"
)

func TestSendfileOfAFewBytesSendsThemAll(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		f := fileOf(t, []byte("0123456789"))
		plainAndTLS(t, ctx, func(name string, server []asyncio.ServerOption, client []asyncio.ConnOption) {
			srv := serve(t, ctx, echo, server...)
			s := dial(t, ctx, srv.Addr(), client...)
			for count := range int64(4) {
				if n, err := s.Sendfile(ctx, f, 3, count); n != count || err != nil {
					t.Errorf("%s: of %d bytes %d were sent, %v", name, count, n, err)
				}
			}
			if p, err := s.ReadExactly(ctx, 6); string(p) != "334345" || err != nil {
				t.Errorf("%s: %q came, %v", name, p, err)
			}
			s.Close()
			shutdown(t, ctx, srv)
		})
	})
}

// Sendfile that is cancelled while it is held up has sent what it says.
func TestCancelledSendfileSaysHowMuchItHasSent(t *testing.T) {
	const size = 8 << 20
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		f := fileOf(t, make([]byte, size))
		plainAndTLS(t, ctx, func(name string, server []asyncio.ServerOption, client []asyncio.ConnOption) {
			begin := new(asyncio.Event)
			read := asyncio.NewFuture[int64](loopOf(ctx))
			srv := serve(t, ctx, func(ctx context.Context, s *asyncio.Stream) error {
				if err := begin.Wait(ctx); err != nil {
					return err
				}
				n, err := io.Copy(io.Discard, s)
				read.SetResult(n)
				return err
			}, server...)
			s := dial(t, ctx, srv.Addr(), client...)
			sent := int64(-1)
			task := asyncio.Go(ctx, func(ctx context.Context) (err error) {
				sent, err = s.Sendfile(ctx, f, 0, -1)
				return err
			})
			turns(ctx, 5) // the kernel takes what it can
			for copied := name == "TLS" || !strings.HasSuffix(t.Name(), "/epoll"); copied && s.WriteBufferSize() < 64<<10; {
				asyncio.Sleep(ctx, 0)
			}
			task.Cancel()
			if _, err := task.Await(ctx); !asyncio.IsCancelled(err) {
				t.Errorf("%s: Sendfile gave %v", name, err)
			}
			begin.Set()
			s.Close()
			if n, err := read.Await(ctx); n != sent || n == 0 || n == size || err != nil {
				t.Errorf("%s: %d bytes came, %v; Sendfile said %d", name, n, err, sent)
			}
			shutdown(t, ctx, srv)
		})
	})
}

// A file that cannot be read is no fault of the connection's.
func TestSendfileOfAFileThatIsClosedLeavesTheConnection(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		plainAndTLS(t, ctx, func(name string, server []asyncio.ServerOption, client []asyncio.ConnOption) {
			srv := serve(t, ctx, echo, server...)
			s := dial(t, ctx, srv.Addr(), client...)
			f := fileOf(t, []byte("0123456789"))
			f.Close()
			if n, err := s.Sendfile(ctx, f, 0, -1); n != 0 || !errors.Is(err, os.ErrClosed) {
				t.Errorf("%s: %d bytes were sent, %v", name, n, err)
			}
			s.Write([]byte("fine"))
			if p, err := s.ReadExactly(ctx, 4); string(p) != "fine" || err != nil {
				t.Errorf("%s: %q came, %v", name, p, err)
			}
			s.Close()
			shutdown(t, ctx, srv)
		})
	})
}

// The end of a file that is read may come with its last byte.
func TestSendfileOfAFileOfOneByte(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		f := fileOf(t, []byte("x"))
		plainAndTLS(t, ctx, func(name string, server []asyncio.ServerOption, client []asyncio.ConnOption) {
			srv := serve(t, ctx, echo, server...)
			s := dial(t, ctx, srv.Addr(), client...)
			for _, count := range []int64{-1, 1, 2} {
				if n, err := s.Sendfile(ctx, f, 0, count); n != 1 || err != nil {
					t.Errorf("%s: with a count of %d %d were sent, %v", name, count, n, err)
				}
			}
			for _, c := range []struct{ offset, count int64 }{{1, -1}, {0, 0}, {2, 1}} {
				if n, err := s.Sendfile(ctx, f, c.offset, c.count); n != 0 || err != nil {
					t.Errorf("%s: %+v: %d were sent, %v", name, c, n, err)
				}
			}
			if p, err := s.ReadExactly(ctx, 3); string(p) != "xxx" || err != nil {
				t.Errorf("%s: %q came, %v", name, p, err)
			}
			s.Close()
			shutdown(t, ctx, srv)
		})
	})
}
