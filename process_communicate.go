package asyncio

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"

	"github.com/asyncio-go/asyncio/internal/spawn"
)

// Communicate writes input to the process and closes its standard input, reads
// its outputs to their ends, and waits for it. It returns what was read; nil for
// an output that is no pipe. That the process does not read all of the input
// is no error. All that it writes is kept in memory. A terminal is not closed
// after the input: that ends with ^D, if it is to. Python: communicate.
//
// When it is cancelled, the process goes on: kill it if that is not wanted.
// What was read until then is still there to be read, or for another call of
// Communicate, which needs no input then.
func (p *Process) Communicate(ctx context.Context, input []byte) (stdout, stderr []byte, err error) {
	if p.Stdin == nil && input != nil {
		return nil, nil, fmt.Errorf("asyncio: communicate: there is input, but standard input is not a pipe: %w", fs.ErrInvalid)
	}
	var work []func(context.Context) error
	if p.Stdin != nil {
		work = append(work, func(ctx context.Context) error { return p.feed(ctx, input) })
	}
	for _, r := range []*StreamReader{p.Stdout, p.Stderr} {
		if r != nil {
			work = append(work, r.fetchAll)
		}
	}
	if err := allOf(ctx, work); err != nil {
		return nil, nil, fmt.Errorf("asyncio: communicate: %w", err)
	}
	if _, err := p.Wait(ctx); err != nil {
		return nil, nil, err
	}
	return p.Stdout.takeAll(), p.Stderr.takeAll(), nil
}

// feed writes the input.
func (p *Process) feed(ctx context.Context, input []byte) error {
	_, err := p.Stdin.WriteContext(ctx, input)
	if err == nil {
		err = p.Stdin.Drain(ctx)
	}
	if err != nil && (IsCancelled(err) || ctx.Err() != nil) {
		return err
	}
	if !p.terminal {
		if closeErr := p.Stdin.Close(); err == nil {
			err = closeErr
		}
	}
	if spawn.BrokenPipe(err) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// allOf runs the functions at the same time. The first that fails ends the
// others.
func allOf(ctx context.Context, work []func(context.Context) error) error {
	switch len(work) {
	case 0:
		return nil
	case 1:
		return work[0](ctx)
	}
	err := Group(ctx, func(ctx context.Context, g *TaskGroup) error {
		for _, fn := range work {
			g.Go(fn)
		}
		return nil
	})
	if group, ok := err.(*GroupError); ok {
		return group.Errors[0]
	}
	return err
}
