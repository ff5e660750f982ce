package portable

import (
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// maxPending bounds what a connection has taken to be written, beside the
// piece of at most that size that its goroutine is writing.
const maxPending = large

// writer is the writing half of a connection. A goroutine writes out what is
// pending and ends when that is nothing. mu guards all of it.
type writer struct {
	out     func() // conn.writeOut, made once, for no write to allocate it
	mu      sync.Mutex
	pending []byte
	busy    bool  // there is a goroutine
	refused bool  // Write has taken less than it was given
	err     error // what ended it, for good
	shut    bool  // CloseWrite was called
	closing bool  // Close was called: the goroutine closes
	timer   *time.Timer
}

// Write implements [driver.Conn]. It copies p, or as much of it as there is
// room for.
func (c *conn) Write(p []byte) (int, error) {
	return c.write(len(p), func(room int) { c.append(p[:min(len(p), room)]) })
}

// Writev implements [driver.Conn].
func (c *conn) Writev(p [][]byte) (int, error) {
	total := 0
	for _, b := range p {
		total += len(b)
	}
	return c.write(total, func(room int) {
		for _, b := range p {
			b = b[:min(len(b), room)]
			c.append(b)
			room -= len(b)
		}
	})
}

// write makes put append as much of the total as there is room for.
func (c *conn) write(total int, put func(room int)) (int, error) {
	if err := c.usable(); err != nil {
		return 0, err
	}
	w := &c.out
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.err != nil:
		return 0, w.err
	case w.shut:
		return 0, errShut
	case total == 0:
		return 0, nil
	}
	before := len(w.pending)
	room := maxPending - before
	if total > room {
		w.refused = true
	}
	if room == 0 {
		return 0, driver.ErrWouldBlock
	}
	put(room)
	n := len(w.pending) - before
	c.startWriter()
	return n, nil
}

var errShut = fmt.Errorf("write: the connection is shut down for writing: %w", syscall.EPIPE)

// append puts p, for which there is room, behind what is pending.
func (c *conn) append(p []byte) {
	w := &c.out
	if need := len(w.pending) + len(p); need > cap(w.pending) {
		buf := c.d.buffers.get(need)
		n := copy(buf, w.pending)
		if w.pending != nil {
			c.d.buffers.put(w.pending)
		}
		w.pending = buf[:n]
	}
	w.pending = append(w.pending, p...)
}

// startWriter starts the goroutine that writes, unless there is one.
func (c *conn) startWriter() {
	w := &c.out
	if w.busy {
		return
	}
	if w.out == nil {
		w.out = c.writeOut
	}
	w.busy = true
	c.d.work.Add(1)
	go w.out()
}

// writeOut runs on a goroutine of its own.
func (c *conn) writeOut() {
	defer c.d.work.Done()
	w := &c.out
	w.mu.Lock()
	for len(w.pending) > 0 && w.err == nil {
		buf := w.pending
		w.pending = nil
		c.tellRoom()
		if w.timer != nil {
			w.timer.Reset(c.d.Linger)
		}
		w.mu.Unlock()
		_, err := c.nc.Write(buf)
		c.d.buffers.put(buf)
		w.mu.Lock()
		w.err = cause(err)
	}
	if w.shut && w.err == nil {
		if s, ok := c.nc.(shutter); ok { // CloseWrite has made sure
			w.mu.Unlock()
			err := s.CloseWrite()
			w.mu.Lock()
			w.err = cause(err)
		}
	}
	w.pending = nil
	w.busy = false
	closing := w.closing
	if w.timer != nil {
		w.timer.Stop()
	}
	if w.err != nil {
		c.post(driver.Writable | driver.Hangup)
	}
	w.mu.Unlock()
	if closing {
		_ = c.nc.Close()
	}
}

// tellRoom tells the handler that there is room again, if it has asked.
func (c *conn) tellRoom() {
	if c.out.refused {
		c.out.refused = false
		c.post(driver.Writable)
	}
}

// failure returns the error that ended writing, if any.
func (w *writer) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// shutter is a connection whose halves close apart.
type shutter interface{ CloseWrite() error }

// CloseWrite implements [driver.Conn]. It returns [errors.ErrUnsupported] for an
// existing connection that has no CloseWrite.
func (c *conn) CloseWrite() error {
	if err := c.usable(); err == driver.ErrWouldBlock {
		return fmt.Errorf("shutdown: %w", syscall.ENOTCONN)
	} else if err != nil {
		return err
	}
	if _, ok := c.nc.(shutter); !ok {
		return errNoShutdown
	}
	w := &c.out
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	if !w.shut {
		w.shut = true
		c.startWriter()
	}
	return nil
}

// closeAfterWriting leaves the closing to the goroutine that writes, and says
// false when there is none.
func (c *conn) closeAfterWriting() bool {
	w := &c.out
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.busy || w.err != nil {
		return false
	}
	w.closing = true
	w.timer = time.AfterFunc(c.d.Linger, func() {
		c.setLinger(0)
		_ = c.nc.Close() // ends the write
	})
	return true
}
