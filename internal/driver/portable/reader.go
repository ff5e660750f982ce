package portable

import (
	"errors"
	"io"
	"sync/atomic"
	"syscall"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// A waiter waits until there is something to read, without a buffer to read
// into.
type waiter struct {
	raw   syscall.RawConn       // nil: one cannot
	look  func(fd uintptr) bool // ready, made once: so a wait allocates nothing
	asked bool
}

// wait returns at once where one cannot wait; the read will. The error is that
// of the wait: the descriptor was closed.
func (w *waiter) wait() error {
	if !canWait || w.raw == nil {
		return nil
	}
	if w.look == nil {
		w.look = w.ready
	}
	w.asked = false
	return w.raw.Read(w.look)
}

// ready reports whether a read would not block. When it does not, it is called
// again after something has happened to the descriptor.
func (w *waiter) ready(fd uintptr) bool {
	first := !w.asked
	w.asked = true
	return readable(fd, first)
}

// reader is the reading half of a connection. A goroutine reads once, hands
// over what it got, and ends; the loop starts the next one when it has taken
// all of that and wants more. So at most one buffer is under way, and a paused
// connection has nothing.
//
// waiter and got belong to the goroutine from when busy is set until done is, and
// to the loop otherwise. The rest is the loop's.
type reader struct {
	waiter
	once func() // conn.readOnce, made once: so a read allocates nothing
	busy bool
	done atomic.Bool
	got  struct {
		buf []byte
		n   int
		err error
	}

	size  int    // of the next buffer
	whole []byte // the buffer that rest is of
	rest  []byte // what was read and not yet taken
	err   error  // what comes after rest, for good
}

// Read implements [driver.Conn].
func (c *conn) Read(p []byte) (int, error) {
	if err := c.usable(); err != nil {
		return 0, err
	}
	if len(p) == 0 {
		return 0, nil
	}
	r := &c.in
	c.collect()
	if len(r.rest) == 0 {
		if r.err != nil {
			return 0, c.readError()
		}
		c.fill()
		return 0, driver.ErrWouldBlock
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	if len(r.rest) == 0 {
		c.d.buffers.put(r.whole)
		r.whole, r.rest = nil, nil
	}
	if n < len(p) {
		if r.err != nil {
			c.post(driver.Readable | driver.Hangup)
		} else {
			c.fill()
		}
	}
	return n, nil
}

// readError returns the error at the end. A write may have been told of the
// peer's reset; the system tells it only once, and the end of the stream would
// look like a clean one.
func (c *conn) readError() error {
	if c.in.err == io.EOF {
		if err := c.out.failure(); err != nil && !errors.Is(err, syscall.EPIPE) {
			c.in.err = err
		}
	}
	return c.in.err
}

// fill starts a goroutine that reads, unless there is one.
func (c *conn) fill() {
	r := &c.in
	if r.busy || r.err != nil || len(r.rest) > 0 {
		return
	}
	if r.once == nil {
		r.once = c.readOnce
	}
	r.busy = true
	if !c.foreign {
		c.d.work.Add(1)
	}
	go r.once()
}

// readOnce runs on a goroutine of its own.
func (c *conn) readOnce() {
	if !c.foreign { // not even Close ends the read of some (a terminal): nobody waits for it
		defer c.d.work.Done()
	}
	r := &c.in
	var buf []byte
	var n int
	err := r.wait()
	if err == nil {
		buf = c.d.buffers.get(r.size)
		n, err = c.nc.Read(buf)
	}
	r.got.buf, r.got.n, r.got.err = buf, n, cause(err)
	r.done.Store(true)
	if err != nil {
		c.post(driver.Readable | driver.Hangup)
	} else {
		c.post(driver.Readable)
	}
}

// collect takes what the goroutine has handed over.
func (c *conn) collect() {
	r := &c.in
	if !r.busy || !r.done.Load() {
		return
	}
	buf, n := r.got.buf, r.got.n
	r.err = r.got.err
	r.got.buf, r.got.err = nil, nil
	r.busy = false
	r.done.Store(false)
	if n == 0 {
		c.d.buffers.put(buf)
		return
	}
	r.whole, r.rest = buf, buf[:n]
	switch {
	case n == len(buf):
		r.size = min(4*len(buf), large)
	case n < len(buf)/8:
		r.size = max(len(buf)/4, small)
	}
}
