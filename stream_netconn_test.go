package asyncio_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// inThread runs f on a goroutine of its own, and suspends the task meanwhile.
func inThread(t *testing.T, ctx context.Context, f func() error) error {
	t.Helper()
	_, err := asyncio.ToThread(ctx, func(context.Context) (struct{}, error) { return struct{}{}, f() })
	return err
}

var longPast = time.Unix(1, 0)

func TestDeadlineFromAnotherGoroutineEndsARead(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		s, peer := resettable(t, ctx)
		defer peer.Close()
		defer s.Close()
		c := s.Conn()
		read := asyncio.Go(ctx, func(context.Context) error {
			_, err := c.Read(make([]byte, 1))
			return err
		})
		asyncio.Sleep(ctx, 0)
		if err := inThread(t, ctx, func() error { return c.SetReadDeadline(longPast) }); err != nil {
			t.Error(err)
		}
		_, err := read.Await(ctx)
		var timeout net.Error
		if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("the read gave %v", err)
		}
		// The connection itself is well.
		if err := c.SetDeadline(noTime); err != nil {
			t.Error(err)
		}
		peer.Write([]byte("x"))
		if n, err := c.Read(make([]byte, 1)); n != 1 || err != nil {
			t.Errorf("the next read gave %d, %v", n, err)
		}
	})
}

func TestDeadlineFromAnotherGoroutineEndsAWrite(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		s, peer := resettable(t, ctx)
		defer peer.Close()
		defer s.Abort()
		c := s.Conn()
		write := asyncio.Go(ctx, func(context.Context) error {
			for {
				if _, err := c.Write(make([]byte, 1<<20)); err != nil {
					return err
				}
			}
		})
		asyncio.Sleep(ctx, 0)
		if err := inThread(t, ctx, func() error { return c.SetWriteDeadline(longPast) }); err != nil {
			t.Error(err)
		}
		if _, err := write.Await(ctx); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the write gave %v", err)
		}
	})
}

func TestCloseFromAnotherGoroutineEndsARead(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		s, peer := resettable(t, ctx)
		defer peer.Close()
		c := s.Conn()
		read := asyncio.Go(ctx, func(context.Context) error {
			_, err := c.Read(make([]byte, 1))
			return err
		})
		asyncio.Sleep(ctx, 0)
		if err := inThread(t, ctx, c.Close); err != nil {
			t.Error(err)
		}
		if _, err := read.Await(ctx); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the read gave %v", err)
		}
		if err := s.WaitClosed(ctx); err != nil {
			t.Error(err)
		}
		if err := c.SetDeadline(noTime); !errors.Is(err, net.ErrClosed) {
			t.Errorf("SetDeadline of a closed connection gave %v", err)
		}
	})
}

// A goroutine's setting is on its way when the loop makes a newer one.
func TestLateDeadlineDoesNotOverwriteANewerOne(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		s, peer := resettable(t, ctx)
		defer peer.Close()
		defer s.Close()
		c := s.Conn()
		for name, set := range map[string]func(time.Time) error{
			"both": c.SetDeadline, "read": c.SetReadDeadline, "through another view": s.Conn().SetDeadline,
		} {
			sent := make(chan error)
			go func() { sent <- set(longPast) }()
			if err := <-sent; err != nil { // the loop is held up meanwhile
				t.Error(err)
			}
			if err := c.SetDeadline(noTime); err != nil {
				t.Error(err)
			}
			asyncio.Sleep(ctx, 0)
			peer.Write([]byte("x"))
			if _, err := c.Read(make([]byte, 1)); err != nil {
				t.Errorf("%s: the late deadline holds: %v", name, err)
			}
		}
		// A deadline for writing does not undo one for reading.
		sent := make(chan error)
		go func() { sent <- c.SetReadDeadline(longPast) }()
		<-sent
		c.SetWriteDeadline(noTime)
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the deadline for reading is gone: %v", err)
		}
	})
}

