package asyncio

import (
	"context"
	"crypto/tls"
	"net"
	"os"
)

// A StreamWriter is the half of a stream that is written. Python: StreamWriter.
//
// All methods are for the loop's goroutine; those that wait need a running
// task.
type StreamWriter struct{ sock *pullSocket }

// tls returns the TLS between the stream and its socket; nil: plain.
func (w *StreamWriter) tls() *tlsLayer {
	if w.sock.rare == nil {
		return nil
	}
	return w.sock.rare.tls
}

// Write writes p, as [io.Writer] says. What the kernel does not take at once is
// queued. When more than the high-water mark (64 KiB) is queued, and a task
// calls it, it suspends the task until the queue has sunk to the low-water mark
// (16 KiB): so what writes to a slow peer, [io.Copy] for example, is held up.
// In a callback it never waits. An error of the wait (a cancellation) comes with
// a full count: p is written or queued then all the same. Python: write and
// drain; [StreamWriter.WriteNowait] is write alone.
func (w *StreamWriter) Write(p []byte) (int, error) {
	if err := onLoop(); err != nil {
		return 0, err
	}
	n, err := w.put(p)
	if err != nil {
		return n, err
	}
	return n, w.holdUp(n)
}

// WriteContext is Write whose wait also ends with ctx. Python: write and drain.
func (w *StreamWriter) WriteContext(ctx context.Context, p []byte) (int, error) {
	if err := onLoop(); err != nil {
		return 0, err
	}
	n, err := w.put(p)
	if err != nil || !w.mustHoldUp(n) {
		return n, err
	}
	t, level, err := w.begin(ctx)
	if err != nil {
		return n, err
	}
	return n, w.waitForRoom(t, level)
}

// WriteNowait is [StreamWriter.Write] that never waits: what the kernel does not
// take at once is copied and queued, however much is queued already. It returns
// the error with which writing has failed, or [net.ErrClosed].
//
// It is Python's write, for code between whose writes no other task may run, as
// where one task writes to many streams and the set of them must not change
// meanwhile. A peer that does not read makes the queue grow: wait in
// [StreamWriter.Drain], or look at [StreamWriter.WriteBufferSize] and end what
// is too slow. Python: write.
func (w *StreamWriter) WriteNowait(p []byte) error {
	if err := onLoop(); err != nil {
		return err
	}
	n, err := w.put(p)
	w.sock.count(n)
	return err
}

// put is write that never waits.
func (w *StreamWriter) put(p []byte) (int, error) {
	if layer := w.tls(); layer != nil {
		return layer.write(p)
	}
	return w.sock.write(p)
}

// drain implements copySink.
func (w *StreamWriter) drain(t *task, level context.Context) error { return w.sock.drain(t, level) }

// WriteLines writes several slices, with one system call where that can be.
// Python: writelines.
func (w *StreamWriter) WriteLines(bufs ...[]byte) (int, error) {
	if err := onLoop(); err != nil {
		return 0, err
	}
	var n int
	var err error
	if layer := w.tls(); layer != nil {
		n, err = layer.write(bufs...)
	} else {
		n, err = w.sock.writev(bufs)
	}
	if err != nil {
		return n, err
	}
	return n, w.holdUp(n)
}

// holdUp suspends the running task, if there is one, while too much is queued;
// and for one turn, when it has written much that the kernel took at once. n is
// what was written last.
func (w *StreamWriter) holdUp(n int) error {
	if !w.mustHoldUp(n) {
		return nil
	}
	t, err := w.sock.loop.runningTask()
	if err != nil {
		return err
	}
	return w.waitForRoom(t, nil)
}

func (w *StreamWriter) mustHoldUp(n int) bool {
	s := w.sock
	s.count(n)
	if !s.paused && s.moved < atOnce || s.loop.current == nil {
		return false
	}
	s.moved = 0
	return true
}

func (w *StreamWriter) waitForRoom(t *task, level context.Context) error {
	if !w.sock.paused {
		return t.yield()
	}
	return w.sock.drain(t, level)
}

