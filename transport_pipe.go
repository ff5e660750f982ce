package asyncio

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// ConnectReadPipe hands the reading end of a pipe, or a terminal, to the
// protocol that factory makes. At the end of what is written EOFReceived is
// called, whose answer does not count, and ConnectionLost. Nothing can be
// written.
//
// f belongs to the loop from then on, also when that fails, and must not be used
// any more. A regular file, which is always ready, is an error. ConnectReadPipe
// returns when ConnectionMade was called. It is for a task of the loop. Python:
// loop.connect_read_pipe.
func (l *Loop) ConnectReadPipe(ctx context.Context, factory func() Protocol, f *os.File) (Transport, Protocol, error) {
	return l.connectPipe(ctx, "read", factory, f, func(p Protocol) (*transport, error) {
		t, err := newReadPipe(l, p, fromFile(f))
		if err == nil {
			t.sock.readOnly = true
		}
		return t, err
	})
}

// ConnectWritePipe hands the writing end of a pipe, or a terminal, to the
// protocol that factory makes. Nothing is received. WriteEOF closes the pipe
// after what was written.
//
// When the last reader has gone ConnectionLost is called, with an error that is
// syscall.EPIPE: on Unix at once, on Windows after the next write. For f and the rest it is as [Loop.ConnectReadPipe]. Python:
// loop.connect_write_pipe.
func (l *Loop) ConnectWritePipe(ctx context.Context, factory func() Protocol, f *os.File) (Transport, Protocol, error) {
	return l.connectPipe(ctx, "write", factory, f, func(p Protocol) (*transport, error) { return newWritePipe(l, p, fromFile(f)) })
}

func (l *Loop) connectPipe(ctx context.Context, which string, factory func() Protocol, f *os.File, open func(Protocol) (*transport, error)) (Transport, Protocol, error) {
	tr, err := l.startPipe(ctx, factory, f, open)
	if err != nil {
		return nil, nil, fmt.Errorf("asyncio: connect %s pipe %s: %w", which, f.Name(), err)
	}
	return tr, tr.protocol, nil
}

func (l *Loop) startPipe(ctx context.Context, factory func() Protocol, f *os.File, open func(Protocol) (*transport, error)) (*transport, error) {
	taken := false
	defer func() {
		if !taken { // factory may have panicked
			_ = f.Close()
		}
	}()
	t, level, err := l.enter(ctx)
	if err != nil {
		return nil, err
	}
	p := factory()
	if p == nil {
		return nil, errors.New("the factory gave no protocol")
	}
	taken = true
	tr, err := open(p)
	if err != nil {
		return nil, err
	}
	tr.waiter = &future{loop: l}
	if err := tr.wait(t, level); err != nil {
		return nil, err
	}
	return tr, nil
}