func TestReadAndWriteAreRefusedOnOtherGoroutines(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		s, peer := resettable(t, ctx)
		defer peer.Close()
		defer s.Close()
		c := s.Conn()
		local := c.LocalAddr().String()
		inThread(t, ctx, func() error {
			_, rerr := c.Read(make([]byte, 1))
			_, werr := c.Write(make([]byte, 1))
			cerr := c.(interface{ CloseWrite() error }).CloseWrite()
			for _, err := range []error{rerr, werr, cerr} {
				if !errors.Is(err, asyncio.ErrWrongGoroutine) {
					t.Errorf("got %v", err)
				}
			}
			if c.LocalAddr().String() != local || c.RemoteAddr() == nil {
				t.Error("the addresses are others here")
			}
			return nil
		})
	})
}

func TestErrorsOfAConnAreThoseOfPackageNet(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		s, peer := resettable(t, ctx)
		c := s.Conn()
		read := func(op string) *net.OpError {
			t.Helper()
			_, err := c.Read(make([]byte, 1))
			var e *net.OpError
			if !errors.As(err, &e) || e.Op != op || e.Net != "tcp" || e.Addr.String() != peer.LocalAddr().String() {
				t.Fatalf("got %#v", err)
			}
			return e
		}
		task := asyncio.CurrentTask(ctx)
		task.Cancel()
		if err := read("read"); !errors.Is(err, context.Canceled) || !asyncio.IsCancelled(err) || err.Timeout() {
			t.Errorf("a cancelled read gave %v", err)
		}
		task.Uncancel()
		c.SetReadDeadline(longPast)
		if err := read("read"); !err.Timeout() {
			t.Errorf("a late read gave %v", err)
		}
		c.SetReadDeadline(noTime)
		peer.CloseWrite()
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the end is %v", err)
		}
		s.Abort()
		_, err := c.Write([]byte("x"))
		var e *net.OpError
		if !errors.As(err, &e) || e.Op != "write" || !errors.Is(err, net.ErrClosed) {
			t.Errorf("a write after the end gave %#v", err)
		}
		peer.Close()

		s, peer = resettable(t, ctx)
		c = s.Conn()
		reset(peer)
		if err := read("read"); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("a reset read gave %v", err)
		}
	})
}

// crypto/tls closes the connection from a goroutine when its context ends.
func TestTLSHandshakeOverAConnEndsWithItsContext(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		s, peer := resettable(t, ctx)
		defer peer.Close()
		defer s.Close()
		limited, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		defer cancel()
		err := tls.Client(s.Conn(), &tls.Config{ServerName: "localhost"}).HandshakeContext(limited)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the handshake gave %v", err)
		}
	})
}

// watched is what pgx does with a context: a goroutine waits for its end and
// sets a deadline then, and whoever uses the connection stops the goroutine.
func watched(ctx context.Context, c net.Conn, f func() error) error {
	stop, stopped := make(chan struct{}), make(chan struct{})
	var ended atomic.Bool
	go func() {
		defer close(stopped)
		select {
		case <-ctx.Done():
			ended.Store(true)
			c.SetDeadline(longPast)
		case <-stop:
		}
	}()
	err := f()
	close(stop)
	<-stopped
	if ended.Load() {
		c.SetDeadline(noTime)
	}
	return err
}

func TestLibraryThatWatchesItsContextInAGoroutine(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		s, peer := resettable(t, ctx)
		defer peer.Close()
		defer s.Close()
		c := s.Conn()
		query := func(limit time.Duration) error {
			limited, cancel := context.WithTimeout(ctx, limit)
			defer cancel()
			return watched(limited, c, func() error {
				_, err := c.Read(make([]byte, 1))
				return err
			})
		}
		if err := query(20 * time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the query of a server that is silent gave %v", err)
		}
		peer.Write([]byte("x"))
		if err := query(time.Minute); err != nil {
			t.Errorf("the next query gave %v", err)
		}
	})
}

// Conn itself is for the loop; whoever calls it elsewhere can at least close.
func TestConnMadeOnAnotherGoroutineCloses(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		s, peer := resettable(t, ctx)
		defer peer.Close()
		inThread(t, ctx, func() error {
			c := s.Conn()
			if c.LocalAddr() == nil || c.RemoteAddr() == nil {
				t.Error("an address is nil")
			}
			return c.Close()
		})
		if err := s.WaitClosed(ctx); err != nil {
			t.Error(err)
		}
	})
}