func (w *StreamWriter) begin(ctx context.Context) (t *task, level context.Context, err error) {
	t, level, err = enter(ctx)
	if err == nil && t.loop != w.sock.loop {
		err = ErrWrongLoop
	}
	return t, level, err
}

// Drain suspends the running task until what is queued has sunk to the
// low-water mark, if it was above the high one. It returns the error with which
// writing has failed. It is where to wait after [StreamWriter.WriteNowait];
// [StreamWriter.Write] waits itself. Python: drain.
func (w *StreamWriter) Drain(ctx context.Context) error {
	t, level, err := w.begin(ctx)
	if err != nil {
		return err
	}
	return w.sock.drain(t, level)
}

// WriteBufferSize returns the number of bytes that are queued. Python:
// transport.get_write_buffer_size.
func (w *StreamWriter) WriteBufferSize() int { return w.sock.queued() }

// SetWriteBufferLimits sets the water marks, in bytes; a negative high is four
// times low, or the default when that is negative too, a negative low a quarter
// of high. Python:
// transport.set_write_buffer_limits.
func (w *StreamWriter) SetWriteBufferLimits(low, high int) {
	w.sock.setLimits(low, high)
}

// CanWriteEOF reports whether the half that is written can be ended while the
// other is still read. Python: can_write_eof.
func (w *StreamWriter) CanWriteEOF() bool { return true }

// WriteEOF ends the half that is written, after what was. The peer reads the
// end, and can still send. Over TLS that is a close_notify. Python: write_eof.
func (w *StreamWriter) WriteEOF() error {
	if err := onLoop(); err != nil {
		return err
	}
	if layer := w.tls(); layer != nil && !w.sock.eof {
		if err := layer.conn.CloseWrite(); err != nil {
			return err
		}
	}
	return w.sock.writeEOF()
}

// Close ends the stream: what was written is still sent, in the background,
// then the connection is closed. A task that reads gets [net.ErrClosed]. It
// never waits; closing twice does nothing. Python: close.
func (w *StreamWriter) Close() error {
	if err := onLoop(); err != nil {
		return err
	}
	if layer := w.tls(); layer != nil && w.sock.writable() == nil {
		_ = layer.conn.CloseWrite() // the peer may have gone; closing goes on
		w.sock.polite = true        // of TLS 1.3 there is always something: tickets
	}
	w.sock.close()
	return nil
}

// Abort closes the connection at once and drops what was not sent. Python:
// transport.abort.
func (w *StreamWriter) Abort() {
	if onLoop() == nil {
		w.sock.abort(nil)
	}
}

// WaitClosed suspends the running task until the connection is closed, which
// somebody else asks for, or has failed. It returns the error with which it has
// failed: what was written may not have arrived then. Python: wait_closed.
func (w *StreamWriter) WaitClosed(ctx context.Context) error {
	t, level, err := w.begin(ctx)
	if err != nil {
		return err
	}
	return w.sock.waitClosed(t, level)
}

// IsClosing reports whether Close or Abort was called, or the connection has
// failed. Python: is_closing.
func (w *StreamWriter) IsClosing() bool { return w.sock.closing || w.sock.writeFailed() }

// LocalAddr returns this side's address. Python: get_extra_info('sockname').
func (w *StreamWriter) LocalAddr() net.Addr { return w.sock.conn.LocalAddr() }

// RemoteAddr returns the peer's address. Python: get_extra_info('peername').
func (w *StreamWriter) RemoteAddr() net.Addr { return w.sock.conn.RemoteAddr() }

// ConnectionState returns what the handshake has agreed on; nil for a stream
// without TLS. Python: get_extra_info('ssl_object').
func (w *StreamWriter) ConnectionState() *tls.ConnectionState {
	if layer := w.tls(); layer != nil {
		return &layer.state
	}
	return nil
}

// Sendfile sends a file, as [Loop.Sendfile] does. Python: loop.sendfile on the
// stream's transport.
func (w *StreamWriter) Sendfile(ctx context.Context, f *os.File, offset, count int64) (int64, error) {
	t, level, err := w.begin(ctx)
	if err != nil {
		return 0, err
	}
	return w.sock.sendfile(t, level, w, w.tls() != nil, f, offset, count)
}
