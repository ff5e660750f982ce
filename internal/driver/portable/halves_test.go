package portable

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// halves is a connection of others whose halves the test has in hand.
type halves struct {
	net.Conn
	reads      chan []byte // what comes; closed: the end
	wrote      []byte
	writeFails error
	shuts      int
	shutFails  error
	closes     chan struct{}
}

func (h *halves) Read(p []byte) (int, error) {
	b, ok := <-h.reads
	if !ok {
		return 0, io.EOF
	}
	return copy(p, b), nil
}

func (h *halves) Write(p []byte) (int, error) {
	if h.writeFails != nil {
		return 0, &net.OpError{Op: "write", Err: h.writeFails}
	}
	h.wrote = append(h.wrote, p...)
	return len(p), nil
}

func (h *halves) CloseWrite() error               { h.shuts++; return h.shutFails }
func (h *halves) Close() error                    { close(h.closes); return nil }
func (h *halves) SetDeadline(time.Time) error     { return nil }
func (h *halves) SetReadDeadline(time.Time) error { return nil }
func (h *halves) LocalAddr() net.Addr             { return nil }
func (h *halves) RemoteAddr() net.Addr            { return nil }

func openHalves(t *testing.T, h *halves) (*Driver, *conn, *seen) {
	t.Helper()
	d, err := New()
	if err != nil {
		t.Fatal(err)
	}
	h.reads, h.closes = make(chan []byte, 10), make(chan struct{})
	opened, err := d.FromConn(h)
	if err != nil {
		t.Fatal(err)
	}
	c, s := opened.(*conn), &seen{}
	if err := c.Start(s); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !c.closed {
			c.Close()
		}
		<-h.closes
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d, c, s
}

// A connection reads on when it was asked for more than there was, and not before.
func TestAConnectionReadsOnWhenMoreIsAskedFor(t *testing.T) {
	h := &halves{}
	d, c, s := openHalves(t, h)
	defer close(h.reads)
	for _, ask := range [][]int{{5}, {2, 3}, {1, 1, 3}} {
		h.reads <- []byte("hello")
		s.await(t, d, driver.Readable)
		for i, n := range ask {
			if got, err := c.Read(make([]byte, n)); got != n || err != nil {
				t.Errorf("read %d of %d, %v", got, n, err)
			}
			if last := i == len(ask)-1; c.in.busy || (c.in.whole == nil) != last || (c.in.rest == nil) != last {
				t.Errorf("after %v of %v a goroutine reads: %v, %d bytes are left", ask[:i+1], ask, c.in.busy, len(c.in.rest))
			}
		}
		if got, err := c.Read(nil); got != 0 || err != nil || c.in.busy {
			t.Errorf("nothing was asked for: %d, %v; a goroutine reads: %v", got, err, c.in.busy)
		}
		if got, err := c.Read(make([]byte, 1)); got != 0 || err != driver.ErrWouldBlock || !c.in.busy {
			t.Errorf("more was asked for: %d, %v; a goroutine reads: %v", got, err, c.in.busy)
		}
	}
	h.reads <- []byte("hello")
	s.await(t, d, driver.Readable)
	if got, err := c.Read(make([]byte, 6)); got != 5 || err != nil || !c.in.busy {
		t.Errorf("less came than was asked for: %d, %v; a goroutine reads: %v", got, err, c.in.busy)
	}
}

func TestNothingIsReadBeforeTheRestIsAndAfterTheEnd(t *testing.T) {
	for _, in := range []struct {
		rest string
		err  error
	}{{"x", nil}, {"", io.EOF}, {"x", io.EOF}} {
		c := &conn{source: source{d: &Driver{}}}
		c.in.rest, c.in.err = []byte(in.rest), in.err
		if c.fill(); c.in.busy {
			t.Errorf("with %q left, and %v after it, a goroutine reads", in.rest, in.err)
		}
	}
}

// The system tells of a reset once; when a write was told, the end is none.
func TestTheEndAfterAWriteThatWasResetIsThatReset(t *testing.T) {
	boom := errors.New("boom")
	for _, c := range []struct{ read, write, want error }{
		{io.EOF, nil, io.EOF}, {io.EOF, syscall.ECONNRESET, syscall.ECONNRESET}, {io.EOF, syscall.EPIPE, io.EOF},
		{boom, syscall.ECONNRESET, boom}, {boom, nil, boom},
	} {
		k := &conn{}
		k.in.err, k.out.err = c.read, c.write
		for range 2 {
			if err := k.readError(); err != c.want {
				t.Errorf("after %v and %v: %v", c.read, c.write, err)
			}
		}
	}
}

func TestAWriteThatFailsEndsWriting(t *testing.T) {
	boom := errors.New("boom")
	h := &halves{writeFails: boom}
	d, c, s := openHalves(t, h)
	defer close(h.reads)
	if n, err := c.Write([]byte("lost")); n != 4 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if what := s.await(t, d, driver.Hangup); what != driver.Writable|driver.Hangup {
		t.Errorf("told %b", what)
	}
	c.out.mu.Lock()
	if c.out.pending != nil || c.out.busy {
		t.Errorf("%d bytes are pending, a goroutine writes: %v", len(c.out.pending), c.out.busy)
	}
	c.out.mu.Unlock()
	for _, p := range [][]byte{[]byte("x"), nil} {
		if n, err := c.Write(p); n != 0 || err != boom {
			t.Errorf("then Write gave %d, %v", n, err)
		}
		if n, err := c.Writev([][]byte{p}); n != 0 || err != boom {
			t.Errorf("then Writev gave %d, %v", n, err)
		}
	}
	if err := c.CloseWrite(); err != boom || h.shuts != 0 {
		t.Errorf("then CloseWrite gave %v, with %d calls", err, h.shuts)
	}
}

func TestTheHalfIsEndedOnceAfterWhatWasWritten(t *testing.T) {
	boom := errors.New("boom")
	for _, fails := range []error{nil, boom} {
		h := &halves{shutFails: fails}
		d, c, s := openHalves(t, h)
		if n, err := c.Writev([][]byte{[]byte("last "), nil, []byte("words")}); n != 10 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		if err := c.CloseWrite(); err != nil {
			t.Error(err)
		}
		if n, err := c.Write([]byte("x")); n != 0 || !errors.Is(err, syscall.EPIPE) && err != boom {
			t.Errorf("after the end Write gave %d, %v", n, err)
		}
		if fails != nil {
			s.await(t, d, driver.Hangup)
			if n, err := c.Write([]byte("x")); n != 0 || err != boom {
				t.Errorf("after an end that has failed Write gave %d, %v", n, err)
			}
		}
		if err := c.CloseWrite(); err != fails {
			t.Errorf("again CloseWrite gave %v", err)
		}
		close(h.reads)
		c.Close()
		<-h.closes
		d.work.Wait()
		if string(h.wrote) != "last words" || h.shuts != 1 || c.out.pending != nil || c.out.busy {
			t.Errorf("%q was written, the half ended %d times; %d bytes are pending", h.wrote, h.shuts, len(c.out.pending))
		}
	}
}
