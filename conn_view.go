package asyncio

import (
	"context"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// A deadlined is what has deadlines. Its methods are for its loop's goroutine.
type deadlined interface {
	eventLoop() *Loop
	isClosed() bool
	setReadDeadline(time.Time)
	setWriteDeadline(time.Time)
}

// A netView is what the net.Conn and the net.PacketConn of something have in
// common: what any goroutine may call.
type netView struct {
	of            deadlined
	local, remote net.Addr // taken when it was made: any goroutine may ask

	// How often each deadline was set. A setting from another goroutine arrives
	// later than it was made; if there was one after it, it is dropped.
	readSet, writeSet atomic.Uint64
}

func (v *netView) LocalAddr() net.Addr  { return v.local }
func (v *netView) RemoteAddr() net.Addr { return v.remote }

func (v *netView) SetDeadline(t time.Time) error {
	return v.setDeadlines(t, v.readSet.Add(1), v.writeSet.Add(1))
}

func (v *netView) SetReadDeadline(t time.Time) error {
	return v.setDeadlines(t, v.readSet.Add(1), 0)
}

// SetWriteDeadline bounds how long a Write is held up. It never drops what is
// queued.
func (v *netView) SetWriteDeadline(t time.Time) error {
	return v.setDeadlines(t, 0, v.writeSet.Add(1))
}

// setDeadlines sets the deadlines whose setting has a number, here or on the
// loop.
func (v *netView) setDeadlines(t time.Time, read, write uint64) error {
	if onLoop() == nil {
		if v.of.isClosed() {
			return v.opError("set", net.ErrClosed)
		}
		v.apply(t, read, write)
		return nil
	}
	if !v.of.eventLoop().post(newHandle(func() { v.apply(t, read, write) })) {
		return v.opError("set", net.ErrClosed)
	}
	return nil
}

// apply sets the deadlines that were not set again since.
func (v *netView) apply(t time.Time, read, write uint64) {
	if v.of.isClosed() {
		return
	}
	if read != 0 && read == v.readSet.Load() {
		v.of.setReadDeadline(t)
	}
	if write != 0 && write == v.writeSet.Load() {
		v.of.setWriteDeadline(t)
	}
}

// doClose runs f, which closes, on the loop, at once or soon.
func (v *netView) doClose(f func() error) error {
	if onLoop() == nil {
		return v.opError("close", f())
	}
	// A loop that takes nothing more closes what it has itself.
	_ = v.of.eventLoop().post(newHandle(func() { _ = f() }))
	return nil
}

// opError names what was done to whom, as package net does: libraries tell by
// the type that the connection, and not what came over it, is at fault.
func (v *netView) opError(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	if _, ok := err.(*net.OpError); ok {
		return err
	}
	e := &net.OpError{Op: op, Source: v.local, Addr: v.remote, Err: err}
	if v.local != nil {
		e.Net = v.local.Network()
	}
	return e
}

// onItsLoop runs f on the loop: at once in a task, and else as a task, for which
// the goroutine blocks.
func (v *netView) onItsLoop(op string, f func() (int, error)) (int, error) {
	if onLoop() == nil {
		return f()
	}
	n, err := blockOnLoop(context.Background(), v.of.eventLoop(), func(context.Context) (int, error) { return f() })
	return n, v.opError(op, err)
}

// blockOnLoop runs f as a task of l, and blocks until it has returned. Its
// result counts beside an error, too: what was written was. The error is no
// failure of the task, for it is told to whoever blocks, or to nobody when the
// loop has closed meanwhile.
func blockOnLoop[T any](ctx context.Context, l *Loop, f func(context.Context) (T, error)) (v T, err error) {
	var failed error
	_, err = RunCoroutineThreadsafe(ctx, l, func(ctx context.Context) (struct{}, error) {
		v, failed = f(ctx)
		return struct{}{}, nil
	})
	if err == nil {
		err = failed
	}
	return v, err
}
