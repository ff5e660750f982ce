package asyncio

import (
	"context"

	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/workerproc"
)

// A simulatedCall is a [poolCall] in a simulated world, whose workers are of the driver.
type simulatedCall struct {
	*poolCall
	by driver.WorkerHost
}

var _ worldlyExecutor = (*poolCall)(nil)

// inWorld implements worldlyExecutor.
func (c *poolCall) inWorld(d driver.Driver) Executor {
	if by, ok := d.(driver.WorkerHost); ok {
		return simulatedCall{c, by}
	}
	return c
}

// Submit implements [Executor].
func (c simulatedCall) Submit(ctx context.Context, fn func(context.Context)) error {
	c.pool.mu.Lock()
	closed := c.pool.closed
	c.pool.mu.Unlock()
	if closed {
		return ErrExecutorShutdown
	}
	c.by.RunWorker(ctx, c.pool, c.pool.max, func() {
		if ctx.Err() == nil {
			c.result, c.err = workerproc.Answer(c.request, c.pool.config.workers.MaxMessage)
			c.err = replyError(c.name, c.err)
		}
	}, func(died bool) {
		if died && ctx.Err() == nil {
			c.err = &WorkerCrashError{Function: c.name}
		}
		fn(ctx)
	})
	return nil
}
